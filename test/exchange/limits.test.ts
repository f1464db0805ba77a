// Everything has a limit: nothing that comes too large, too slow, too early or in an old manner of speaking kills the
// process, loses a body, or closes a connection without an answer.
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import * as script from '../fakes/script.ts';
import { askRaw, freePort, sendRaw } from '../support/gateway.ts';
import { expectNoMoney, expectPaid, type Stand, startStand, watch } from '../support/stand.ts';

const PRICE = 100_000n;
const KIB = 1_024;
let stand: Stand;
let uploadsPort: number;
let uploads: Server | undefined;
let token: string;
beforeAll(async () => {
  uploadsPort = await freePort();
  const service = (id: string, upstream: string) =>
    `\n  - { id: ${id}, upstream: "${upstream}", allowPrivateNetwork: true }`;
  stand = await startStand({
    sections: {
      services: service('shop', 'UPSTREAM') + service('uploads', `http://127.0.0.1:${uploadsPort}`),
      limits: '{ paymentSettle: 5s, diskReserve: 0B, unsettled: 1000, drain: 2s }',
    },
    policies: `agents: [{ id: buyer-1, owner: dana@example.com }]
budgets: [{ id: purse, limit: 1000.00 USD, window: day, per: agent }]
entitlements:
  - id: buys
    agents: { id: buyer-1 }
    services: [shop, uploads]
    requests: ["* /v1/**"]
    assets: [usd.sandbox]
    payees: [acme]
    ceiling: 1.00 USD
    budgets: [purse]
`,
  });
  token = await stand.gateway.token();
});
afterAll(() => stand.close());
afterEach(() => {
  uploads?.closeAllConnections();
  uploads?.close();
  uploads = undefined;
});

let asked = 0;
const ask = (init: RequestInit = {}, service = 'shop') => stand.gateway.ask(`/${service}/v1/${++asked}`, init);
const head = (line: string, ...headers: string[]) =>
  [line, `Host: ${new URL(stand.gateway.agents).host}`, `Purser-Token: ${token}`, ...headers, '', ''].join('\r\n');

test('the body of a demand is neither waited for nor read without end', async () => {
  const headers = () => [['WWW-Authenticate', sandboxChallenge()] as const];
  stand.behave({ unpaid: () => script.endless(402, headers(), 5_000, 1_000) });
  await expectPaid(stand, PRICE, () => ask());
  stand.behave({ unpaid: () => script.endless(402, headers(), 1_000, 1, 10) });
  await expectPaid(stand, PRICE, () => ask());
  const cut = () => script.demand(sandboxChallenge(), { body: 'x'.repeat(100), contentLength: 5_000 });
  stand.behave({ unpaid: () => [...cut(), { do: 'close' }] });
  await expectPaid(stand, PRICE, () => ask());
});

test('a demand longer than limits.challenge is unreadable; a head that is longer still ends the request', async () => {
  const filler = (bytes: number) => ['Basic realm="x"', `Digest realm="${'y'.repeat(bytes)}"`];
  stand.demands([sandboxChallenge(), ...filler(60 * KIB)]);
  await expectPaid(stand, PRICE, () => ask());
  stand.demands([sandboxChallenge(), ...filler(66 * KIB)]);
  await expectNoMoney(stand, 'challenge_malformed', () => ask());
  stand.demands([sandboxChallenge(), ...filler(200 * KIB)]);
  await expectNoMoney(stand, 'upstream_unreachable', () => ask());
});

test('a service that is slow byte by byte is waited for as long as it answers in time', async () => {
  stand.behave({
    unpaid: () => script.slowly(script.demand(sandboxChallenge()), 64, 1),
    paid: script.slowly(script.goods, 8, 1),
  });
  const { outcome } = await expectPaid(stand, PRICE, () => ask());
  expect(outcome.body).toBe('{"goods":true}');
});

test('a service that breaks off gives the agent a broken answer, never a whole one and never none', async () => {
  const whole = script.answer(200, { body: 'x'.repeat(1_000) });
  const length = whole[0]?.do === 'write' ? whole[0].bytes.length : 0;
  const chunked = script.endless(200, [], 1, 500).slice(0, -1);
  for (const unpaid of [script.closeAfter(length - 1, whole), [...chunked, { do: 'reset' as const }]]) {
    stand.behave({ unpaid });
    const outcome = await watch(stand, () => ask());
    expect([outcome.answer.status, outcome.body]).toEqual([200, 'cut']);
  }
  stand.behave({ unpaid: script.goods });
  expect((await watch(stand, () => ask())).body).toBe('{"goods":true}');
});

