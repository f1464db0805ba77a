// An agent that asks for another protocol, byte by byte.
import { connect, type Socket } from 'node:net';

/** A connection on which an upgrade was asked. */
export interface Asked {
  readonly socket: Socket;
  /** The answer's head, as text. */
  readonly head: string;
  readonly status: number;
  /** Everything after the head so far. */
  rest(): Buffer;
  /** Resolves with everything once the other end has closed. */
  closed(): Promise<Buffer>;
}

/** Asks and resolves once the head of an answer is here. `first` is sent in the same write as the request. */
export function askUpgrade(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  first: string | Buffer = '',
): Promise<Asked> {
  const { hostname, port, host } = new URL(url);
  const lines = Object.entries({ Host: host, Connection: 'Upgrade', ...headers }).map((pair) => pair.join(': '));
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.write(
      Buffer.concat([Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`), Buffer.from(first)]),
    );
    const chunks: Buffer[] = [];
    const all = () => Buffer.concat(chunks);
    let end = -1;
    const ended = new Promise<void>((done) => {
      socket.once('end', () => done());
      socket.once('close', () => done());
    });
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (end >= 0) return;
      end = all().indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = all().subarray(0, end).toString('latin1');
      resolve({
        socket,
        head,
        status: Number(head.slice(9, 12)),
        rest: () => all().subarray(end + 4),
        closed: () => ended.then(() => all().subarray(end + 4)),
      });
    });
    socket.on('error', () => {});
    socket.once('close', () => end < 0 && reject(new Error(`closed without an answer: ${all()}`)));
  });
}
