// What can go wrong with Redis: it is down, slow, full, a replica, evicting, poisoned, or its replies are lost. No
// money moves, the answer comes in time, and the budget recovers by itself.
import { createServer, connect as dial, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Budget } from '../../src/budget/budget.ts';
import { RedisKeys } from '../../src/budget/redis-keys.ts';
import { askOf, claimOf, ENDING, exposed, lineOf } from '../contracts/budget.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { openBare, openMendedBudget, openRedisBudget, redisHouse, redisOptions, SYSTEM_CLOCK } from './redis-house.ts';

const UNAVAILABLE = { code: 'store_unavailable' };
/** The bound is 250 ms; the rest is for a machine that has much else to do. */
const IN_TIME_MS = 700;

async function inTime(work: Promise<unknown>): Promise<void> {
  const began = performance.now();
  await expect(work).rejects.toMatchObject(UNAVAILABLE);
  expect(performance.now() - began).toBeLessThan(IN_TIME_MS);
}

const held = async (budget: Budget) => (await budget.lines([lineOf()]))[0]?.heldMicros;
const eventually = (check: () => Promise<unknown>) => vi.waitFor(check, { timeout: 8_000, interval: 50 });

describe.skipIf(!redisAvailable)('a Redis of its own for each test', () => {
  let server: RedisServer;
  let admin: Redis;
  let budget: Budget;
  beforeEach(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    admin.on('error', () => {});
    budget = await openRedisBudget(redisOptions(server.url));
  });
  afterEach(async () => {
    await budget.shutdown();
    admin.disconnect();
    await server.stop();
  });

  test('one that hangs is answered for in time, and what was sent to it is undone when it wakes', async () => {
    const before = await exposed(budget);
    const held1 = askOf();
    await budget.hold(held1);
    server.pause();
    await inTime(budget.hold(askOf()));
    await expect(budget.hold(askOf())).rejects.toThrow(/asking again/);
    await inTime(budget.expose(held1.id, 60_000));
    await inTime(budget.settle(before.id));
    await inTime(budget.ping());
    await budget.release('here.whatever');
    server.resume();
    await eventually(() => budget.ping());
    await eventually(async () => expect(await held(budget)).toBe(1_000_000n));
    expect(await budget.hold(askOf())).toMatchObject({ kind: 'held' });
  });

  test('one that is gone is answered for in time, and comes back by itself', async () => {
    const port = server.port;
    const { budget: mended } = await openMendedBudget(redisOptions(server.url, { log: 'there', namespace: 'alone' }));
    await budget.shutdown();
    await server.stop();
    await inTime(mended.hold(askOf()));
    await inTime(mended.heartbeat());
    server = await startRedis({ port });
    await eventually(async () => expect(await mended.hold(askOf())).toMatchObject({ kind: 'held' }));
  });

  test('a server that could evict is refused at start, with the fix', async () => {
    const other = await startRedis({ args: ['--maxmemory-policy', 'allkeys-lru'] });
    await expect(openRedisBudget(redisOptions(other.url))).rejects.toThrow(/allkeys-lru.*noeviction/);
    await other.stop();
  });

  const reconnected = () => admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  test.each([
    ['after a reconnection', reconnected],
    ['while it serves', async () => {}],
  ])('a server that could evict %s takes no hold until it is mended', async (_, happens) => {
    await admin.config('SET', 'maxmemory-policy', 'volatile-ttl');
    await happens();
    await eventually(async () =>
      expect(await budget.ping().catch((fault: Error) => fault.message)).toMatch(/volatile-ttl/),
    );
    await inTime(budget.hold(askOf()));
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    await eventually(async () => expect(await budget.hold(askOf())).toMatchObject({ kind: 'held' }));
  });

  test('one that does not answer at start is named as the reason', async () => {
    await expect(openRedisBudget(redisOptions('redis://127.0.0.1:1'))).rejects.toMatchObject(UNAVAILABLE);
  });

  test('scripts that the server has forgotten are sent again', async () => {
    await admin.script('FLUSH');
    expect(await budget.hold(askOf())).toMatchObject({ kind: 'held' });
    await admin.script('FLUSH');
    await exposed(budget);
  });

  test('out of memory no hold is made, while what is held can still go back', async () => {
    const [first, second] = [await exposed(budget), askOf()];
    await budget.hold(second);
    await admin.config('SET', 'maxmemory', '1');
    await inTime(budget.hold(askOf()));
    await budget.release(second.id);
    await budget.settle(first.id);
    await admin.config('SET', 'maxmemory', '0');
    expect(await budget.lines([lineOf()])).toMatchObject([{ settledMicros: 1_000_000n, heldMicros: 0n, payments: 1 }]);
  });

  test('a server that became a replica takes no hold', async () => {
    await admin.replicaof('127.0.0.1', '1');
    await expect(budget.hold(askOf())).rejects.toMatchObject(UNAVAILABLE);
    await admin.replicaof('NO', 'ONE');
    await eventually(async () => expect(await budget.hold(askOf())).toMatchObject({ kind: 'held' }));
  });

  test('a heartbeat that arrives late tells of when it was sent: its gateway counts as gone', async () => {
    const silent = await openRedisBudget(redisOptions(server.url, { log: 'silent' }));
    const first = await exposed(silent, { id: 'silent.1', claim: claimOf() });
    await silent.heartbeat();
    await admin.client('PAUSE', 1_500);
    const gone = setTimeout(2_100);
    await inTime(silent.heartbeat());
    await eventually(() => silent.ping());
    await gone;
    const again = await budget.hold(askOf({ claim: claimOf() }));
    expect(again).toMatchObject({ kind: 'repeat', purchase: { hold: first.id } });
    await silent.shutdown();
  });

  test('a gateway that could not say that an agent left is not heard of before it has', async () => {
    const left = await exposed(budget, { claim: claimOf() });
    const allowed = ['epoch', 'members', 'clock', 'stop', 'b:*', '1:open', '1:lease', '1:forget', '1:lines', '1:h:*'];
    const keys = allowed.map((key) => `~{test}:${key}`);
    await admin.call('ACL', 'SETUSER', 'default', 'resetkeys', ...keys);
    await budget.heartbeat();
    expect(await budget.leave(left.id)).toBe(false);
    await expect(budget.heartbeat()).rejects.toThrow(/1 steps are owed/);
    await admin.call('ACL', 'SETUSER', 'default', 'allkeys');
    await budget.heartbeat();
    expect(await admin.keys('*:r:*:gone')).toHaveLength(1);
  });

  test('an exposure counts only with as many replicas as configured; with fewer the hold is released', async () => {
    const careful = await openRedisBudget(redisOptions(server.url, { log: 'there', replicas: 1 }));
    const alone = askOf();
    await careful.hold(alone);
    await expect(careful.expose(alone.id, 60_000)).rejects.toMatchObject({ ...UNAVAILABLE, money: 'held' });
    await eventually(async () => expect(await held(careful)).toBe(0n));
    await admin.config('SET', 'repl-diskless-sync-delay', '0');
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${server.port}`] });
    await eventually(async () => {
      // Only what was written anew has to be acknowledged anew.
      await admin.set('written', 'anew');
      expect(await admin.wait(1, 100)).toBe(1);
    });
    await exposed(careful);
    expect(await held(careful)).toBe(1_000_000n);
    await careful.shutdown();
    await replica.stop();
  });

  test('steps whose replies are lost are undone once replies come again', async () => {
    const link = await lossyLink(server.port);
    const far = await openRedisBudget(redisOptions(`redis://127.0.0.1:${link.port}`, { log: 'there' }));
    const [first, second] = [askOf(), askOf()];
    await far.hold(first);
    link.lose(true);
    await inTime(far.expose(first.id, 60_000));
    expect(await budget.openHolds()).toMatchObject([{ id: first.id, state: 'exposed' }]);
    link.lose(false);
    await eventually(async () => expect(await held(budget)).toBe(0n));
    await eventually(() => far.ping());
    link.lose(true);
    await inTime(far.hold(second));
    expect(await held(budget)).toBe(1_000_000n);
    link.lose(false);
    await eventually(async () => expect(await held(budget)).toBe(0n));
    await far.shutdown();
    link.close();
  });
});

