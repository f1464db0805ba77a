// The operators' port from outside: who gets in, what health says, and what a browser page cannot do.
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ask, LOCAL, openPort, READER, type TestPort, WRITER } from './port.ts';

let port: TestPort;
beforeAll(async () => {
  port = await openPort();
});
afterAll(() => port.close());
beforeEach(() => Object.assign(port.readiness, { draining: false, ledger: null, policy: true, store: null }));

test('health, readiness, metrics and keys are answered without a token', async () => {
  expect((await ask(`${port.url}/healthz`)).json).toEqual({ status: 'alive' });
  const ready = await ask(`${port.url}/readyz`);
  expect(ready.status).toBe(200);
  expect(ready.json).toEqual({
    ready: true,
    gateway: 'serving',
    ledger: 'ok',
    policy: 'ok',
    store: 'ok',
    development: true,
  });
  const metrics = await ask(`${port.url}/metrics`);
  expect(metrics.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(metrics.text).toContain('purser_policy_info');
  const keys = await ask(`${port.url}/keys`);
  expect(keys.json.keys).toMatchObject([{ kty: 'OKP', crv: 'Ed25519' }]);
  expect(keys.text).not.toContain('"d"');
});

test.each([
  ['draining', { draining: true }, 503],
  ['without a ledger, and why', { ledger: 'cannot be written' }, 503],
  ['without a policy', { policy: false }, 503],
  ['with a lost store, which is in the body only, and why', { store: 'does not answer' }, 200],
])('readiness %s', async (_what, change, status) => {
  Object.assign(port.readiness, change);
  const answer = await ask(`${port.url}/readyz`);
  expect(answer.status).toBe(status);
  expect(answer.json.ready).toBe(status === 200);
  if ('store' in change || 'ledger' in change) expect(answer.json).toMatchObject(change);
});

test('ADMIN-17 debug pages, source files and other paths do not exist', async () => {
  for (const path of [
    '/debug',
    '/debug/pprof',
    '/json',
    '/json/list',
    '/src/main.ts',
    '/',
    '//healthz',
    '/healthz/',
    '/api',
  ]) {
    const answer = await ask(`${port.url}${path}`);
    expect([path, answer.status]).toEqual([path, 404]);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  }
  expect((await ask(`${port.url}/healthz`, { method: 'POST' })).status).toBe(405);
});

const READS = ['receipts', 'receipts/x.1', 'budgets', 'holds', 'stops', 'policy'];
const ORDERS = [
  ['POST', 'holds/x.1/resolve', { as: 'settled', because: 'seen' }],
  ['POST', 'stops', { kind: 'all', id: '*', because: 'x' }],
  ['DELETE', 'stops?kind=all&id=*', undefined],
] as const;

test('nothing under /api is answered without a token this gateway knows', async () => {
  const bad = [undefined, '', 'wrong', `${WRITER}x`, WRITER.slice(1), 'a'.repeat(600)];
  for (const token of bad) {
    for (const path of [...READS, 'unknown']) {
      const answer = await ask(`${port.url}/api/${path}`, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      });
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.headers['www-authenticate']).toContain('Bearer');
    }
    for (const [method, path, body] of ORDERS) {
      const answer = await ask(`${port.url}/api/${path}`, {
        method,
        body,
        headers: { authorization: `Bearer ${token}` },
      });
      expect(answer.status).toBe(401);
    }
  }
  const basic = `Basic ${Buffer.from(`dana:${WRITER}`).toString('base64')}`;
  expect((await ask(`${port.url}/api/policy`, { headers: { authorization: basic } })).status).toBe(401);
  expect(await port.budget.stops()).toEqual([]);
});

test('a token that may only look reads everything and orders nothing', async () => {
  for (const path of READS) {
    expect((await ask(`${port.url}/api/${path}`, { token: READER })).status).toBe(path === 'receipts/x.1' ? 404 : 200);
  }
  for (const [method, path, body] of ORDERS) {
    const answer = await ask(`${port.url}/api/${path}`, { method, body, token: READER });
    expect([answer.status, answer.json.code]).toEqual([403, 'token_read_only']);
  }
  expect(await port.budget.stops()).toEqual([]);
});

test('the generated token is accepted on loopback', async () => {
  expect((await ask(`${port.url}/api/policy`, { token: LOCAL })).status).toBe(200);
});

