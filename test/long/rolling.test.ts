// The long form of the rolling restart: 10,000 purchases over ten restarts.
import { test } from 'vitest';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { restartUnderLoad } from '../support/rolling.ts';

test.runIf(redisAvailable)(
  '10,000 purchases over ten restarts of two gateways: none fails, no cent is lost',
  async () => {
    const redis = await startRedis();
    try {
      await restartUnderLoad(redis, 10_000, 10);
    } finally {
      await redis.stop();
    }
  },
);