/** A connection whose replies can be lost while what is sent still arrives. */
async function lossyLink(to: number) {
  let losing = false;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = dial(to, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (data) => far.write(data));
    far.on('data', (data) => losing || near.write(data));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    lose(on: boolean) {
      // A stream with a hole in it cannot go on: what was lost ends the connection.
      if (losing && !on) for (const socket of sockets) socket.destroy();
      losing = on;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe.skipIf(!redisAvailable)('one Redis for all', () => {
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

  const snapshot = async () => {
    const keys = (await admin.keys('*')).filter((key) => !key.includes(':b:')).sort();
    return Promise.all(keys.map(async (key) => [key, (await admin.dumpBuffer(key))?.toString('hex')]));
  };
  const keyLike = async (part: string) => {
    const found = (await admin.keys('*')).find((key) => key.includes(part));
    if (!found) throw new Error(`no key has ${part}`);
    return found;
  };

  test.each([
    'abc',
    '-5',
    '1e3',
    '0x10',
    'nan',
    'inf',
    '',
    '01',
    ' 1',
    '1.0',
    '9007199254740992',
    '99999999999999999999',
  ])('a counter that says %j stops every step on its line, and nothing is written', async (value) => {
    const { budget, again } = await openBare(redisOptions(server.url, { namespace: 'counters' }));
    for (const window of [{ kind: 'total' }, { kind: 'rolling', lengthMs: 86_400_000 }] as const) {
      const lines = [lineOf({ budget: window.kind, window })];
      const request = await exposed(budget, { lines });
      const key = await keyLike(`:${window.kind}:`);
      const fields = await admin.hkeys(key);
      for (const field of fields) {
        const kept = await admin.hget(key, field);
        await admin.hset(key, field, value);
        const before = await snapshot();
        const steps = [() => budget.hold(askOf({ lines })), () => budget.lines(lines), () => budget.settle(request.id)];
        for (const step of steps) {
          await expect(step()).rejects.toMatchObject(UNAVAILABLE);
          expect(budget.generation()).toBeNull();
          again();
        }
        expect(await snapshot()).toEqual(before);
        await admin.hset(key, field, kept ?? '');
      }
      await budget.settle(request.id);
    }
    await budget.shutdown();
  });

  test('a key of another type, a counter in half, a poisoned clock, hold or count: nothing is written', async () => {
    const { budget, again: counting } = await openBare(redisOptions(server.url, { namespace: 'poisons' }));
    const request = await exposed(budget, { claim: claimOf({ key: 'k' }) });
    await budget.close(request.id, ENDING, false);
    const claimed = (await keyLike(':c:')).replace(/.*(?=:c:)/, '');
    const bare = await exposed(budget, { claim: claimOf() });
    await budget.leave(bare.id);
    const { challengeId, payment } = request;
    const again = () => askOf({ claim: claimOf({ key: 'k' }), challengeId, payment });
    const plain = () => askOf();
    const keyless = () => askOf({ claim: claimOf() });
    const poisons: [string, (key: string) => Promise<unknown>, () => ReturnType<typeof askOf>][] = [
      ...[':lease', ':open'].map((part): (typeof poisons)[number] => [part, (key) => admin.set(key, 'x'), plain]),
      [':clock', (key) => admin.set(key, 'nan'), plain],
      [':clock', (key) => admin.lpush(key, 'x'), plain],
      [':l:', (key) => admin.set(key, '1'), plain],
      [':l:', (key) => admin.hset(key, '0:s', '0'), plain],
      [':n:', (key) => admin.set(key, '1'), plain],
      [':u:', (key) => admin.set(key, '-1'), plain],
      [':k:', (key) => admin.hset(key, 'x', '1'), again],
      [':k:', (key) => admin.set(key, 'here.none'), again],
      [claimed, (key) => admin.lpush(key, '1'), again],
      [':gone', (key) => admin.set(key, '1'), keyless],
      [`:h:${request.id}`, (key) => admin.hset(key, 'state', 'paid', 'micros', '1'), again],
      [`:h:${request.id}`, (key) => admin.hset(key, 'state', 'held', 'n', '0', 'micros', '1e3'), again],
    ];
    for (const [part, poison, ask] of poisons) {
      const key = part === ':lease' ? (await keyLike(':open')).replace(':open', ':lease') : await keyLike(part);
      const kept = await admin.dumpBuffer(key);
      await admin.del(key);
      await poison(key);
      const before = await snapshot();
      await expect(budget.hold(ask()), `${part}`).rejects.toMatchObject(UNAVAILABLE);
      expect(budget.generation(), part).toBeNull();
      counting();
      expect(await snapshot(), part).toEqual(before);
      await admin.del(key);
      if (kept) await admin.restore(key, 0, kept);
    }
    expect(await budget.hold(plain())).toMatchObject({ kind: 'held' });
    await budget.shutdown();
  });

  test('a gateway whose clock is more than 60 s from the store’s moves nothing', async () => {
    const house = redisHouse(server.url);
    const budget = await house.gateway();
    for (const skew of [61_000, -61_000, 3_600_000]) {
      const clock = { ...SYSTEM_CLOCK, now: () => Date.now() + skew };
      const options = redisOptions(server.url, { namespace: house.namespace, log: 'there', clock });
      await expect(openRedisBudget(options)).rejects.toMatchObject(UNAVAILABLE);
    }
    const clock = { ...SYSTEM_CLOCK, now: () => Date.now() + 50_000 };
    const near = await openRedisBudget(redisOptions(server.url, { namespace: house.namespace, log: 'there', clock }));
    expect(await near.hold(askOf())).toMatchObject({ kind: 'held' });
    await near.shutdown();
    await budget.shutdown();
  });

  test('the store’s clock never steps back, and one that is far behind its own record moves nothing', async () => {
    const house = redisHouse(server.url);
    const budget = await house.gateway();
    const key = `{${house.namespace}}:clock`;
    const high = Date.now() + 40_000;
    await admin.set(key, high);
    await budget.stop({ kind: 'agent', id: 'a', because: 'x', by: 'y' });
    expect(await budget.stops()).toMatchObject([{ at: high }]);
    await admin.set(key, Date.now() + 61_000);
    await expect(budget.hold(askOf())).rejects.toMatchObject(UNAVAILABLE);
    await budget.shutdown();
  });

  test('bounds that do not hold the store’s time are refused with that time', async () => {
    const { store, budget } = await openBare(redisOptions(server.url, { namespace: 'bounds' }));
    const line = { budget: 'a', scope: 'b', limitMicros: 1n, limitPayments: null };
    for (const [start, end] of [
      [0, 10],
      [Date.now() + 60_000, Date.now() + 120_000],
    ] as const) {
      const answer = await store.lines({ lines: [{ ...line, window: { kind: 'calendar', start, end } }] });
      expect(answer.kind).toBe('again');
      if (answer.kind === 'again') expect(Math.abs(answer.now - Date.now())).toBeLessThan(5_000);
    }
    await budget.shutdown();
  });

  test('nothing expires while a hold is open; afterwards each claim has its time', async () => {
    const house = redisHouse(server.url);
    const budget = await house.gateway();
    const day = lineOf({ budget: 'daily', window: { kind: 'day' } });
    const keyed = await exposed(budget, { claim: claimOf({ key: 'k' }), lines: [day] });
    const ttls = async () => {
      const keys = await admin.keys(`{${house.namespace}}:*`);
      return Promise.all(keys.map(async (key) => [key, await admin.pttl(key)] as const));
    };
    for (const [key, ttl] of await ttls()) if (/:[hkcp]:/.test(key)) expect([key, ttl]).toEqual([key, -1]);
    await budget.settle(keyed.id);
    await budget.close(keyed.id, ENDING, true);
    const about = (part: string, ms: number) => async () => {
      const found = (await ttls()).find(([key]) => key.includes(part));
      expect(Math.abs((found?.[1] ?? 0) - ms), part).toBeLessThan(20_000);
    };
    const past = keyed.redeemableUntil + 3_600_000 - Date.now();
    for (const check of [about(':k:', 86_400_000), about(':c:', past), about(':p:', past)]) await check();
    const counter = (await ttls()).find(([key]) => key.includes(':l:'))?.[1] ?? 0;
    expect(counter).toBeGreaterThan(39 * 86_400_000);
    const bare = await exposed(budget, { claim: claimOf(), lines: [day] });
    await budget.settle(bare.id);
    await budget.close(bare.id, ENDING, true);
    expect(await admin.keys(`{${house.namespace}}:1:r:*`)).toEqual([]);
    const cut = await exposed(budget, { claim: claimOf(), lines: [day] });
    await budget.settle(cut.id);
    await budget.close(cut.id, ENDING, false);
    expect(await admin.keys(`{${house.namespace}}:1:r:*`)).toHaveLength(1);
    await admin.zadd(`{${house.namespace}}:1:forget`, 1, cut.id);
    await budget.heartbeat();
    expect(await admin.keys(`{${house.namespace}}:1:r:*`)).toEqual([]);
    await budget.shutdown();
  });

  test('every key stands under one hash tag, and a namespace that could break it is refused', async () => {
    const house = redisHouse(server.url);
    const budget = await house.gateway();
    await exposed(budget, { agent: '{evil}', lines: [lineOf({ scope: '{evil}', budget: '}{' })] });
    for (const key of await admin.keys('*')) expect(key.startsWith(`{${house.namespace}}:`)).toBe(true);
    for (const namespace of ['', 'a}b', 'a b', '{', 'x'.repeat(65)]) {
      expect(() => new RedisKeys(namespace)).toThrow(RangeError);
    }
    await budget.shutdown();
  });
});
