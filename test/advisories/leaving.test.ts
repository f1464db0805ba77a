// An agent that leaves and asks again must find the purchase it left, at whatever step that was and however the budget
// store or the log's disk fared in that moment. The merchant's books say whether it was paid twice.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { goods } from '../fakes/script.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const WAIT = { timeout: 10_000, interval: 10 };

describe.skipIf(!redisAvailable)('an agent that leaves pays once', () => {
  let redis: RedisServer;
  let shop: HostileMerchant;
  let gateway: TestGateway;

  beforeEach(async () => {
    redis = await startRedis();
    shop = await hostileMerchant({ paid: [{ do: 'wait', ms: 2_500 }, ...goods] });
    const budgets = `{ store: redis, redis: { url: "${redis.url}", key: { env: SHARED_KEY } } }`;
    gateway = await startGateway({
      upstream: shop.url,
      sections: { budgets, limits: '{ paymentSettle: 5s, diskReserve: 0B }' },
      env: { SHARED_KEY: 'ab'.repeat(32) },
    });
  });

  afterEach(async () => {
    redis.resume();
    await gateway.close();
    await shop.close();
    await redis.stop();
  });

  /** Asks, and the way to leave. */
  function ask(): () => void {
    const leaving = new AbortController();
    gateway.ask('/shop/x', { signal: leaving.signal }).catch(() => {});
    return () => leaving.abort();
  }

  test('when the store is silent as it leaves', async () => {
    const leave = ask();
    await vi.waitFor(() => expect(shop.books.taken).toHaveLength(1), WAIT);
    redis.pause();
    // A heartbeat goes unanswered: from then on nothing is sent.
    await sleep(900);
    leave();
    await sleep(200);
    redis.resume();
    await vi.waitFor(async () => expect((await fetch(`${gateway.operators}/readyz`)).status).toBe(200), WAIT);
    await vi.waitFor(async () => {
      const answer = await gateway.ask('/shop/x');
      expect(answer.headers.get('purser-receipt')).not.toContain('store_unavailable');
      await answer.body?.cancel();
    }, WAIT);
    expect(shop.books.taken).toHaveLength(1);
  });

  test('when the intent is just being sealed on a slow disk', async () => {
    const disk = new DatabaseSync(join(gateway.folder, 'var', 'purser.sqlite'));
    disk.exec('BEGIN IMMEDIATE');
    const leave = ask();
    await vi.waitFor(async () => expect(await exposed()).toBe(1), WAIT);
    leave();
    await sleep(200);
    ask();
    await vi.waitFor(() => expect(shop.requests.length).toBeGreaterThanOrEqual(2), WAIT);
    await sleep(200);
    disk.exec('COMMIT');
    disk.close();
    await vi.waitFor(() => expect(shop.books.taken.length).toBeGreaterThanOrEqual(1), WAIT);
    await sleep(300);
    expect(shop.books.taken).toHaveLength(1);
  });

  async function exposed(): Promise<number> {
    const { holds } = await gateway.api<{ holds: { state: string }[] }>('holds');
    return holds.filter(({ state }) => state === 'exposed').length;
  }
});