/** Everything that came until the connection ended, and how it ended. */
function talk(bytes: string): Promise<{ seen: string; ended: 'closed' | 'reset' }> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(stand.gateway.agents).port), '127.0.0.1', () => socket.write(bytes));
    let seen = '';
    let ended: 'closed' | 'reset' = 'closed';
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1');
    });
    socket.on('error', () => {
      ended = 'reset';
    });
    socket.on('close', () => resolve({ seen, ended }));
  });
}

test('HTTP/1.0 clients are served, paid answers too, and learn when an answer was cut short', async () => {
  stand.behave({ unpaid: script.endless(200, [], 2, 3).slice(0, -1).concat({ do: 'write', bytes: '0\r\n\r\n' }) });
  const free = await talk(`GET /shop/v1/old HTTP/1.0\r\nPurser-Token: ${token}\r\n\r\n`);
  expect(free.seen).toMatch(/^HTTP\/1\.[01] 200 .*\r\n\r\nxxxxxx$/s);
  expect(free.seen).not.toMatch(/transfer-encoding/i);
  stand.behave({});
  const paid = await talk(`GET /shop/v1/old HTTP/1.0\r\nPurser-Token: ${token}\r\n\r\n`);
  expect(paid.seen).toMatch(/Purser-Receipt: "[^"]+";state=settled;.*\{"goods":true\}$/s);
  const none = await talk('GET /shop/v1/old HTTP/1.0\r\n\r\n');
  expect(none.seen).toMatch(/^HTTP\/1\.[01] 401 .*"code":"token_missing"/s);
  stand.behave({ unpaid: [...script.endless(200, [], 1, 3).slice(0, -1), { do: 'reset' }] });
  const cut = await talk(`GET /shop/v1/old HTTP/1.0\r\nPurser-Token: ${token}\r\n\r\n`);
  expect(cut.ended).toBe('reset');
});

