// Redis forgets what it had acknowledged, one way after the other: the gateways notice, stop paying, bring everything
// back from their receipts, and go on; nobody types anything, and nobody spends twice.
import { afterEach, beforeEach, describe, test } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { redisAvailable } from '../fakes/redis.ts';
import { Fleet, fleetSetup } from '../support/fleet.ts';
import { LOSSES, Losing, spentWithin } from '../support/losing.ts';

let shop: PaidShop;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  shop = await paidShop((response) => void response.end('the goods'));
  closing.push(() => shop.close());
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(gateways: number): Promise<{ redis: Losing; fleet: Fleet }> {
  const redis = await Losing.start();
  closing.push(() => redis.stop());
  const fleet = await Fleet.start(gateways, fleetSetup(shop, redis.server.url));
  closing.push(() => fleet.close());
  return { redis, fleet };
}

/** The rest is in test/long. */
const SHORT = ['flushed', 'one counter deleted', 'one counter poisoned', 'started again without its data'];

describe.runIf(redisAvailable)('a Redis that is', () => {
  for (const loss of LOSSES.filter(({ name, gateways }) => SHORT.includes(name) && gateways > 1)) {
    test(`${loss.name}, under ${loss.gateways}: brought back, spent to the cent and not more`, async () => {
      const { redis, fleet } = await start(loss.gateways);
      await spentWithin(loss, redis, fleet, shop);
    }, 120_000);
  }
});
