// One purchase, end to end: what the agent sees, what was sealed, what the shop's books say.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';

let shop: Merchant;
let gateway: TestGateway;

beforeAll(async () => {
  shop = await sandboxMerchant({
    routes: [
      { method: 'GET', path: '/v1/free', price: null, goods: { kind: 'json', body: { free: true } } },
      { method: 'GET', path: '/v1/x', price: '2', goods: { kind: 'json', body: { x: 1 } } },
      { method: 'POST', path: '/v1/stream', price: '3', goods: { kind: 'stream', events: ['a', 'b'], everyMs: 20 } },
      { method: 'GET', path: '/v1/dear', price: '150', goods: { kind: 'json', body: {} } },
    ],
  });
  gateway = await startGateway({ upstream: shop.url, policies: policy({ limit: '0.10 USD' }) });
});

afterAll(async () => {
  await gateway.close();
  await shop.close();
});

test('a free answer is relayed as it came, without a receipt', async () => {
  const answer = await gateway.ask('/shop/v1/free');
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ free: true });
  expect(answer.headers.get('purser-receipt')).toBeNull();
});

test('a priced answer is paid for, and its receipts tell the whole purchase', async () => {
  const taken = shop.books.length;
  const answer = await gateway.ask('/shop/v1/x?secret=1', { headers: { 'purser-purpose': 'planning' } });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ x: 1 });
  expect(answer.headers.get('cache-control')).toBe('private');
  const shown = /^"([^"]+)";state=settled;amount="0.020000";currency="USD"$/.exec(
    answer.headers.get('purser-receipt') ?? '',
  );
  expect(shown).not.toBeNull();
  expect(shop.books.length).toBe(taken + 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const receipts = await gateway.receipts();
  const settled = receipts.find(({ id }) => id === shown?.[1]);
  expect(settled).toMatchObject({
    kind: 'settled',
    development: true,
    agent: { id: 'buyer-1', owner: 'dana@example.com', team: 'research', purposeClaimed: 'planning' },
    service: { id: 'shop' },
    request: { method: 'GET', path: '/v1/x' },
    offer: { atoms: '2', payee: 'acme', value: '0.020000' },
    settlement: { evidence: 'answered', upstreamStatus: 200 },
  });
  const kinds = receipts.filter(({ exchange }) => exchange === settled?.exchange).map(({ kind }) => kind);
  expect(kinds).toEqual(['intended', 'settled', 'delivered']);
  expect(JSON.stringify(receipts)).not.toContain('secret=1');
});

test('a streamed answer to a POST is paid for and arrives whole', async () => {
  const answer = await gateway.ask('/shop/v1/stream', { method: 'POST', body: '{"prompt":"x"}' });
  expect(answer.status).toBe(200);
  expect(await answer.text()).toBe('data: a\n\ndata: b\n\n');
});

test('a price over the ceiling is refused with its numbers and nothing is paid', async () => {
  const taken = shop.books.length;
  const answer = await gateway.ask('/shop/v1/dear');
  expect(answer.status).toBe(403);
  expect(await answer.json()).toMatchObject({ code: 'over_ceiling', error: { code: 'over_ceiling' } });
  expect(answer.headers.get('www-authenticate')).toBeNull();
  expect(answer.headers.get('x-should-retry')).toBe('false');
  expect(shop.books.length).toBe(taken);
});

test('one key is one purchase: the repeat gets the kept answer and pays nothing', async () => {
  const taken = shop.books.length;
  const headers = { 'idempotency-key': 'once' };
  const first = await gateway.ask('/shop/v1/x', { headers });
  expect(first.status).toBe(200);
  await first.text();
  const again = await gateway.ask('/shop/v1/x', { headers });
  expect(again.status).toBe(200);
  expect(await again.json()).toEqual({ x: 1 });
  expect(again.headers.get('purser-receipt')).toMatch(/;replayed$/);
  expect(shop.books.length).toBe(taken + 1);
  const other = await gateway.ask('/shop/v1/free', { headers });
  expect(other.status).toBe(422);
});

test('the budget is exact: what does not fit is refused and names the budget', async () => {
  let answer = await gateway.ask('/shop/v1/x');
  while (answer.status === 200) answer = await gateway.ask('/shop/v1/x');
  const problem = await answer.json();
  expect(problem).toMatchObject({ code: 'budget_exceeded', budget: 'purse', limit: '0.100000', held: '0.000000' });
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  const spent = shop.books.reduce((sum, entry) => sum + Number(entry.amount), 0);
  expect(spent).toBeLessThanOrEqual(10);
});