test('Upgrade: h2c is ignored, and does not reach the service', async () => {
  stand.behave({ unpaid: script.goods });
  const upgrade = ['Connection: Upgrade, HTTP2-Settings, close', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'];
  const seen = await sendRaw(stand.gateway.agents, head('GET /shop/v1/h2c HTTP/1.1', ...upgrade));
  expect(seen).toMatch(/^HTTP\/1\.1 200 .*\{"goods":true\}/s);
  expect(stand.merchant.requests.at(-1)?.raw.toString('latin1')).not.toMatch(/upgrade|http2-settings/i);
});

test('CONNECT and TRACE get 405, the well-known paths a plain 404, and nothing of it goes upstream', async () => {
  const read = stand.merchant.requests.length;
  const tunnel = await talk(head('CONNECT shop:443 HTTP/1.1'));
  expect(tunnel.seen).toMatch(/^HTTP\/1\.1 405 [^\0]*\r\nAllow: /);
  const trace = await askRaw(stand.gateway.agents, { method: 'TRACE', path: '/shop/v1/x' });
  expect([trace.status, trace.body]).toEqual([405, '']);
  for (const path of ['/.well-known/oauth-protected-resource', '/.well-known/x402']) {
    const known = await askRaw(stand.gateway.agents, { path });
    expect(known.status).toBe(404);
    expect(known.headers['www-authenticate']).toBeUndefined();
    expect(known.headers['content-type']).toBe('text/plain');
  }
  expect(stand.merchant.requests.length).toBe(read);
});

test('an absolute target is taken for this host alone', async () => {
  stand.behave({ unpaid: script.goods });
  const own = `${stand.gateway.agents}/shop/v1/absolute?x=1`;
  const taken = await sendRaw(stand.gateway.agents, head(`GET ${own} HTTP/1.1`, 'Connection: close'));
  expect(taken).toMatch(/^HTTP\/1\.1 200 /);
  expect(stand.merchant.requests.at(-1)?.target).toBe('/v1/absolute?x=1');
  const read = stand.merchant.requests.length;
  for (const other of [
    'http://evil.example/shop/v1/x',
    'https://127.0.0.1/shop/v1/x',
    'http://u@127.0.0.1/shop/v1/x',
  ]) {
    const refused = await sendRaw(stand.gateway.agents, head(`GET ${other} HTTP/1.1`, 'Connection: close'));
    expect(refused).toMatch(/^HTTP\/1\.1 400 .*"code":"target_forbidden"/s);
  }
  expect(stand.merchant.requests.length).toBe(read);
});

test('Expect: 100-continue gets a refusal alone, and a 100 when the body is wanted', async () => {
  stand.behave({ unpaid: script.goods });
  const expecting = (path: string) =>
    head(`POST ${path} HTTP/1.1`, 'Expect: 100-continue', 'Content-Length: 5', 'Connection: close');
  const read = stand.merchant.requests.length;
  const refused = await talk(expecting('/nobody/v1/x'));
  expect(refused.seen).toMatch(/^HTTP\/1\.1 404 /);
  const stranger = await talk(expecting('/shop/v1/x').replace(/Purser-Token: .*\r\n/, ''));
  expect(stranger.seen).toMatch(/^HTTP\/1\.1 401 /);
  expect(stand.merchant.requests.length).toBe(read);
  const socket = connect(Number(new URL(stand.gateway.agents).port), '127.0.0.1');
  socket.write(expecting('/shop/v1/continue'));
  const [first] = await once(socket, 'data');
  expect(first.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  socket.write('hello');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 .*\{"goods":true\}/s);
  const sent = stand.merchant.requests.at(-1);
  expect(sent?.body.toString()).toBe('hello');
  expect(sent?.raw.toString('latin1')).not.toMatch(/^expect:/im);
});

test('an early refusal reaches an agent that still sends; 32 MiB are thrown away at most', async () => {
  const answer = await stand.gateway.ask('/nobody/v1/x', { method: 'POST', body: 'x'.repeat(5 * KIB * KIB) });
  expect(answer.status).toBe(404);
  const size = 96 * KIB * KIB;
  const socket = connect(Number(new URL(stand.gateway.agents).port), '127.0.0.1');
  let seen = '';
  let closed = false;
  socket.setMaxListeners(0);
  socket.on('data', (chunk) => {
    seen += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  socket.write(head('POST /nobody/v1/x HTTP/1.1', `Content-Length: ${size}`));
  const chunk = Buffer.alloc(KIB * KIB);
  let sent = 0;
  while (!closed && sent < size) {
    sent += chunk.length;
    if (!socket.write(chunk)) await drainedOrClosed(socket);
  }
  while (!closed) await sleep(5);
  expect(seen).toMatch(/^HTTP\/1\.1 404 /);
  expect(sent).toBeGreaterThanOrEqual(32 * KIB * KIB);
  expect(sent).toBeLessThan(size);
});

async function drainedOrClosed(socket: Socket): Promise<void> {
  await new Promise((resolve) => {
    socket.once('drain', resolve);
    socket.once('close', resolve);
  });
  socket.removeAllListeners('drain');
}

interface Upload {
  readonly paid: boolean;
  body: Buffer;
}

/** Answers 402 before it has read the body of an unpaid upload, in one of three ways; takes the paid one whole. */
async function startUploads(manner: 'leaves it' | 'reads on' | 'closes'): Promise<Upload[]> {
  const seen: Upload[] = [];
  uploads = createServer(async (message: IncomingMessage, response) => {
    const paid = message.headers.authorization?.startsWith('Payment ') === true;
    const upload: Upload = { paid, body: Buffer.alloc(0) };
    seen.push(upload);
    if (!paid) {
      if (manner === 'reads on') message.resume();
      const close: Record<string, string> = manner === 'closes' ? { connection: 'close' } : {};
      response.writeHead(402, { 'www-authenticate': sandboxChallenge(), 'content-length': 0, ...close }).end();
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of message) parts.push(part);
    upload.body = Buffer.concat(parts);
    response.end('taken');
  });
  uploads.on('clientError', (_, socket) => socket.destroy());
  uploads.listen(uploadsPort, '127.0.0.1');
  await once(uploads, 'listening');
  return seen;
}

/** Sends `bytes` in parts, the last of them only after the service has answered the first request. */
async function upload(seen: Upload[], bytes: Buffer, headers: Record<string, string | number>): Promise<Response> {
  const url = `${stand.gateway.agents}/uploads/v1/${++asked}`;
  const sent = httpRequest(url, { method: 'POST', headers: { 'purser-token': token, ...headers } });
  const answered = once(sent, 'response');
  answered.catch(() => {});
  const half = Math.floor(bytes.length / 2);
  sent.write(bytes.subarray(0, half));
  while (seen.length === 0) await sleep(2);
  await sleep(20);
  for (let at = half; at < bytes.length; at += 64 * KIB) {
    if (!sent.write(bytes.subarray(at, at + 64 * KIB))) await once(sent, 'drain');
  }
  sent.end();
  const [answer] = await answered;
  return new Response(await text(answer), { status: answer.statusCode, headers: answer.headers });
}

for (const manner of ['leaves it', 'reads on', 'closes'] as const) {
  test(`an upload whose demand comes before its end is paid with its whole body: the service ${manner}`, async () => {
    const bytes = Buffer.from(Array.from({ length: 900 * KIB }, (_, at) => at % 251));
    for (const headers of [{}, { 'content-length': bytes.length }] as Record<string, number>[]) {
      const seen = await startUploads(manner);
      const outcome = await watch(stand, () => upload(seen, bytes, headers));
      expect([outcome.answer.status, outcome.body]).toEqual([200, 'taken']);
      expect(outcome).toMatchObject({ settled: PRICE, held: 0n });
      expect(seen.map(({ paid }) => paid)).toEqual([false, true]);
      expect(seen[1]?.body.equals(bytes)).toBe(true);
      uploads?.closeAllConnections();
      uploads?.close();
    }
  });

  test(`an upload over limits.replayBody is refused when it must be paid for: the service ${manner}`, async () => {
    const seen = await startUploads(manner);
    const outcome = await watch(stand, () => upload(seen, Buffer.alloc(3 * KIB * KIB), {}));
    expect(outcome.answer.status).toBe(413);
    expect(JSON.parse(outcome.body)).toMatchObject({ code: 'body_too_large' });
    expect(outcome).toMatchObject({ settled: 0n, held: 0n });
    expect(seen.map(({ paid }) => paid)).toEqual([false]);
  });
}

test('a body larger than limits.replayBody is forwarded whole where nothing has to be paid', async () => {
  stand.behave({ unpaid: script.goods });
  const body = 'x'.repeat(3 * KIB * KIB);
  expect((await watch(stand, () => ask({ method: 'PUT', body }))).answer.status).toBe(200);
  expect(stand.merchant.requests.at(-1)?.body.length).toBe(body.length);
});

test('an agent that leaves in the middle of a streamed answer takes nobody along', async () => {
  for (const paid of [false, true]) {
    const stream = script.endless(200, [], 10_000, 1_000, 1);
    stand.behave(paid ? { paid: stream } : { unpaid: stream });
    const leaving = Array.from({ length: 5 }, async () => {
      const abort = new AbortController();
      const answer = await ask({ signal: abort.signal });
      await answer.body?.getReader().read();
      abort.abort();
    });
    await Promise.all(leaving);
    stand.behave({});
    await expectPaid(stand, PRICE, () => ask());
  }
});

test('pipelined requests are answered in order, each bought once and known to have arrived', async () => {
  stand.behave({
    unpaid: (nth) => (nth === 1 ? [{ do: 'wait', ms: 50 }, ...script.goods] : script.demand(sandboxChallenge())),
  });
  const requests = ['first', 'second', 'third'].map((name, at) =>
    head(`GET /shop/v1/pipe-${name} HTTP/1.1`, ...(at === 2 ? ['Connection: close'] : [])),
  );
  const seq = await stand.lastSeq();
  const taken = stand.merchant.books.taken.length;
  const { seen } = await talk(requests.join(''));
  const heads = seen.split(/(?=HTTP\/1\.1 )/);
  expect(heads.map((answer) => answer.slice(9, 12))).toEqual(['200', '200', '200']);
  expect(heads.map((answer) => /state=settled/.test(answer))).toEqual([false, true, true]);
  expect(stand.merchant.books.taken.length).toBe(taken + 2);
  let sealed = await stand.sealedAfter(seq);
  while (sealed.length < 6) {
    await sleep(10);
    sealed = await stand.sealedAfter(seq);
  }
  const delivered = sealed.flatMap(({ delivery }) => (delivery ? [delivery.outcome] : []));
  expect(delivered).toEqual(['whole', 'whole']);
});

test('an agent that pipelines and leaves begins nothing more and leaves nothing behind', async () => {
  stand.behave({ unpaid: script.hang });
  const read = stand.merchant.requests.length;
  const socket: Socket = connect(Number(new URL(stand.gateway.agents).port), '127.0.0.1');
  socket.write(head('GET /shop/v1/hangs HTTP/1.1') + head('GET /shop/v1/never HTTP/1.1'));
  while (stand.merchant.requests.length === read) await sleep(2);
  stand.behave({});
  socket.destroy();
  await expectPaid(stand, PRICE, () => ask());
  expect(stand.merchant.requests.slice(read).map(({ target }) => target)).not.toContain('/v1/never');
});
