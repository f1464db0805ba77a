// What reaches a service, what a receipt gives away about a request, and what one agent can learn about another.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { demand, goods, redirect } from '../fakes/script.ts';
import { policy, sendRaw, startGateway, type TestGateway } from '../support/gateway.ts';
import { receiptOf, totals } from './observables.ts';

let shop: HostileMerchant;
let gateway: TestGateway;

const REGISTER = `  - { id: buyer-1, owner: dana@example.com }
  - { id: buyer-2, owner: sam@example.com }
  - { id: buyer-3, owner: sam@example.com, suspended: "on leave" }
  - { id: buyer-4, owner: sam@example.com, until: 2020-01-01 }`;

beforeAll(async () => {
  shop = await hostileMerchant({
    unpaid: (_, { target }) => {
      if (target.includes('/moved')) return redirect(302, `https://elsewhere.example${target.replace('/base', '')}#x`);
      return target.includes('/paid') ? demand(sandboxChallenge()) : goods;
    },
  });
  gateway = await startGateway({
    upstream: `${shop.url}/base`,
    policies: policy({ agents: REGISTER, more: 'revoked:\n  - { jti: lost, because: "laptop lost" }\n' }),
  });
});

afterAll(async () => {
  await gateway.close();
  await shop.close();
});

test('LEAK-03: the service gets these bytes and no other, unpaid and paid', async () => {
  const token = await gateway.token('buyer-1');
  const lines = [
    'POST /shop/v1/paid?q=a%20b HTTP/1.1',
    'Host: gateway.internal:8402',
    'User-Agent: agent/1.0',
    'Accept: application/json',
    `Purser-Token: ${token}`,
    'Purser-Task: t-1',
    'Purser-Purpose: forecasts',
    'Purser-Max-Price: 0.50 USD',
    'Purser-Debug: 1',
    'Idempotency-Key: order-1',
    'Accept-Payment: evm/charge',
    'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    'X-Forwarded-For: 10.0.0.7',
    'X-Forwarded-Host: inside',
    'X-Real-IP: 10.0.0.7',
    'Forwarded: for=10.0.0.7',
    'Via: 1.1 corporate',
    'X-HTTP-Method-Override: DELETE',
    'X_Agent_Id: buyer-2',
    'Connection: close, X-Hop',
    'X-Hop: secret',
    'TE: trailers',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABk',
    'Cookie: session=of-the-service',
    'X-Custom: kept',
    'Content-Type: application/json',
    'Content-Length: 9',
  ];
  const answer = await sendRaw(gateway.agents, `${lines.join('\r\n')}\r\n\r\n{"a": 10}`);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  const [first = '', second = '', ...more] = shop.requests.map(({ raw }) => raw.toString('latin1'));
  expect(more).toEqual([]);
  const random = (text: string, name: string, form: RegExp) => form.exec(text)?.[0] ?? `no ${name}`;
  const key = random(first, 'key', /(?<=^idempotency-key: )[0-9a-f]{64}(?=\r$)/m);
  const span = (text: string) => random(text, 'span', /(?<=^traceparent: 00-[0-9a-f]{32}-)[0-9a-f]{16}(?=-01\r$)/m);
  const proof = random(second, 'proof', /(?<=^authorization: Payment )[A-Za-z0-9_-]+(?=\r$)/m);
  const expected = (spanId: string, authorization: readonly string[]) =>
    [
      'POST /base/v1/paid?q=a%20b HTTP/1.1',
      `host: 127.0.0.1:${shop.port}`,
      'connection: keep-alive',
      'User-Agent: agent/1.0',
      'Accept: application/json',
      'Cookie: session=of-the-service',
      'X-Custom: kept',
      'Content-Type: application/json',
      'accept-payment: sandbox/charge',
      `idempotency-key: ${key}`,
      `traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-${spanId}-01`,
      ...authorization,
      'content-length: 9',
      '',
      '{"a": 10}',
    ].join('\r\n');
  expect(first).toBe(expected(span(first), []));
  expect(second).toBe(expected(span(second), [`authorization: Payment ${proof}`]));
  expect(span(first)).not.toBe('00f067aa0ba902b7');
  const credential = JSON.parse(Buffer.from(proof, 'base64url').toString('utf8'));
  expect(Object.keys(credential).sort()).toEqual(['challenge', 'payload']);
  expect(Object.keys(credential.payload).sort()).toEqual(['key', 'nonce', 'signature', 'until']);
});

const buy = (query: string, init: RequestInit = {}) => gateway.ask(`/shop/v1/paid?${query}`, init);

test('LEAK-04: personal data in a query or a body is in no receipt', async () => {
  const headers = { 'purser-token': await gateway.token('buyer-1') };
  const body = JSON.stringify({ email: 'ada@private.example' });
  await (await buy('email=eve@private.example&token=t0ps3cret', { method: 'POST', body, headers })).text();
  const all = JSON.stringify(await gateway.receipts());
  expect(all).not.toMatch(/private\.example|t0ps3cret/);
  expect(all).toContain('"queryHash":"');
});

test('LEAK-04: a redirect that repeats the query is named to the agent, and sealed without it', async () => {
  const answer = await gateway.ask('/shop/v1/moved?email=eve@private.example', { agent: 'buyer-1' });
  const problem = (await answer.json()) as Record<string, unknown>;
  expect([answer.status, problem.code]).toEqual([424, 'redirect_forbidden']);
  expect(problem.location).toBe('https://elsewhere.example/v1/moved?email=eve@private.example#x');
  const sealed = (await gateway.receipts()).find(({ id }) => id === problem.receipt);
  expect(sealed?.decision?.detail).toContain('https://elsewhere.example/v1/moved');
  expect(JSON.stringify(sealed)).not.toContain('private.example');
});