test.each(['evil.example', 'evil.example:80', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1'])(
  'a name that was made to point at loopback is refused (Host: %s)',
  async (host) => {
    for (const path of ['/healthz', '/metrics', '/api/policy']) {
      const answer = await ask(`${port.url}${path}`, { token: WRITER, headers: { host } });
      expect([answer.status, answer.json.code]).toEqual([403, 'host_forbidden']);
    }
  },
);

test('a request that names no host at all is refused on loopback', async () => {
  const { port: number } = new URL(port.url);
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(number), '127.0.0.1', () => socket.end('GET /metrics HTTP/1.0\r\n\r\n'));
    let text = '';
    socket.on('data', (part) => {
      text += part;
    });
    socket.on('end', () => resolve(text)).on('error', reject);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 403 /);
});

test('loopback by its names is answered', async () => {
  for (const host of ['localhost', 'LOCALHOST:8403', '127.0.0.1', '127.0.0.1:1', '[::1]:8403']) {
    expect((await ask(`${port.url}/healthz`, { headers: { host } })).status).toBe(200);
  }
});

test('a page of another origin is refused, one of this port is not, and nothing is shared across origins', async () => {
  const own = port.url;
  for (const origin of ['https://evil.example', 'null', 'http://localhost:1', `${own}.evil.example`, 'file://']) {
    const answer = await ask(`${own}/api/policy`, { token: WRITER, headers: { origin } });
    expect([origin, answer.json.code]).toEqual([origin, 'origin_forbidden']);
  }
  const answer = await ask(`${own}/api/policy`, { token: WRITER, headers: { origin: own } });
  expect(answer.status).toBe(200);
  expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  const preflight = await ask(`${own}/api/stops`, {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  });
  expect(preflight.status).toBe(403);
});

test('an order must be JSON, small, whole and without a member twice', async () => {
  const stop = { kind: 'service', id: 'weather', because: 'x' };
  const send = async (body: unknown, headers: Record<string, string> = {}) => {
    const answer = await ask(`${port.url}/api/stops`, { method: 'POST', token: WRITER, body, headers });
    return [answer.status, answer.json.code];
  };
  expect(await send(stop, { 'content-type': 'text/plain' })).toEqual([415, 'body_not_json']);
  expect(await send('{"kind":"service"')).toEqual([400, 'body_invalid']);
  expect(await send('{"kind":"service","kind":"all","id":"*","because":"x"}')).toEqual([400, 'body_invalid']);
  expect(await send({ ...stop, by: 'somebody else' })).toEqual([400, 'body_invalid']);
  expect(await send({ ...stop, because: ' ' })).toEqual([400, 'body_invalid']);
  expect(await send({ ...stop, because: 'a\u001b[31mred' })).toEqual([400, 'body_invalid']);
  expect(await send({ ...stop, because: 'a\u202egnp' })).toEqual([400, 'body_invalid']);
  expect(await send({ kind: 'all', id: 'weather', because: 'x' })).toEqual([400, 'body_invalid']);
  expect(await send({ kind: 'agent', id: '*', because: 'x' })).toEqual([400, 'body_invalid']);
  expect(await send({ ...stop, because: 'x'.repeat(17_000) })).toEqual([413, 'body_too_large']);
  expect(await port.budget.stops()).toEqual([]);
});

test('a query is read strictly', async () => {
  for (const query of [
    'kind=bought',
    'limit=0',
    'limit=1001',
    'limit=1e2',
    'since=2026-02-30T00:00:00Z',
    'agent=',
    'x=1',
    'agent=a&agent=b',
  ]) {
    const answer = await ask(`${port.url}/api/receipts?${query}`, { token: READER });
    expect([query, answer.json.code]).toEqual([query, 'query_invalid']);
  }
});

test('an unknown path under /api and a wrong method say what there is', async () => {
  const unknown = await ask(`${port.url}/api/wallets`, { token: WRITER });
  expect([unknown.status, unknown.json.code]).toEqual([404, 'not_found']);
  const wrong = await ask(`${port.url}/api/budgets`, { method: 'DELETE', token: WRITER });
  expect([wrong.status, wrong.json.code, wrong.json.detail]).toEqual([405, 'method_not_allowed', 'This takes GET.']);
});
