// The set-ups that people run, under gateways: a failover that sentinels decide, and a cluster that comes back
// without its data. What was forgotten is brought back, and nobody spends twice.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { redisAvailable } from '../fakes/redis.ts';
import { startCluster, startSentinelPair } from '../fakes/redis-modes.ts';
import { WAIT } from '../support/agreement.ts';
import { Fleet, fleetSetup, ROOM } from '../support/fleet.ts';
import type { GatewaySetup } from '../support/gateway.ts';

const PASSWORD = 'canary-password-1234';
let shop: PaidShop;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  shop = await paidShop((response) => void response.end('the goods'));
  closing.push(() => shop.close());
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function spentUnder(setup: GatewaySetup, fail: () => Promise<unknown>): Promise<void> {
  const fleet = await Fleet.start(2, setup);
  closing.push(() => fleet.close());
  fleet.load(2);
  await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 4), { ...WAIT, timeout: 40_000 });
  await fail();
  await sleep(500);
  await fleet.calm();
  await fleet.spendAll(60_000);
  expect(shop.books).toHaveLength(ROOM);
  await fleet.expectExact(shop);
}

describe.runIf(redisAvailable)('Redis', () => {
  test('a failover by sentinels to a replica that lagged: brought back, spent to the cent', {
    timeout: 120_000,
  }, async () => {
    const pair = await startSentinelPair(PASSWORD);
    closing.push(() => pair.stop());
    const place = `url: { env: REDIS_URL }, sentinels: ["127.0.0.1:${pair.sentinelPort}"], master: main`;
    const { sections, env, ...rest } = fleetSetup(shop, 'redis://nobody.invalid');
    const setup = {
      ...rest,
      sections: { ...sections, budgets: `{ store: redis, redis: { ${place}, key: { env: SHARED_KEY } } }` },
      env: { ...env, REDIS_URL: `redis://:${PASSWORD}@nobody.invalid` },
    };
    await spentUnder(setup, async () => {
      pair.replica.pause();
      await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 3), WAIT);
      await pair.server.stop();
      pair.replica.resume();
    });
  });

  test('a cluster whose nodes are flushed: brought back, spent to the cent', {
    timeout: 120_000,
  }, async () => {
    const { nodes, stop } = await startCluster();
    closing.push(stop);
    const place = `cluster: [${nodes.map(({ port }) => `"127.0.0.1:${port}"`).join(', ')}]`;
    const { sections, ...rest } = fleetSetup(shop, 'redis://nobody.invalid');
    const setup = {
      ...rest,
      sections: { ...sections, budgets: `{ store: redis, redis: { ${place}, key: { env: SHARED_KEY } } }` },
    };
    await spentUnder(setup, () => Promise.all(nodes.map(flushed)));
  });
});

async function flushed({ port }: { readonly port: number }): Promise<void> {
  const { Redis } = await import('ioredis');
  const admin = new Redis(port, '127.0.0.1');
  await admin.flushall();
  admin.disconnect();
}
