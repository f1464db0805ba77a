// The load: one request after another on each of some connections, written and read on the bare socket so that the
// client costs as little as can be. Every answer must be a 200 with a Content-Length.
import { connect, type Socket } from 'node:net';

/** What is asked, again and again. */
export interface Load {
  readonly url: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
}

/** Asks for so many milliseconds on connections of its own; resolves with the requests answered in each second. */
export async function hammer({ url, path, headers, connections }: Load, ms: number): Promise<number> {
  const { hostname, port, host } = new URL(url);
  const lines = Object.entries({ host, accept: 'application/json', ...headers }).map(([name, v]) => `${name}: ${v}`);
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  const open = Array.from({ length: connections }, () => openLane(connect(Number(port), hostname), request));
  const lanes = await Promise.all(open);
  const began = performance.now();
  const counts = await Promise.all(lanes.map((lane) => lane.askUntil(began + ms)));
  const seconds = (performance.now() - began) / 1_000;
  for (const lane of lanes) lane.close();
  return counts.reduce((sum, count) => sum + count, 0) / seconds;
}

interface Lane {
  askUntil(until: number): Promise<number>;
  close(): void;
}

async function openLane(socket: Socket, request: Buffer): Promise<Lane> {
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.setNoDelay(true);
  let until = 0;
  let answered = 0;
  let missing = -1;
  let head = '';
  let done: (count: number) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const take = (chunk: Buffer): void => {
    let body = chunk.length;
    if (missing === -1) {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      body = head.length - end - 4;
      missing = lengthOf(head.slice(0, end + 2));
      head = '';
    }
    missing -= body;
    if (missing > 0) return;
    missing = -1;
    answered += 1;
    if (performance.now() < until) socket.write(request);
    else done(answered);
  };
  socket.on('data', (chunk: Buffer) => {
    try {
      take(chunk);
    } catch (error) {
      fail(error as Error);
    }
  });
  socket.on('error', (error) => fail(error));
  socket.on('close', () => fail(new Error('the server closed the connection')));
  return {
    askUntil(end) {
      until = end;
      answered = 0;
      socket.write(request);
      return new Promise((resolve, reject) => {
        done = resolve;
        fail = reject;
      });
    },
    close: () => socket.destroy(),
  };
}

function lengthOf(head: string): number {
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(`not a 200: ${head.slice(0, 60)}`);
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1];
  if (length === undefined) throw new Error('an answer without Content-Length');
  return Number(length);
}
