// What agents are told: every refusal that a request, a token, a demand, a policy or a fault can meet, from the answers
// of running gateways. An agent's builder reads the detail; so does whoever reads the receipt.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isRefusal, REFUSALS } from '../../src/domain/refusal.ts';
import { evmRequest, payment, reading, sandboxRequest } from '../challenge/demand.ts';
import { startIdp } from '../fakes/idp.ts';
import { type ChallengeChanges, sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import * as script from '../fakes/script.ts';
import { askRaw, freePort, policy, sendRaw } from '../support/gateway.ts';
import { type Behaviour, type Stand, startStand } from '../support/stand.ts';
import { expectGood, type Told } from './told.ts';

const told: Told[] = [];
const codes = new Set<string>();

/** The detail of a refusal, from the answer's body. */
function take(by: string, body: string): void {
  if (!body.startsWith('{')) return;
  const { code, detail } = JSON.parse(body) as { code?: string; detail?: string };
  if (code === undefined || detail === undefined) return;
  codes.add(code);
  told.push({ by: `${code}: ${by}`, text: detail });
}

let stand: Stand;
let idp: Awaited<ReturnType<typeof startIdp>>;

beforeAll(async () => {
  idp = await startIdp();
  const service = (id: string, upstream = 'UPSTREAM', more = '') =>
    `\n  - { id: ${id}, upstream: "${upstream}", allowPrivateNetwork: true${more} }`;
  stand = await startStand({
    sections: {
      limits: '{ paymentSettle: 500ms, diskReserve: 0B, replayBody: 1KiB, unsettled: 2, refusals: 100/m }',
      services: [
        service('shop'),
        service('private'),
        service('casino'),
        service('other'),
        service('hasty', 'UPSTREAM', ', limits: { upstreamHeaders: 100ms }'),
        service('nowhere', `http://127.0.0.1:${await freePort()}`),
      ].join(''),
      identity: `
  development: true
  issuers:
    - issuer: "${idp.issuer}"
      audience: purser
      keys: { url: "${idp.keysUrl}" }
      allowPrivateNetwork: true`,
    },
    policies: policy({
      limit: '0.25 USD',
      agents: [
        ...Array.from({ length: 40 }, (_, n) => `id: buyer-${n}`),
        ...['id: late, until: 2020-01-01', 'id: locked, suspended: "key leaked"'],
      ]
        .map((entry) => `  - { ${entry}, issuer: purser-development, owner: o@example.com }`)
        .join('\n'),
      more: `revoked: [{ jti: lost, because: "laptop lost" }]
guardrails: { deny: [{ services: [casino], because: "not a business purpose" }, { services: [private] }] }`,
    }).replace('services: [shop]', 'services: [shop, hasty, nowhere]'),
  });
});
afterAll(async () => {
  await stand.close();
  await idp.close();
});

let asked = 0;
const fresh = (service = 'shop') => `/${service}/v1/${++asked}`;

async function ask(by: string, path = fresh(), init: RequestInit & { agent?: string } = {}): Promise<void> {
  const answer = await stand.gateway.ask(path, init).catch(() => null);
  if (answer) take(by, await answer.text().catch(() => ''));
}

test('requests and their headers', async () => {
  stand.behave({ unpaid: script.goods });
  for (const path of [
    '/shop/a%2fb',
    '/shop/a%00',
    '/shop/a/%2e%2e/b',
    '/nobody/x',
    '/.purser/none',
    '/.purser/receipts/x',
    '/.purser/purchases',
    '/casino/x',
    '/private/x',
    '/other/x',
  ]) {
    await ask(path, path);
  }
  for (const headers of [
    { 'idempotency-key': '' },
    { 'idempotency-key': 'x'.repeat(300) },
    { 'purser-task': ' ' },
    { 'purser-purpose': 'x'.repeat(201) },
    { 'purser-max-price': '5' },
    { 'purser-max-price': '0.12345678 USD' },
    { 'purser-max-price': '5 EUR' },
    { authorization: 'Payment e30' },
    { 'x-payment': 'e30' },
  ]) {
    await ask(JSON.stringify(headers), fresh(), {
      headers: headers as unknown as Record<string, string>,
      agent: 'buyer-1',
    });
  }
  const raw = async (head: string) => {
    const text = await sendRaw(stand.gateway.agents, head, 500);
    take(head.slice(0, 40), text.split('\r\n\r\n')[1] ?? '');
  };
  const token = await stand.gateway.token('buyer-1');
  for (const line of [
    'GET /shop/../x HTTP/1.1',
    'GET http://other.example/shop/x HTTP/1.1',
    'GET * HTTP/1.1',
    'GET /shop\\x HTTP/1.1',
    'BREW /shop/x HTTP/1.1',
  ]) {
    await raw(`${line}\r\nHost: h\r\nPurser-Token: ${token}\r\nConnection: close\r\n\r\n`);
  }
  await raw(
    `GET /shop/x HTTP/1.1\r\nHost: h\r\nPurser-Token: ${token}\r\n` +
      'Idempotency-Key: a\r\nIdempotency-Key: b\r\nConnection: close\r\n\r\n',
  );
  await raw('GET /shop/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n');
  await raw('nonsense\r\n\r\n');
  const switching = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  const upgrade = `GET /shop/x HTTP/1.1\r\nHost: h\r\nPurser-Token: ${token}\r\n${switching}`;
  await raw(`${upgrade}Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n`);
  stand.behave({});
  await raw(`${upgrade}Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n`);
});

test('identity tokens', async () => {
  const now = Math.floor(Date.now() / 1_000);
  const send = async (by: string, token: string, more: string[] = []) => {
    const answer = await askRaw(`${stand.gateway.agents}${fresh()}`, { headers: ['Purser-Token', token, ...more] });
    take(by, answer.body);
  };
  const good = await stand.gateway.token();
  await send('none', '');
  take('none at all', (await askRaw(`${stand.gateway.agents}${fresh()}`)).body);
  await send('two', good, ['Proxy-Authorization', `Bearer ${good}`]);
  for (const bad of [
    'x',
    'a.b.c',
    `${good}x`,
    good.replace(/.$/, '!'),
    `${good.slice(0, -6)}AAAAAA`,
    'x'.repeat(10_000),
  ])
    await send(bad.slice(0, 20), bad);
  for (const claims of [
    ...[
      { exp: now - 100 },
      { exp: 'soon' },
      { exp: now + 99_999_999 },
      { iat: now + 5_000 },
      { iat: now - 99_999 },
      { nbf: now + 500 },
    ],
    ...[
      { aud: 'other' },
      { aud: ['purser', 'x'] },
      { iss: 'https://other.test' },
      { sub: '' },
      { sub: 5 },
      { sub: undefined },
      { jti: 5 },
    ],
    ...[
      { iat: undefined },
      { exp: undefined },
      { task: 5 },
      { task: '\u202e' },
      { act: 5 },
      { sub: 'stranger' },
      { sub: 'x'.repeat(2_000) },
    ],
  ]) {
    await send(JSON.stringify(claims), await idp.token({ claims: claims as Record<string, unknown> }));
  }
  for (const header of [
    { typ: 'JWT' },
    { alg: 'RS256' },
    { kid: 'nobody' },
    { crit: ['x'] },
    { jwk: {} },
    { typ: undefined },
  ]) {
    await send(JSON.stringify(header), await idp.token({ header: header as Record<string, unknown> }).catch(() => 'x'));
  }
  await ask('revoked', fresh(), { headers: { 'purser-token': await stand.gateway.token('buyer-1', { jti: 'lost' }) } });
  for (const agent of ['stranger', 'late', 'locked']) await ask(agent, fresh(), { agent });
});

const DEMANDS: readonly ChallengeChanges[] = [
  ...[{ amount: '1e9' }, { amount: 5 }, { amount: '0' }, { amount: '99999' }, { amount: `1${'0'.repeat(40)}` }].map(
    (request) => ({ request }),
  ),
  ...[{ currency: 'eur' }, { currency: 5 }, { recipient: 'mallory' }, { recipient: '' }, { extra: 'x' }].map(
    (request) => ({ request }),
  ),
  ...[null, '', 'tempo', 'Sandbox'].map((method) => ({ params: { method } })),
  ...[null, '', 'session'].map((intent) => ({ params: { intent } })),
  ...[null, '', 'x'.repeat(2_000)].map((id) => ({ params: { id } })),
  ...[
    { digest: 'sha-256=abc' },
    { digest: `sha-256=:${'A'.repeat(43)}=:` },
    { digest: 'sha-256=:AAAA:' },
    { opaque: '<' },
    { header: 'x' },
    { expires: 'soon' },
    { realm: '' },
  ].map((params) => ({ params })),
  ...[-5_000, 500, null].map((expiresInMs) => ({ expiresInMs })),
  ...['{"amount":"1","amount":"2"}', '{ }', '[]', 'x', '{"b":1,"a":2}'].map((requestText) => ({ requestText })),
  ...['!', 'e30=', 'eyJhIjoxfR'].map((requestWire) => ({ requestWire })),
];

test('demands of services', async () => {
  for (const [index, changes] of DEMANDS.entries()) {
    stand.demands(sandboxChallenge(changes));
    await ask(JSON.stringify(changes).slice(0, 80), fresh(), { agent: `buyer-${index % 30}` });
  }
  for (const [by, challenge] of Object.entries({
    none: [],
    other: 'Basic realm="x"',
    broken: 'Payment id="x',
    twice: [sandboxChallenge({ params: { id: 'same' } }), sandboxChallenge({ params: { id: 'same' } })],
    large: `Payment id="${'x'.repeat(70_000)}"`,
    one: sandboxChallenge({ params: { id: 'only-one' } }),
  })) {
    stand.demands(challenge);
    await ask(by, fresh(), { agent: 'buyer-31' });
    await ask(by, fresh(), { agent: 'buyer-31' });
  }
  stand.behave({});
  await ask('own authorisation', fresh(), { agent: 'buyer-31', headers: { authorization: 'Basic eDp5' } });
  await ask('a large body', fresh(), { agent: 'buyer-31', method: 'POST', body: 'x'.repeat(5_000) });
  await ask('a low price of its own', fresh(), { agent: 'buyer-31', headers: { 'purser-max-price': '0.01 USD' } });
  const hard = [
    ...[
      { amount: '1.0' },
      { recipient: 'shop.eth' },
      { currency: 'USDC' },
      { methodDetails: undefined },
      { splits: [] },
    ].map((changes) => evmRequest(changes)),
    ...[
      { chainId: '1' },
      { decimals: -1 },
      { credentialTypes: [] },
      { splits: [{ amount: '-1', recipient: 'x' }] },
    ].map((details) => evmRequest({}, details)),
  ];
  for (const request of [...hard, sandboxRequest({ amount: null })]) {
    const read = reading(payment({ method: request === hard.at(-1) ? 'sandbox' : 'evm', request }));
    if (isRefusal(read)) take('an evm demand', JSON.stringify(read));
  }
});

test('what becomes of payments and calls', async () => {
  const acts: Readonly<Record<string, Behaviour>> = {
    'asks again': { paid: () => script.demand(sandboxChallenge()) },
    fails: { paid: script.answer(500) },
    'is busy': { paid: script.answer(429) },
    'redirects when paid': { paid: script.redirect(302, 'https://evil.example/x') },
    hangs: { paid: script.hang },
    resets: { paid: script.resetAfter() },
    'is cut': { paid: script.closeAfter(60, script.answer(200, { body: 'x'.repeat(500) })) },
    redirects: { unpaid: script.redirect(302, 'https://evil.example/x') },
    closes: { unpaid: script.closeAfter(0) },
    'talks nonsense': { unpaid: [{ do: 'write', bytes: 'HTTX/9\r\n\r\n' }, { do: 'close' }] },
    'sends endless headers': { unpaid: script.hugeHeaders(100_000) },
  };
  let buyer = 4;
  for (const [by, act] of Object.entries(acts)) {
    stand.behave(act);
    const path = fresh();
    const agent = `buyer-${buyer++}`;
    await ask(by, path, { agent, headers: { 'idempotency-key': by.replaceAll(' ', '-') } });
    await ask(`${by}, again`, path, { agent, headers: { 'idempotency-key': by.replaceAll(' ', '-') } });
    await ask(`${by}, other`, fresh(), { agent, headers: { 'idempotency-key': by.replaceAll(' ', '-') } });
  }
  stand.behave({ unpaid: script.hang });
  await ask('is slow', fresh('hasty'), { agent: 'buyer-20' });
  await ask('is not there', fresh('nowhere'), { agent: 'buyer-20' });
  stand.behave({ paid: script.hang });
  const path = fresh();
  const headers = { 'idempotency-key': 'runs' };
  const first = ask('first', path, { agent: 'buyer-21', headers });
  await new Promise((resolve) => setTimeout(resolve, 150));
  await ask('runs', path, { agent: 'buyer-21', headers });
  await first;
  stand.behave({ paid: script.answer(500) });
  for (let n = 0; n < 4; n += 1) await ask('never delivers', fresh(), { agent: 'buyer-22' });
  stand.behave({});
  for (let n = 0; n < 4; n += 1) await ask('spends all', fresh(), { agent: 'buyer-23' });
  await stand.gateway.api('stops', { method: 'POST', body: '{"kind":"all","id":"*","because":"prices look wrong"}' });
  await ask('stopped', fresh(), { agent: 'buyer-24' });
  stand.demands(sandboxChallenge({ request: { recipient: 'mallory' } }));
  for (let n = 0; n < 110; n += 1) await ask('asks too often', fresh(), { agent: 'buyer-25' });
});

test('all of it reads well', () => {
  const missing = Object.keys(REFUSALS).filter((code) => !codes.has(code));
  // What takes a lost store, a full disk or a chain without a wallet is provoked beside each code's other rules.
  expectGood('agents', told, /^[A-Z]/, []);
  expect(missing).toEqual(['rail_unavailable', 'store_unavailable', 'ledger_unavailable']);
  expect(told.length).toBeGreaterThan(150);
});
