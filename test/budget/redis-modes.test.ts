// Redis as people run it: with TLS and a password, behind sentinels, as a cluster. Real processes; the same contract.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { askOf, budgetContract, exposed, lineOf } from '../contracts/budget.ts';
import { type Certificates, makeCertificates } from '../fakes/certificates.ts';
import { type RedisServer, redisAvailable } from '../fakes/redis.ts';
import { replicate, type SentinelPair, startCluster, startSentinelPair, startTlsRedis } from '../fakes/redis-modes.ts';
import { openMendedBudget, openRedisBudget, redisHouse, redisOptions } from './redis-house.ts';

const PASSWORD = 'canary-password-1234';
const UNAVAILABLE = { code: 'store_unavailable' };
const eventually = (check: () => Promise<unknown>) => vi.waitFor(check, { timeout: 40_000, interval: 50 });

describe.skipIf(!redisAvailable)('TLS with a password', () => {
  let certificates: Certificates;
  let server: Awaited<ReturnType<typeof startTlsRedis>>;
  const url = (password = PASSWORD) => `rediss://:${password}@127.0.0.1:${server.tlsPort}/0`;
  beforeAll(async () => {
    certificates = makeCertificates();
    server = await startTlsRedis(certificates, ['--requirepass', PASSWORD]);
  });
  afterAll(async () => {
    await server?.stop();
    certificates?.remove();
  });

  test('a hold is made over TLS, with the configured authority and the password of the address', async () => {
    const budget = await openRedisBudget(redisOptions(url(), { ca: certificates.ca }));
    await exposed(budget);
    expect((await budget.lines([lineOf()]))[0]?.heldMicros).toBe(1_000_000n);
    await budget.shutdown();
  });

  test('a certificate of an authority that is not trusted, or a wrong password, opens nothing', async () => {
    const refused = async (options: Parameters<typeof openRedisBudget>[0]) => {
      const fault = await openRedisBudget(options).catch((error: unknown) => error);
      expect(fault).toMatchObject(UNAVAILABLE);
      expect(String(fault)).not.toContain('canary');
    };
    await Promise.all([
      refused(redisOptions(url())),
      refused(redisOptions(url('canary-wrong'), { ca: certificates.ca })),
      refused(redisOptions(`redis://:${PASSWORD}@127.0.0.1:${server.tlsPort}`)),
    ]);
  });

  test('a user and a password with characters of an address are those that were meant', async () => {
    const admin = new Redis(server.port, '127.0.0.1', { password: PASSWORD });
    await admin.call('ACL', 'SETUSER', 'pur:ser', 'on', '>p@ss/w%rd', '~*', '&*', '+@all');
    const named = `rediss://pur%3Aser:p%40ss%2Fw%25rd@127.0.0.1:${server.tlsPort}`;
    const budget = await openRedisBudget(redisOptions(named, { ca: certificates.ca, namespace: 'named' }));
    await exposed(budget);
    await budget.shutdown();
    admin.disconnect();
  });
});

describe.skipIf(!redisAvailable)('sentinels', () => {
  let pair: SentinelPair;
  beforeAll(async () => {
    pair = await startSentinelPair(PASSWORD);
  });
  afterAll(() => pair?.stop());
  const options = (over = {}) =>
    redisOptions(`redis://:${PASSWORD}@nobody.invalid`, {
      sentinels: { nodes: [{ host: '127.0.0.1', port: pair.sentinelPort }], master: 'main' },
      ...over,
    });

  test('a name they do not know opens nothing', async () => {
    const nodes = [{ host: '127.0.0.1', port: pair.sentinelPort }];
    await expect(openRedisBudget(options({ sentinels: { nodes, master: 'other' } }))).rejects.toMatchObject(
      UNAVAILABLE,
    );
  });

  test('they say where the server is, an exposure waits for its replica, and a promoted replica is found', {
    timeout: 60_000,
  }, async () => {
    const { budget } = await openMendedBudget(options({ replicas: 1 }));
    await eventually(async () => exposed(budget));
    await pair.server.stop();
    await expect(budget.hold(askOf())).rejects.toMatchObject(UNAVAILABLE);
    await eventually(async () => expect(await budget.hold(askOf())).toMatchObject({ kind: 'held' }));
    await budget.shutdown();
  });
});

describe.skipIf(!redisAvailable)('a cluster of three', () => {
  let nodes: readonly RedisServer[] = [];
  let stop = async () => {};
  const place = () => ({ cluster: nodes.map(({ port }) => ({ host: '127.0.0.1', port })) });
  beforeAll(async () => {
    ({ nodes, stop } = await startCluster());
  });
  afterAll(() => stop());

  budgetContract('redis cluster', async () => redisHouse('redis://nobody.invalid', place()));

  test('all keys of a namespace lie on one node, and namespaces on several', async () => {
    for (const namespace of ['one', 'two', 'three', 'four', 'five', 'six']) {
      const budget = await openRedisBudget(redisOptions('redis://nobody.invalid', { ...place(), namespace }));
      await exposed(budget);
      await budget.shutdown();
    }
    const homes = new Map<string, Set<number>>();
    for (const { port } of nodes) {
      const admin = new Redis(port, '127.0.0.1');
      for (const key of await admin.keys('*')) {
        const namespace = key.slice(0, key.indexOf('}') + 1);
        homes.set(namespace, (homes.get(namespace) ?? new Set()).add(port));
      }
      admin.disconnect();
    }
    expect([...homes.values()].every((ports) => ports.size === 1)).toBe(true);
    expect(new Set([...homes.values()].flatMap((ports) => [...ports])).size).toBeGreaterThan(1);
  });

  test('an exposure waits for the replica of the node that has its keys, every time', {
    timeout: 60_000,
  }, async () => {
    const alone = await openRedisBudget(
      redisOptions('redis://nobody.invalid', { ...place(), namespace: 'copied', replicas: 1 }),
    );
    const request = askOf();
    await alone.hold(request);
    await expect(alone.expose(request.id, 60_000)).rejects.toMatchObject({ ...UNAVAILABLE, money: 'held' });
    const replicated = await replicate(nodes, '{copied}:clock');
    const lines = [lineOf({ budget: 'roomy', limitMicros: 1_000_000_000n })];
    await eventually(async () => exposed(alone, { lines }));
    for (let n = 0; n < 20; n += 1) await exposed(alone, { lines });
    await alone.shutdown();
    await replicated.stop();
  });

  test('a node that is gone is answered for in time, and comes back by itself', async () => {
    const budget = await openRedisBudget(redisOptions('redis://nobody.invalid', { ...place(), namespace: 'gone' }));
    await exposed(budget);
    for (const node of nodes) node.pause();
    const began = performance.now();
    await expect(budget.hold(askOf())).rejects.toMatchObject(UNAVAILABLE);
    expect(performance.now() - began).toBeLessThan(2_000);
    for (const node of nodes) node.resume();
    await eventually(async () => expect(await budget.hold(askOf())).toMatchObject({ kind: 'held' }));
    await budget.shutdown();
  });
});
