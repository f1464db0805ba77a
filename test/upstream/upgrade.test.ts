// Switches of protocol through a whole gateway: judged as every request, joined both ways, never paid for.

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type Certificates, makeCertificates } from '../fakes/certificates.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { type SwitchingService, switchingService } from '../fakes/switching-service.ts';
import { type GatewaySetup, policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { type Asked, askUpgrade } from '../support/switching.ts';

const AGENTS = ['buyer-1', 'buyer-2'];
const written = (changes: Record<string, string> = {}, more = '') =>
  policy({
    agents: AGENTS.map((id) => `  - { id: ${id}, owner: dana@example.com${changes[id] ?? ''} }`).join('\n'),
    more,
  }).replace('services: [shop]', 'services: [shop, wall]\n    requests: ["GET /v1/**"]');
const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });

let service: SwitchingService;
let gateway: TestGateway;
let open: Asked[] = [];

const setup = (): GatewaySetup => ({
  sections: {
    services: `
  - { id: shop, upstream: "${service.url}", allowPrivateNetwork: true, limits: { upstreamHeaders: 2s } }
  - { id: wall, upstream: "https://localhost:9" }`,
  },
  policies: written(),
});

beforeAll(async () => {
  service = await switchingService();
  gateway = await startGateway(setup());
});
afterEach(() => {
  for (const { socket } of open) socket.destroy();
  open = [];
  service.answer = null;
  service.inside = (socket) => void socket.pipe(socket);
});
afterAll(async () => {
  await gateway.close();
  await service.close();
});

async function ask(path = '/shop/v1/x', more: Record<string, string> = {}, first: string | Buffer = '', on = gateway) {
  const headers = { Upgrade: 'websocket', 'Purser-Token': await on.token(), ...more };
  const asked = await askUpgrade(on.agents, path, headers, first);
  open.push(asked);
  return asked;
}
const codeOf = (asked: Asked): string => JSON.parse(asked.rest().toString() || `{"code":"none ${asked.status}"}`).code;
const newest = async (on = gateway) => (await on.receipts()).at(-1);

test('bytes go both ways, also those that were sent with the request', async () => {
  const asked = await ask('/shop/v1/x', {}, 'early ');
  expect(asked.status).toBe(101);
  asked.socket.write('late');
  await eventually(() => expect(asked.rest().toString()).toBe('early late'));
});

test('the service gets our headers and the very target, never the token; the agent no payment header', async () => {
  const seen = service.seen.length;
  const target = '/v1/http:/x?a=%20"q"&b=//';
  const headers = {
    'X-Keep': 'caf\u00e9',
    'X-Forwarded-For': '1.2.3.4',
    'Sec-WebSocket-Key': 'k',
    Connection: 'Upgrade, X-Gone',
    'X-Gone': '1',
  };
  const asked = await ask(`/shop${target}`, headers);
  const { request } = service.seen[seen] ?? {};
  expect([request?.method, request?.url]).toEqual(['GET', target]);
  expect(request?.headers).toMatchObject({
    'x-keep': 'caf\u00c3\u00a9',
    'sec-websocket-key': 'k',
    connection: 'Upgrade',
    upgrade: 'websocket',
    host: new URL(service.url).host,
  });
  const names = Object.keys(request?.headers ?? {});
  for (const name of ['purser-token', 'x-gone', 'x-forwarded-for', 'accept-payment']) expect(names).not.toContain(name);
  const head = asked.head.toLowerCase();
  expect(head).toContain('set-cookie: a=b; path=/shop/');
  expect(head).toContain('x-own: 1');
  expect(head).not.toMatch(/payment-required|purser-receipt|domain=/);
  expect(head.match(/^upgrade: .*$/gm)).toEqual(['upgrade: websocket']);
});

