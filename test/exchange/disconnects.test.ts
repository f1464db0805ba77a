// CONC-11: an agent that leaves at any step of its purchase leaves no hold behind that was never exposed, and no
// purchase without its end. The shop's books, the budgets and the open holds have to agree.
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Receipt } from '../../src/domain/receipt.ts';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';

let shop: PaidShop;
let gateway: TestGateway;
let demand: PromiseWithResolvers<void>;
let goods: PromiseWithResolvers<void>;
let fast = false;

beforeAll(async () => {
  shop = await paidShop(
    async (response) => {
      if (!fast) await goods.promise;
      response.end('the goods');
    },
    {
      beforeDemand: async () => {
        if (!fast) await demand.promise;
      },
    },
  );
  gateway = await startGateway({ upstream: shop.url, policies: policy({ limit: '100.00 USD' }) });
});

beforeEach(() => {
  demand = Promise.withResolvers();
  goods = Promise.withResolvers();
  fast = false;
});

afterAll(async () => {
  await gateway.close();
  await shop.close();
});

const WAIT = { timeout: 20_000, interval: 10 };

/** Asks, and the way to leave. */
function start(path: string, key?: string): () => void {
  const leaving = new AbortController();
  const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
  const answer = gateway.ask(`/shop${path}`, { signal: leaving.signal, headers });
  answer.then((one) => one.text()).catch(() => {});
  return () => leaving.abort();
}

/** Resolves once no purchase is under way and everything that was taken is settled, to the cent. */
async function expectSettledAsTaken(): Promise<void> {
  await vi.waitFor(async () => expect(await gateway.api('holds')).toMatchObject({ holds: [] }), WAIT);
  const { budgets } = await gateway.api<{ budgets: { scopes: { settled: string; held: string }[] }[] }>('budgets');
  const scopes = budgets.flatMap((budget) => budget.scopes);
  const [settled, held] = [sum(scopes.map((scope) => scope.settled)), sum(scopes.map((scope) => scope.held))];
  expect({ settled, held }).toEqual({ settled: shop.books.length * 20_000, held: 0 });
}

const sum = (amounts: string[]): number =>
  amounts.reduce((total, amount) => total + Number(amount.replace('.', '')), 0);

const kinds = (receipts: Receipt[], path: string): string[] =>
  receipts.filter(({ request }) => request?.path === path).map(({ kind }) => kind);

test('before the demand came: nothing was held, nothing is sealed, and its key is free', async () => {
  const leave = start('/early', 'early');
  await vi.waitFor(() => expect(shop.requests.length).toBe(1), WAIT);
  leave();
  await vi.waitFor(() => expect(shop.requests[0]?.left.aborted).toBe(true), WAIT);
  demand.resolve();
  goods.resolve();
  await expectSettledAsTaken();
  expect(shop.books).toHaveLength(0);
  expect(kinds(await gateway.receipts(), '/early')).toEqual([]);
  const again = await gateway.ask('/shop/early', { headers: { 'idempotency-key': 'early' } });
  expect(again.headers.get('purser-receipt')).toMatch(/state=settled;amount="0.020000";currency="USD"$/);
  await again.text();
});

test('after the proof was sent: the purchase ends without the agent, once, and its key tells the end', async () => {
  const taken = shop.books.length;
  demand.resolve();
  const leave = start('/late', 'late');
  await vi.waitFor(() => expect(shop.books.length).toBe(taken + 1), WAIT);
  leave();
  goods.resolve();
  await expectSettledAsTaken();
  await vi.waitFor(async () => {
    expect(kinds(await gateway.receipts(), '/late')).toEqual(['intended', 'settled', 'delivered']);
  }, WAIT);
  const delivered = (await gateway.receipts()).find((one) => one.kind === 'delivered' && one.request?.path === '/late');
  expect(delivered?.delivery).toEqual({ outcome: 'cut', bytes: 0 });
  const again = await gateway.ask('/shop/late', { headers: { 'idempotency-key': 'late' } });
  expect(again.headers.get('purser-receipt')).toMatch(/;replayed$/);
  expect(await again.text()).toBe('the goods');
  expect(shop.books.length).toBe(taken + 1);
});

test('at any moment: two hundred agents leave, and every purchase has one end', async () => {
  fast = true;
  const [taken, asked] = [shop.books.length, shop.requests.length];
  const left = Array.from({ length: 200 }, async (_, n) => {
    const leave = start(`/any/${n}`, n % 2 ? `any-${n}` : undefined);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 400));
    leave();
  });
  await Promise.all(left);
  await expectSettledAsTaken();
  const proofs = shop.requests.slice(asked).filter(({ paid }) => paid).length;
  expect(shop.books.length - taken).toBe(proofs);
  const sealed = (await gateway.receipts()).filter(({ request }) => request?.path.startsWith('/any/'));
  const count = (kind: string) => sealed.filter((one) => one.kind === kind).length;
  expect(count('intended')).toBe(proofs);
  expect(count('settled')).toBe(proofs);
  expect(count('uncertain') + count('voided')).toBe(0);
});
