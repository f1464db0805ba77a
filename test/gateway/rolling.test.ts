// A rolling restart of two gateways under load costs no request and no cent.
import { test } from 'vitest';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { restartUnderLoad } from '../support/rolling.ts';

test.runIf(redisAvailable)(
  'CRASH-17: two gateways are restarted in turn under load: no request fails, no cent is lost',
  {
    timeout: 120_000,
  },
  async () => {
    const redis = await startRedis();
    try {
      await restartUnderLoad(redis, 600, 2);
    } finally {
      await redis.stop();
    }
  },
);
