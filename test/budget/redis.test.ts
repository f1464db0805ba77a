// The Redis store keeps the budget contract, on a real server.
import { afterAll, beforeAll, describe } from 'vitest';
import { budgetContract } from '../contracts/budget.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { redisHouse } from './redis-house.ts';

describe.skipIf(!redisAvailable)('with redis-server on the PATH', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  budgetContract('redis', async () => redisHouse(server.url));
});