test('LEAK-05: guesses at a small set of queries, bodies and keys find none of them in the hashes', async () => {
  const guesses = Array.from({ length: 40 }, (_, n) => `member=${n}`);
  for (const guess of ['member=7', 'member=31']) {
    const headers = { 'purser-token': await gateway.token('buyer-1'), 'idempotency-key': guess };
    await (await buy(guess, { method: 'POST', body: guess, headers })).text();
  }
  const receipts = await gateway.receipts();
  const sealedHashes = new Set(JSON.stringify(receipts).match(/[0-9a-f]{64}/g));
  const forms = (guess: string) => [guess, `?${guess}`, `query:?${guess}`, `query:${guess}`, `body:${guess}`];
  const more = (guess: string) => [
    `/v1/paid?${guess}`,
    `/shop/v1/paid?${guess}`,
    `POST /v1/paid?${guess}`,
    `"${guess}"`,
  ];
  for (const guess of guesses.flatMap((each) => [...forms(each), ...more(each)])) {
    expect(sealedHashes.has(createHash('sha256').update(guess).digest('hex'))).toBe(false);
  }
  const other = await startGateway({ upstream: shop.url });
  await (await other.ask('/shop/v1/paid?member=7', { method: 'POST', body: 'member=7' })).text();
  const hashesOf = (all: typeof receipts) =>
    all.flatMap(({ request, claim }) => [request?.queryHash, request?.bodyHash, claim?.key, claim?.repeat]);
  const elsewhere = hashesOf(await other.receipts()).filter((hash) => hash !== undefined);
  await other.close();
  expect(elsewhere.length).toBeGreaterThan(0);
  expect(elsewhere.filter((hash) => sealedHashes.has(hash))).toEqual([]);
});

/** All of an answer but its date. */
async function whole(answer: Response): Promise<string> {
  const head = [...answer.headers].filter(([name]) => name !== 'date');
  return JSON.stringify([answer.status, answer.statusText, head, await answer.text()]);
}

test('LEAK-06: before identity is known every agent, real or not, gets the same answer', async () => {
  const forged = async (agent: string, claims = {}) => {
    const [header, payload] = (await gateway.token(agent, claims)).split('.');
    return `${header}.${payload}.${Buffer.alloc(64, 7).toString('base64url')}`;
  };
  const answers = await Promise.all(
    ['buyer-1', 'buyer-2', 'buyer-3', 'buyer-4', 'nobody'].map(async (agent) => {
      const sent = await forged(agent, agent === 'buyer-2' ? { jti: 'lost' } : {});
      return whole(await gateway.ask('/shop/v1/paid', { headers: { 'purser-token': sent } }));
    }),
  );
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]).toContain('token_invalid');
});

test("LEAK-06: an agent learns nothing of another's receipts, purchases and budgets", async () => {
  const headers = { 'purser-token': await gateway.token('buyer-1'), 'idempotency-key': 'mine' };
  const bought = await buy('secret=1', { headers });
  await bought.text();
  const receipt = receiptOf(bought) ?? '';
  const page = async (path: string, agent: string) => whole(await gateway.ask(`/.purser/${path}`, { agent }));
  expect(await page(`receipts/${receipt}`, 'buyer-1')).toContain('settled');
  const none = receipt.replace(/\d+$/, '999999');
  expect(await page(`receipts/${receipt}`, 'buyer-2')).toBe(await page(`receipts/${none}`, 'buyer-2'));
  expect(await page('purchases?key=mine', 'buyer-1')).toContain('settled');
  expect(await page('purchases?key=mine', 'buyer-2')).toBe(await page('purchases?key=nobodys', 'buyer-2'));
  expect(await page('budgets', 'buyer-2')).not.toContain('buyer-1');
  expect(JSON.parse(JSON.parse(await page('budgets', 'buyer-2'))[3]).budgets).toMatchObject([{ settled: '0.000000' }]);
  for (const agent of ['buyer-3', 'buyer-4', 'nobody']) {
    const answer = await gateway.ask('/.purser/budgets', { agent });
    expect([answer.status, JSON.stringify(await answer.json())]).toEqual([403, expect.not.stringContaining('settled')]);
  }
  expect(await totals(gateway)).not.toContain('buyer-2');
});

test('LEAK-08: nothing that agents send makes a new series or stands in the metrics', async () => {
  const scrape = async () => (await fetch(`${gateway.operators}/metrics`)).text();
  const series = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
  const send = async (n: string) => {
    const token = await gateway.token('buyer-1', { task: `zz-task-${n}` });
    const stranger = await gateway.token(`zz-agent-${n}`);
    const headers = { 'purser-token': token, 'idempotency-key': `zz-key-${n}`, 'purser-purpose': `zz-why-${n}` };
    const all = [
      gateway.ask(`/shop/v1/zz-path-${n}?zz=${n}`, { headers, method: 'PATCH', body: 'zz' }),
      gateway.ask(`/zz-service-${n}/x`, { headers: { 'purser-token': token } }),
      gateway.ask('/shop/v1/x', { headers: { 'purser-token': stranger } }),
      gateway.ask('/shop/v1/x', { headers: { 'purser-token': `zz.${n}` } }),
    ];
    for (const answer of await Promise.all(all)) await answer.text();
  };
  await send('first');
  const before = series(await scrape());
  for (let n = 0; n < 40; n += 1) await send(String(n));
  const text = await scrape();
  expect(series(text)).toBe(before);
  expect(text).not.toContain('zz');
  expect(text).toContain('purser_refusals_total{code="agent_unknown"} ');
});
