// Buys in the midst of faults, and says whether shop, budgets and log agree in the end.
import { expect, vi } from 'vitest';
import { command } from '../threats/observables.ts';
import type { TestGateway } from './gateway.ts';
import { moneyOf } from './stand.ts';

/** For `vi.waitFor`, generous for a busy machine. */
export const WAIT = { timeout: 20_000, interval: 20 };

/** What one sale of a `paidShop` costs, in micro-units. */
export const PRICE = 20_000n;

let asked = 0;

/** One purchase that is no repeat of another, with its answer read to the end. */
export async function buy(gateway: TestGateway, path = '/x', agent = 'buyer-1') {
  asked += 1;
  const answer = await gateway.ask(`/shop${path}?${asked}`, { agent });
  const text = await answer.text();
  const state = /;state=(\w+)/.exec(answer.headers.get('purser-receipt') ?? '')?.[1];
  const code = answer.ok ? undefined : (JSON.parse(text) as { code: string }).code;
  return { status: answer.status, text, state, code, retryAfter: answer.headers.get('retry-after') };
}

/** Settled is what the shop took, to the cent, and no hold is open any more. */
export async function expectAgreement(gateway: TestGateway, shop: { books: readonly unknown[] }): Promise<void> {
  await vi.waitFor(async () => {
    expect(await moneyOf(gateway)).toEqual({ settled: BigInt(shop.books.length) * PRICE, held: 0n });
    expect(await gateway.api('holds')).toMatchObject({ holds: [] });
  }, WAIT);
}

/** What was sealed about requests of this path, in order. */
export const kindsOf = async (gateway: TestGateway, path: string) =>
  (await gateway.receipts()).filter(({ request }) => request?.path === path).map(({ kind }) => kind);

/** The whole log verifies. */
export async function expectVerified({ configFile }: TestGateway): Promise<void> {
  expect(await command(['receipts', 'verify', '--config', configFile])).toMatchObject({ code: 0 });
}
