// The short form of the torture: twenty seconds, with a seed that is named where it fails.
import { expect, test } from 'vitest';
import { redisAvailable } from '../fakes/redis.ts';
import { show, torture } from '../torture/torture.ts';

test.runIf(redisAvailable)('four gateways are tormented for twenty seconds, and all sides agree', async () => {
  const seed = Date.now() % 1_000_000;
  const outcome = await torture(20_000, seed);
  expect([seed, outcome.faults], show(outcome)).toEqual([seed, []]);
});