test('a real WebSocket client and server talk through it', async () => {
  const { WebSocketServer } = createRequire(import.meta.url)('ws');
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on(
    'connection',
    (peer: { on(event: string, heard: (data: Buffer) => void): void; send(data: Buffer): void }) =>
      peer.on('message', (data) => peer.send(Buffer.concat([Buffer.from('heard '), data]))),
  );
  await new Promise((resolve) => server.once('listening', resolve));
  const upstream = `http://127.0.0.1:${server.address().port}`;
  const other = await startGateway({ upstream });
  const init = { headers: { 'purser-token': await other.token() } };
  const client = Reflect.construct(WebSocket, [`${other.agents.replace('http', 'ws')}/shop/v1/x`, init]);
  const heard: string[] = [];
  client.binaryType = 'arraybuffer';
  client.onmessage = ({ data }: MessageEvent) => heard.push(Buffer.from(data).toString());
  client.onopen = () => client.send('hello');
  await eventually(() => expect(heard).toEqual(['heard hello']));
  client.close();
  await eventually(() => expect(client.readyState).toBe(3));
  await other.close();
  server.close();
});

test('what is refused to any request is refused to an upgrade, sealed, and nothing reaches the service', async () => {
  const before = service.seen.length;
  const refusals: [string, string, Record<string, string>][] = [
    ['token_missing', '/shop/v1/x', { 'Purser-Token': '' }],
    ['token_invalid', '/shop/v1/x', { 'Purser-Token': 'x.y.z' }],
    ['service_unknown', '/none/v1/x', {}],
    ['no_entitlement', '/shop/v2/x', {}],
    ['target_forbidden', '/shop/v1/%2e%2e/x', {}],
    ['header_malformed', '/shop/v1/x', { 'Idempotency-Key': 'a b' }],
    ['agent_payment_forbidden', '/shop/v1/x', { Authorization: 'Payment x' }],
  ];
  for (const [code, path, headers] of refusals) {
    const asked = await ask(path, headers);
    await asked.closed();
    expect([code, codeOf(asked)]).toEqual([code, code]);
    expect(asked.head).toContain('application/problem+json');
    if (!code.startsWith('token')) expect(await newest()).toMatchObject({ kind: 'refused', decision: { code } });
  }
  expect(service.seen.length).toBe(before);
});

test('the connect guard is asked: what the route does not allow is not reached', async () => {
  const asked = await ask('/wall/v1/x');
  await asked.closed();
  expect([asked.status, codeOf(asked)]).toEqual([502, 'upstream_unreachable']);
});

test('a demand for payment is refused and sealed, and nothing is paid', async () => {
  service.answer = () =>
    `HTTP/1.1 402 Payment Required\r\nWWW-Authenticate: ${sandboxChallenge()}\r\nContent-Length: 3\r\n\r\npay`;
  const seen = service.seen.length;
  const asked = await ask();
  await asked.closed();
  expect([asked.status, codeOf(asked)]).toEqual([424, 'challenge_unsupported']);
  expect(asked.head).not.toMatch(/www-authenticate/i);
  expect(await newest()).toMatchObject({ kind: 'refused', decision: { code: 'challenge_unsupported' } });
  expect(service.seen.length).toBe(seen + 1);
  expect(await gateway.api('holds')).toMatchObject({ holds: [] });
});

test('any other answer is relayed whole under our header rules, and the connection closes', async () => {
  const body = 'n'.repeat(3_000_000);
  const more = `X-Own: 1\r\nContent-Length: ${body.length}`;
  service.answer = () =>
    `HTTP/1.1 426 Upgrade Required\r\nWWW-Authenticate: ${sandboxChallenge()}\r\n${more}\r\n\r\n${body}`;
  const asked = await ask();
  expect((await asked.closed()).toString()).toBe(body);
  expect(asked.status).toBe(426);
  expect(asked.head).toMatch(/x-own: 1/i);
  expect(asked.head).toMatch(/connection: close/i);
  expect(asked.head).not.toMatch(/payment/i);
});

