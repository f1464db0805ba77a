// The long form of the kill test: thirty rounds on each store.
import { test } from 'vitest';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { killAgainAndAgain } from '../support/killing.ts';

const ROUNDS = 30;

test('thirty kills under load on the embedded store', async () => {
  await killAgainAndAgain(ROUNDS, 4_000, {});
});

test.runIf(redisAvailable)('thirty kills under load with budgets in Redis', async () => {
  const redis = await startRedis();
  const sections = { budgets: `{ store: redis, redis: { url: "${redis.url}", key: { env: SHARED } } }` };
  try {
    await killAgainAndAgain(ROUNDS, 4_000, { sections, env: { SHARED: 'cd'.repeat(32) } });
  } finally {
    await redis.stop();
  }
});
