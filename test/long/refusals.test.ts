// How long a refusal takes while the budget store is down or hangs, with the load on. One gateway in a process of its
// own, sixteen agents; the figure is printed.
import { availableParallelism, loadavg } from 'node:os';
import { expect, test } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { buy, WAIT } from '../support/agreement.ts';
import { type GatewayProcess, policy, spawnGateway } from '../support/gateway.ts';
import { onRedis } from '../support/stores.ts';
import { until } from '../threats/observables.ts';

const AGENTS = 16;
const MEASURED_MS = 5_000;
/** What is promised, milliseconds; on a machine that has more to do than it can nothing can be promised. */
const PROMISED = 250;
const isBusy = (): boolean => (loadavg()[0] ?? 0) > 1.5 * availableParallelism();

/** All agents buy for a while; how long each refusal took, shortest first. */
async function refusals(gateway: GatewayProcess): Promise<number[]> {
  const took: number[] = [];
  const deadline = performance.now() + MEASURED_MS;
  const agent = async (): Promise<void> => {
    while (performance.now() < deadline) {
      const began = performance.now();
      const { code } = await buy(gateway);
      expect(code).toBe('store_unavailable');
      took.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: AGENTS }, agent));
  return took.sort((a, b) => a - b);
}

const share = (sorted: readonly number[], part: number): number => sorted[Math.floor(sorted.length * part)] ?? 0;

async function setUp(): Promise<{ shop: PaidShop; redis: RedisServer; gateway: GatewayProcess }> {
  const shop = await paidShop((response) => void response.end('the goods'));
  const redis = await startRedis();
  const { sections, env } = onRedis(redis.url);
  const limits = '{ paymentSettle: 20s, diskReserve: 0B, unsettled: 1000, refusals: 1000000/m }';
  const policies = policy({ limit: '1000.00 USD' });
  const gateway = await spawnGateway({ upstream: shop.url, policies, sections: { ...sections, limits }, env });
  await until(async () => (await buy(gateway)).status === 200);
  return { shop, redis, gateway };
}

for (const { how, lose } of [
  { how: 'down', lose: (redis: RedisServer) => redis.stop() },
  { how: 'hanging', lose: (redis: RedisServer) => redis.pause() },
]) {
  test.runIf(redisAvailable)(
    `INFRA-01: with the store ${how} 99 of 100 refusals are out within ${PROMISED} ms`,
    async () => {
      const { shop, redis, gateway } = await setUp();
      try {
        const taken = shop.books.length;
        await lose(redis);
        await until(async () => (await buy(gateway)).code === 'store_unavailable');
        const sorted = await refusals(gateway);
        const [p50, p99, most] = [0.5, 0.99, 1 - 1e-9].map((part) => Math.round(share(sorted, part)));
        const load = loadavg()[0]?.toFixed(1);
        console.log(
          `store ${how}: ${sorted.length} refusals, p50 ${p50} ms, p99 ${p99} ms, most ${most} ms (load ${load})`,
        );
        expect(shop.books).toHaveLength(taken);
        expect(p99).toBeLessThanOrEqual(isBusy() ? 4 * PROMISED : PROMISED);
      } finally {
        redis.resume();
        await gateway.kill();
        await redis.stop();
        await shop.close();
      }
    },
    WAIT.timeout * 3,
  );
}
