// Redis forgets what it had acknowledged, one way after the other: the gateways notice, stop paying, bring everything
// back from their receipts, and go on; nobody types anything, and nobody spends twice.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { WAIT } from '../support/agreement.ts';
import { Fleet, fleetSetup, ROOM } from '../support/fleet.ts';
import { forwarder, LOSSES, Losing, spentWithin } from '../support/losing.ts';

let shop: PaidShop;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  shop = await paidShop((response) => void response.end('the goods'));
  closing.push(() => shop.close());
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What Redis is told to keep on its disk. */
const SETTINGS = [
  ['appendfsync always', ['--appendonly', 'yes', '--appendfsync', 'always']],
  ['appendfsync everysec', ['--appendonly', 'yes', '--appendfsync', 'everysec']],
  ['snapshots', ['--save', '1 1']],
  ['nothing', []],
] as const;

async function start(gateways: number, args: readonly string[] = []): Promise<{ redis: Losing; fleet: Fleet }> {
  const redis = await Losing.start(args);
  closing.push(() => redis.stop());
  const fleet = await Fleet.start(gateways, fleetSetup(shop, redis.server.url));
  closing.push(() => fleet.close());
  return { redis, fleet };
}

/** The rest of the budget is spent, and not more. */
async function spentToTheCent(fleet: Fleet): Promise<void> {
  await sleep(500);
  await fleet.calm();
  await fleet.spendAll();
  expect(shop.books).toHaveLength(ROOM);
  await fleet.expectExact(shop);
}

describe.runIf(redisAvailable)('a Redis that is', () => {
  for (const loss of LOSSES) {
    test(`${loss.name}, under ${loss.gateways}: brought back, spent to the cent and not more`, async () => {
      const { redis, fleet } = await start(loss.gateways);
      await spentWithin(loss, redis, fleet, shop);
    }, 120_000);
  }

  for (const [setting, args] of SETTINGS) {
    test(`killed and started again, with ${setting}: the same`, async () => {
      const { redis, fleet } = await start(2, args);
      await spentWithin({ lose: () => redis.startAgain() }, redis, fleet, shop);
    }, 120_000);

    test(`started again from an old copy, with ${setting}: the same`, async () => {
      const { redis, fleet } = await start(4, args);
      fleet.load(3);
      await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 6), WAIT);
      const goBack = await redis.copy();
      await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 2), WAIT);
      await goBack();
      await spentToTheCent(fleet);
    }, 120_000);
  }

  test('a replica that lagged behind, promoted under 2 gateways: the same', async () => {
    const redis = await Losing.start();
    closing.push(() => redis.stop());
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${redis.server.port}`] });
    closing.push(() => replica.stop());
    const link = await forwarder(() => current);
    let current = redis.server.port;
    closing.push(() => link.close());
    const fleet = await Fleet.start(2, fleetSetup(shop, `redis://127.0.0.1:${link.port}`));
    closing.push(() => fleet.close());
    fleet.load(3);
    await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 6), WAIT);
    const lagging = new Redis(replica.url);
    closing.push(() => lagging.disconnect());
    await vi.waitFor(async () => expect(await lagging.info('replication')).toContain('master_link_status:up'), WAIT);
    replica.pause();
    await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 2), WAIT);
    await redis.server.stop();
    replica.resume();
    await lagging.replicaof('NO', 'ONE');
    current = replica.port;
    link.cut();
    await spentToTheCent(fleet);
  }, 120_000);
});
