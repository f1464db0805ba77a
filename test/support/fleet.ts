// Several gateways on one Redis under load, and what becomes of their money: judged by the shop's books, the budgets
// and every gateway's receipts.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import type { PaidShop } from '../fakes/paid-shop.ts';
import { buy, PRICE, WAIT } from './agreement.ts';
import { type GatewaySetup, policy, startGateway, type TestGateway } from './gateway.ts';
import { moneyOf } from './stand.ts';
import { onRedis } from './stores.ts';

/** For `vi.waitFor`: several gateways and a Redis on a machine that has much else to do. */
export const PATIENT = { ...WAIT, timeout: 60_000 };

/** How many purchases the budget of a fleet has room for. */
export const ROOM = 60;
const LIMIT = `${(ROOM * Number(PRICE)) / 1_000_000} USD`;

/** What every gateway of a fleet is started with: one budget for all of them together. */
export function fleetSetup(shop: PaidShop, redis: string, more = ''): GatewaySetup {
  const { sections, env } = onRedis(redis);
  const budgets = sections.budgets?.replace(' } }', ` }${more} }`) ?? '';
  return {
    upstream: shop.url,
    policies: policy({ limit: LIMIT, per: 'all', window: 'window: total' }),
    sections: { budgets, limits: '{ paymentSettle: 2s, diskReserve: 0B, unsettled: 1000, holdLease: 1s }' },
    env,
  };
}

/** Gateways of this process, and what they answered. */
export class Fleet {
  readonly gateways: TestGateway[];
  readonly ends: Record<string, number> = {};
  readonly #agents: Promise<void>[] = [];
  #going = true;

  private constructor(gateways: TestGateway[]) {
    this.gateways = gateways;
  }

  static async start(count: number, setup: GatewaySetup): Promise<Fleet> {
    return new Fleet(await Promise.all(Array.from({ length: count }, () => startGateway(setup))));
  }

  get first(): TestGateway {
    const [first] = this.gateways;
    if (!first) throw new Error('a fleet has a gateway');
    return first;
  }

  /** So many agents buy at each gateway, one purchase after the other with a pause, until `calm`. */
  load(agents: number, pauseMs = 20): void {
    for (const gateway of this.gateways) {
      for (let n = 0; n < agents; n += 1) this.#agents.push(this.#buyOn(gateway, pauseMs));
    }
  }

  async #buyOn(gateway: TestGateway, pauseMs: number): Promise<void> {
    while (this.#going) {
      const { status, state, code } = await buy(gateway);
      const end = code ?? `${status} ${state}`;
      this.ends[end] = (this.ends[end] ?? 0) + 1;
      await sleep(pauseMs);
    }
  }

  async calm(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#agents);
  }

  /** Buys at each gateway until the budget is spent, whatever has to be waited for. */
  async spendAll(timeout: number = PATIENT.timeout): Promise<void> {
    for (const gateway of this.gateways) {
      await vi.waitFor(
        async () => {
          // What was given back may not have reached the store yet.
          expect(await gateway.api('holds')).toMatchObject({ holds: [] });
          const { code } = await buy(gateway);
          expect(code).toBe('budget_exceeded');
        },
        { ...PATIENT, timeout },
      );
    }
  }

  /** Not more than there was room for, and budgets, receipts and the shop's books say the same. */
  async expectExact(shop: PaidShop): Promise<void> {
    await vi.waitFor(async () => {
      for (const gateway of this.gateways) {
        expect(await moneyOf(gateway)).toEqual({ settled: BigInt(shop.books.length) * PRICE, held: 0n });
        expect(await gateway.api('holds')).toMatchObject({ holds: [] });
      }
    }, PATIENT);
    const receipts = (await Promise.all(this.gateways.map((gateway) => gateway.receipts()))).flat();
    expect(receipts.filter(({ kind }) => kind === 'settled')).toHaveLength(shop.books.length);
  }

  async close(): Promise<void> {
    await this.calm();
    await Promise.all(this.gateways.map((gateway) => gateway.close()));
  }
}
