import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { ReplayBody } from '../../src/inbound/replay-body.ts';

/** Sends `bytes` to a server that answers with what `read` makes of the body. */
async function through(bytes: Buffer<ArrayBuffer>, read: (body: ReplayBody) => Promise<Buffer>): Promise<Buffer> {
  const server = createServer(async (request, response) => {
    response.end(await read(new ReplayBody(request, 1_000_000)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('it listens on a port');
  const answer = await fetch(`http://127.0.0.1:${address.port}/`, { method: 'POST', body: bytes });
  const seen = Buffer.from(await answer.arrayBuffer());
  server.close();
  return seen;
}

const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251));

test('a body that was read to its end can still be streamed', async () => {
  const seen = await through(bytes, async (body) => {
    await body.whole();
    return buffer(body.stream());
  });
  expect(seen.equals(bytes)).toBe(true);
});

test('the copy is whole while the body streams, and when the stream is destroyed in its middle', async () => {
  for (const ending of ['read', 'destroyed'] as const) {
    const seen = await through(bytes, async (body) => {
      const stream = body.stream();
      if (ending === 'read') expect((await buffer(stream)).equals(bytes)).toBe(true);
      else {
        await once(stream, 'readable');
        stream.destroy();
      }
      expect(await body.whole()).toBe('kept');
      return body.bytes;
    });
    expect(seen.equals(bytes)).toBe(true);
  }
});