test('a redirect to elsewhere is refused', async () => {
  service.answer = () => 'HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n';
  const asked = await ask();
  await asked.closed();
  expect(codeOf(asked)).toBe('redirect_forbidden');
});

test('a service that switches to something else, breaks off or is silent is answered for', async () => {
  const answers: [string, string][] = [
    ['HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n', 'upstream_unreachable'],
    ['HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n\r\n', 'upstream_unreachable'],
    ['HTTP/1.1', 'upstream_unreachable'],
    ['', 'upstream_unreachable'],
  ];
  for (const [bytes, code] of answers) {
    service.answer = () => bytes;
    const asked = await ask();
    await asked.closed();
    expect([bytes, asked.status, codeOf(asked)]).toEqual([bytes, 502, code]);
  }
});

test('a service that does not answer in time is a timeout', async () => {
  const mute = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => mute.once('listening', resolve));
  const address = mute.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const other = await startGateway({
    upstream: `http://127.0.0.1:${port}`,
    sections: { limits: '{ upstreamHeaders: 300ms, diskReserve: 0B }' },
  });
  const asked = await ask('/shop/v1/x', {}, '', other);
  await asked.closed();
  expect([asked.status, codeOf(asked)]).toEqual([504, 'upstream_timeout']);
  await other.close();
  mute.close();
});

test.each(['h2c', 'H2C', 'TLS/1.0', 'HTTP/2.0', 'websocket, h2c', 'a b'])(
  'Upgrade: %s is ignored: the request is answered as any other',
  async (protocol) => {
    const [plain, seen] = [service.plain.length, service.seen.length];
    const asked = await ask('/shop/v1/x', {
      Upgrade: protocol,
      Connection: 'Upgrade, HTTP2-Settings, close',
      'HTTP2-Settings': 'x',
    });
    expect((await asked.closed()).toString()).toContain('plain');
    expect(asked.status).toBe(200);
    expect([service.plain.length, service.seen.length]).toEqual([plain + 1, seen]);
    expect(service.plain.at(-1)?.headers).not.toHaveProperty('upgrade');
    expect(service.plain.at(-1)?.headers).not.toHaveProperty('http2-settings');
  },
);

test('an upgrade with a body, or behind a request that is still answered, is an ordinary request', async () => {
  const seen = service.seen.length;
  const bodied = await ask('/shop/v1/x', { 'Content-Length': '4', Connection: 'Upgrade' }, 'body');
  expect(bodied.status).toBe(200);
  const token = await gateway.token();
  const one = `GET /shop/v1/x HTTP/1.1\r\nHost: a\r\nPurser-Token: ${token}\r\n`;
  const piped = await askUpgrade(
    gateway.agents,
    '/shop/v1/x',
    { Connection: 'keep-alive', 'Purser-Token': token },
    `${one}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  );
  open.push(piped);
  await eventually(() =>
    expect(
      piped
        .rest()
        .toString()
        .match(/HTTP\/1\.1 200/g),
    ).toHaveLength(1),
  );
  expect(service.seen.length).toBe(seen);
});

test('a reader that is slow holds the sender back, both ways', async () => {
  const MUCH = 64 * 1024 * 1024;
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  let sent = 0;
  service.inside = (socket) => {
    const push = () => {
      while (sent < MUCH) {
        sent += chunk.length;
        if (!socket.write(chunk)) return void socket.once('drain', push);
      }
    };
    push();
  };
  const asked = await ask();
  asked.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(sent).toBeLessThan(MUCH / 2);
  asked.socket.resume();
  await eventually(() => expect(asked.rest().length).toBe(MUCH));
  service.inside = (socket) => void socket.pause();
  const slow = await ask();
  let taken = 0;
  const push = () => {
    while (taken < MUCH) {
      taken += chunk.length;
      if (!slow.socket.write(chunk)) return void slow.socket.once('drain', push);
    }
  };
  push();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(taken).toBeLessThan(MUCH / 2);
});

test('when one end closes or breaks, the other is closed too, and what was sent before still arrives', async () => {
  service.inside = (socket) => void socket.end('last words');
  const left = await ask();
  expect((await left.closed()).toString()).toBe('last words');
  service.inside = (socket) => void socket.pipe(socket);
  for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
    const asked = await ask();
    const far = service.seen.at(-1)?.socket;
    asked.socket[leave]();
    await eventually(() => expect(far?.destroyed).toBe(true));
  }
  const broken = await ask();
  service.seen.at(-1)?.socket.resetAndDestroy();
  await broken.closed();
});

test('an agent that leaves before the answer lets the service go', async () => {
  let gone = 0;
  let came = 0;
  const mute = createServer((socket) => {
    came += 1;
    socket
      .on('error', () => {})
      .on('close', () => {
        gone += 1;
      })
      .resume();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => mute.once('listening', resolve));
  const address = mute.address();
  const other = await startGateway({ upstream: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` });
  const { hostname, port } = new URL(other.agents);
  const lines = ['GET /shop/v1/x HTTP/1.1', 'Host: a', `Purser-Token: ${await other.token()}`, 'Connection: Upgrade'];
  const agent = connect(Number(port), hostname);
  agent.write(`${lines.join('\r\n')}\r\nUpgrade: websocket\r\n\r\n`);
  await eventually(() => expect(came).toBe(1));
  agent.resetAndDestroy();
  await eventually(() => expect(gone).toBe(1));
  await other.close();
  mute.close();
});

