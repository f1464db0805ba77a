// The set-ups that people run, under gateways: a failover that sentinels decide, and a cluster that comes back
// without its data. What was forgotten is brought back, and nobody spends twice.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { replicate, startCluster, startSentinelPair } from '../fakes/redis-modes.ts';
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
  const onSentinels = (port: number, more = ''): GatewaySetup => {
    const place = `url: { env: REDIS_URL }, sentinels: ["127.0.0.1:${port}"], master: main${more}`;
    const { sections, env, ...rest } = fleetSetup(shop, 'redis://nobody.invalid');
    const budgets = `{ store: redis, redis: { ${place}, key: { env: SHARED_KEY } } }`;
    const url = `redis://:${PASSWORD}@nobody.invalid`;
    return { ...rest, sections: { ...sections, budgets }, env: { ...env, REDIS_URL: url } };
  };

  test('a failover by sentinels to a replica that lagged: brought back, spent to the cent', {
    timeout: 120_000,
  }, async () => {
    const pair = await startSentinelPair(PASSWORD);
    closing.push(() => pair.stop());
    await spentUnder(onSentinels(pair.sentinelPort), async () => {
      pair.replica.pause();
      await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 3), WAIT);
      await pair.server.stop();
      pair.replica.resume();
    });
  });

  test('a failover by sentinels where each exposure has a replica: brought back, spent to the cent', {
    timeout: 120_000,
  }, async () => {
    const pair = await startSentinelPair(PASSWORD);
    closing.push(() => pair.stop());
    await spentUnder(onSentinels(pair.sentinelPort, ', replicas: 1'), async () => {
      await pair.server.stop();
      // Without another replica nothing more could be exposed.
      const follows = ['--replicaof', '127.0.0.1', `${pair.replica.port}`, '--repl-diskless-sync-delay', '0'];
      const next = await startRedis({ args: ['--requirepass', PASSWORD, '--masterauth', PASSWORD, ...follows] });
      closing.push(() => next.stop());
    });
  });

  const onCluster = (nodes: readonly RedisServer[], more = ''): GatewaySetup => {
    const place = `cluster: [${nodes.map(({ port }) => `"127.0.0.1:${port}"`).join(', ')}]${more}`;
    const { sections, ...rest } = fleetSetup(shop, 'redis://nobody.invalid');
    const budgets = `{ store: redis, redis: { ${place}, key: { env: SHARED_KEY } } }`;
    return { ...rest, sections: { ...sections, budgets } };
  };

  test('a cluster whose nodes are flushed: brought back, spent to the cent', {
    timeout: 120_000,
  }, async () => {
    const { nodes, stop } = await startCluster();
    closing.push(stop);
    await spentUnder(onCluster(nodes), () => Promise.all(nodes.map(flushed)));
  });

  test.each([0, 1])(
    'a cluster whose replica takes over, with replicas: %i: brought back, spent to the cent',
    {
      timeout: 120_000,
    },
    async (replicas) => {
      const { nodes, stop } = await startCluster();
      closing.push(stop);
      const first = await replicate(nodes, '{purser}:clock');
      closing.push(() => first.stop());
      for (let n = 0; n < replicas; n += 1) {
        const more = await replicate(nodes, '{purser}:clock');
        closing.push(() => more.stop());
      }
      await spentUnder(onCluster(nodes, `, replicas: ${replicas}`), async () => {
        await first.home.stop();
        await first.promote();
      });
    },
  );
});

async function flushed({ port }: { readonly port: number }): Promise<void> {
  const { Redis } = await import('ioredis');
  const admin = new Redis(port, '127.0.0.1');
  await admin.flushall();
  admin.disconnect();
}
