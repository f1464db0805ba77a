// Whoever counts in a store knows who else does, before it has heard a word of them: a store that forgets everything is
// not brought back without them.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openRedisBudget, type SharedBudget } from '../../src/budget/redis-budget.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { openBare, redisOptions } from './redis-house.ts';

describe.skipIf(!redisAvailable)('members', () => {
  let server: RedisServer;
  let admin: Redis;
  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
  });
  afterAll(async () => {
    admin?.disconnect();
    await server?.stop();
  });
  afterEach(() => admin.flushall());

  /** Notices that everything is gone, and tries to bring it back. */
  async function broughtBack({ budget, rebuild }: SharedBudget) {
    await admin.flushall();
    await budget.heartbeat().catch(() => {});
    return rebuild.settle();
  }

  test('two that opened a new store together wait for each other, though neither has spoken', async () => {
    const open = (log: string) => openRedisBudget(redisOptions(server.url, { log, closedMs: 400 }));
    const [a, b] = await Promise.all([open('a'), open('b')]);
    expect(await broughtBack(a)).toMatchObject({ kind: 'waiting', missing: ['b'] });
    await Promise.all([a.budget.shutdown(), b.budget.shutdown()]);
  });

  test('one that comes counts once those that live have noted it, and from then on they wait for it', async () => {
    const open = (log: string) => openRedisBudget(redisOptions(server.url, { log, closedMs: 400 }));
    const a = await open('a');
    let counts = false;
    const coming = open('b').finally(() => {
      counts = true;
    });
    await sleep(300);
    await a.budget.heartbeat();
    expect([counts, [...a.rebuild.peers.keys()]]).toEqual([false, []]);
    await a.rebuild.tell(Date.now());
    const b = await coming;
    expect([b.budget.generation(), [...a.rebuild.peers.keys()]]).toEqual([1, ['b']]);
    expect(await broughtBack(a)).toMatchObject({ kind: 'waiting', missing: ['b'] });
    await Promise.all([a.budget.shutdown(), b.budget.shutdown()]);
  });

  test('one that comes does not wait for those that are silent', async () => {
    const open = (log: string) => openRedisBudget(redisOptions(server.url, { log, closedMs: 400 }));
    const [a, began] = [await open('a'), performance.now()];
    const b = await open('b');
    expect(b.budget.generation()).toBe(1);
    expect(performance.now() - began).toBeGreaterThan(1_500);
    await Promise.all([a.budget.shutdown(), b.budget.shutdown()]);
  });

  test('one that comes while nobody counts is waited for by those that have not heard of it', async () => {
    const open = (log: string) => openRedisBudget(redisOptions(server.url, { log, closedMs: 400 }));
    const a = await open('a');
    const b = await openRedisBudget(redisOptions(server.url, { log: 'b' }));
    expect([...a.rebuild.peers.keys()]).toEqual([]);
    expect(await broughtBack(a)).toMatchObject({ kind: 'waiting', missing: [] });
    await b.budget.heartbeat().catch(() => {});
    expect(await b.rebuild.settle()).toMatchObject({ kind: 'waiting', missing: [] });
    await expect.poll(() => a.rebuild.settle()).toMatchObject({ kind: 'open' });
    expect([...a.rebuild.peers.keys()]).toEqual(['b']);
    expect(await admin.hget('{test}:members', 'gen:b')).toBe('2');
    await Promise.all([a.budget.shutdown(), b.budget.shutdown()]);
  });

  test('whoever has come is spoken for by nobody any more, however late that is said', async () => {
    const house = await openBare(redisOptions(server.url, { log: 'a' }));
    const line = { budget: 'purse', scope: '["x"]', key: 0, windowStart: 0, expires: null };
    const total = { ...line, settled: 5n, held: 0n, payments: 1 };
    await house.members.bringLines(1, { log: 'a', how: 'guess', mark: 0 }, [total]);
    expect((await admin.keys('*')).filter((key) => key.includes(':l:'))).toEqual([]);
    house.store.disconnect();
  });

  test('what was brought to a generation that is forgotten is not attested to the next of its number', async () => {
    const house = await openBare(redisOptions(server.url, { log: 'a' }));
    const joined = async () => {
      await admin.flushall();
      const stand = await house.members.join(0, []);
      if (!('name' in stand)) throw new Error('the store is somebody else’s');
      return stand;
    };
    const [forgotten, next] = [await joined(), await joined()];
    expect(next.generation).toBe(forgotten.generation);
    await expect(house.members.attest(forgotten, 'a', 'itself')).rejects.toThrow();
    expect(await house.members.attest(next, 'a', 'itself')).toMatchObject({ kind: 'opened' });
    house.store.disconnect();
  });

  test('one that came later waits for those that were there, and speaks for them in the end', async () => {
    const open = (log: string) => openRedisBudget(redisOptions(server.url, { log, missingAfterMs: 0 }));
    const a = await open('a');
    const b = await open('b');
    expect([...b.rebuild.peers.keys()]).toEqual(['a']);
    await b.rebuild.tell(Date.now());
    expect(await broughtBack(b)).toMatchObject({ kind: 'open' });
    expect(b.rebuild.peers.get('a')).toMatchObject({ givenUp: true });
    await Promise.all([a.budget.shutdown(), b.budget.shutdown()]);
  });
});