test('AUTH-36: a tunnel ends with its agent’s standing, its token or its entitlement; others stay', async () => {
  const put = (text: string) => writeFileSync(join(gateway.folder, 'policies', 'policy.yaml'), text);
  const other = await ask('/shop/v1/x', { 'Purser-Token': await gateway.token('buyer-2') });
  const changes = [
    () => written({ 'buyer-1': ', suspended: "key leaked"' }),
    () => written({}, 'revoked: [{ jti: lost, because: "laptop lost" }]\n'),
    () => written().replace('GET /v1/**', 'GET /v1/y'),
  ];
  for (const change of changes.slice(0, 2)) {
    put(written());
    await eventually(async () =>
      expect(
        (await ask('/shop/v1/x', { 'Purser-Token': await gateway.token('buyer-1', { jti: 'lost' }) })).status,
      ).toBe(101),
    );
    const asked = open.at(-1);
    put(change());
    await asked?.closed();
    other.socket.write('.');
  }
  await eventually(() => expect(other.rest().toString()).toBe('..'));
  put(changes[2]?.() ?? '');
  await other.closed();
  put(written());
  await eventually(async () => expect((await ask()).status).toBe(101));
});

test('a drain ends the tunnels without waiting for its limit, and their access lines say 101', async () => {
  const other = await startGateway(setup());
  const asked = await ask('/shop/v1/x', {}, 'hello', other);
  await eventually(() => expect(asked.rest().toString()).toBe('hello'));
  const began = performance.now();
  await Promise.all([other.close(), asked.closed()]);
  expect(performance.now() - began).toBeLessThan(10_000);
});

test('over TLS the service’s certificate is verified against the configured authority', async () => {
  const certificates: Certificates = makeCertificates();
  const secure = await switchingService(certificates);
  const services = (more: string) => `\n  - { id: shop, upstream: "${secure.url}", allowPrivateNetwork: true${more} }`;
  const ca = `, tls: { ca: { file: ${certificates.caFile} } }`;
  for (const [more, status] of [
    [ca, 101],
    ['', 502],
  ] as const) {
    const other = await startGateway({ sections: { services: services(more) } });
    const asked = await ask('/shop/v1/x', {}, 'x', other);
    expect(asked.status).toBe(status);
    await other.close();
  }
  await secure.close();
  certificates.remove();
});
