import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { redisAvailable, startRedis } from './redis.ts';

describe.skipIf(!redisAvailable)('a redis of one’s own', () => {
  test('answers, stands still while paused, and is gone when stopped', async () => {
    const server = await startRedis();
    const client = new Redis(server.url, { retryStrategy: () => null });
    client.on('error', () => {});
    expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    server.pause();
    let answered = false;
    const ping = client.ping().then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(answered).toBe(false);
    server.resume();
    await ping;
    await server.stop();
    await expect(client.ping()).rejects.toThrow();
    client.disconnect();
  });
});
