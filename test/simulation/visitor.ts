// An agent's request to a gateway: node's own request and response on a connection that is none, so that the real
// exchange serves it without a socket.
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

/** What an agent was answered. */
export interface AgentAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** All of it came. */
  readonly whole: boolean;
}

/** A connection that keeps what is written to it. */
class AgentConnection extends Socket {
  readonly #written: Buffer[] = [];

  override readonly remoteAddress = '192.0.2.7';

  override _read(): void {}

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#written.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, 'latin1'));
    done();
  }

  override _writev(parts: { chunk: Buffer | string }[], done: (error?: Error | null) => void): void {
    for (const { chunk } of parts) this.#written.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, 'latin1'));
    done();
  }

  override setTimeout(): this {
    return this;
  }

  get written(): string {
    return Buffer.concat(this.#written).toString('latin1');
  }
}

/** A request that is under way. */
export interface Visiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The agent closes the connection. */
  leave(): void;
}

/** Begins a request; `ended` is told what came, or null when the connection closed before a head. */
export function visit(
  options: {
    readonly method: string;
    readonly path: string;
    readonly headers: readonly string[];
    readonly body: string;
  },
  ended: (answer: AgentAnswer | null) => void,
): Visiting {
  const connection = new AgentConnection();
  const request = new IncomingMessage(connection);
  const length = options.body === '' ? [] : ['Content-Length', String(Buffer.byteLength(options.body))];
  request.method = options.method;
  request.url = options.path;
  request.httpVersion = '1.1';
  request.httpVersionMajor = 1;
  request.httpVersionMinor = 1;
  request.rawHeaders = ['Host', 'gateway.test', ...options.headers, ...length];
  // Node's parser says how many of the raw ones count; without it there would be none.
  request.headers = headersOf(request.rawHeaders);
  if (options.body !== '') request.push(options.body);
  request.complete = true;
  request.push(null);
  const response = new ServerResponse(request);
  response.sendDate = false;
  response.assignSocket(connection);
  response.on('finish', () => {
    response.detachSocket(connection);
    process.nextTick(() => response.emit('close'));
  });
  response.once('close', () => ended(readAnswer(connection.written)));
  return { request, response, leave: () => connection.destroy() };
}

function headersOf(raw: readonly string[]): Record<string, string> {
  return Object.fromEntries(raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] ?? '']] : [])));
}

function readAnswer(text: string): AgentAnswer | null {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const body = text.slice(end + 4);
  const length = headers.get('content-length');
  const chunked = headers.get('transfer-encoding') === 'chunked';
  const whole = length !== undefined ? body.length === Number(length) : chunked ? body.endsWith('0\r\n\r\n') : true;
  return { status: Number(first.split(' ')[1]), headers, body, whole };
}
