// A gateway that is killed under load never spends over the cap, forgets nothing, and its log verifies.
import { test } from 'vitest';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { killAgainAndAgain } from '../support/killing.ts';

const ROUNDS = 3;

test('killed under load on the embedded store: never over the cap, nothing forgotten', {
  timeout: 120_000,
}, async () => {
  await killAgainAndAgain(ROUNDS, 400, {});
});

test.runIf(redisAvailable)('killed under load with budgets in Redis: the same', { timeout: 120_000 }, async () => {
  const redis = await startRedis();
  const sections = { budgets: `{ store: redis, redis: { url: "${redis.url}", key: { env: SHARED } } }` };
  try {
    await killAgainAndAgain(ROUNDS, 400, { sections, env: { SHARED: 'cd'.repeat(32) } });
  } finally {
    await redis.stop();
  }
});
