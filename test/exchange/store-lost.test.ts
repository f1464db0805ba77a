// Redis forgets what it had acknowledged: flushed, started again without its data or from an old copy, failed over to a
// replica that lagged, one key deleted or poisoned. The gateways notice, stop paying, bring everything back from their
// receipts, and go on; nobody types anything, and nobody spends twice.
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { WAIT } from '../support/agreement.ts';
import { Fleet, fleetSetup, ROOM } from '../support/fleet.ts';
import { openAtOnce } from '../support/stores.ts';

let shop: PaidShop;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  shop = await paidShop((response) => void response.end('the goods'));
  closing.push(() => shop.close());
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A Redis whose data can be lost in any way. */
class Losing {
  server: RedisServer;
  admin: Redis;
  readonly dir: string;

  private constructor(server: RedisServer, admin: Redis, dir: string) {
    this.server = server;
    this.admin = admin;
    this.dir = dir;
  }

  static async start(): Promise<Losing> {
    const dir = mkdtempSync(join(tmpdir(), 'purser-lost-'));
    const server = await startRedis({ dir });
    await openAtOnce(server.url);
    const made = new Losing(server, new Redis(server.url), dir);
    made.admin.on('error', () => {});
    closing.push(async () => {
      made.admin.disconnect();
      await made.server.stop();
      rmSync(dir, { recursive: true, force: true });
    });
    return made;
  }

  async startAgain(args: readonly string[] = []): Promise<void> {
    const { port } = this.server;
    await this.server.stop();
    this.server = await startRedis({ dir: this.dir, port, args });
  }

  /** Copies what it has on its disk, now. */
  async save(): Promise<void> {
    await this.admin.save();
    copyFileSync(join(this.dir, 'dump.rdb'), join(this.dir, 'old.rdb'));
  }

  async keyLike(part: string): Promise<string> {
    return vi.waitFor(async () => {
      const found = (await this.admin.keys('*')).find((key) => key.includes(part));
      if (!found) throw new Error(`no key has ${part}`);
      return found;
    }, WAIT);
  }
}

const LOSSES: { name: string; gateways: number; lose: (redis: Losing) => Promise<unknown> }[] = [
  { name: 'flushed', gateways: 1, lose: ({ admin }) => admin.flushall() },
  { name: 'flushed', gateways: 4, lose: ({ admin }) => admin.flushall() },
  { name: 'one counter deleted', gateways: 4, lose: async (redis) => redis.admin.del(await redis.keyLike(':l:')) },
  {
    name: 'one counter poisoned',
    gateways: 2,
    lose: async (redis) => redis.admin.hset(await redis.keyLike(':l:'), '0:s', 'nan'),
  },
  {
    name: 'one counter of another type',
    gateways: 1,
    lose: async (redis) => redis.admin.set(await redis.keyLike(':l:'), 'x'),
  },
  { name: 'its clock poisoned', gateways: 2, lose: ({ admin }) => admin.set('{purser}:clock', 'nan') },
  { name: 'its clock deleted', gateways: 1, lose: ({ admin }) => admin.del('{purser}:clock') },
  { name: 'its epoch deleted', gateways: 2, lose: ({ admin }) => admin.del('{purser}:epoch') },
  { name: 'its members poisoned', gateways: 2, lose: ({ admin }) => admin.set('{purser}:members', 'x') },
  {
    name: 'its open holds forgotten',
    gateways: 1,
    lose: async (redis) => redis.admin.del(await redis.keyLike(':open')),
  },
  { name: 'started again without its data', gateways: 4, lose: (redis) => redis.startAgain() },
];

describe.runIf(redisAvailable)('a Redis that is', () => {
  for (const { name, gateways, lose } of LOSSES) {
    test(`${name}, under ${gateways} gateways: brought back, spent to the cent and not more`, async () => {
      const redis = await Losing.start();
      const fleet = await Fleet.start(gateways, fleetSetup(shop, redis.server.url));
      closing.push(() => fleet.close());
      fleet.load(3);
      await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 4), WAIT);
      await lose(redis);
      await vi.waitFor(
        async () => expect(Number(await redis.admin.hget('{purser}:epoch', 'gen'))).toBeGreaterThan(1),
        WAIT,
      );
      await sleep(300);
      await fleet.calm();
      await fleet.spendAll();
      expect(shop.books).toHaveLength(ROOM);
      await fleet.expectExact(shop);
    }, 60_000);
  }

  test('started again from an old copy, under 4 gateways: the same', async () => {
    const redis = await Losing.start();
    const fleet = await Fleet.start(4, fleetSetup(shop, redis.server.url));
    closing.push(() => fleet.close());
    fleet.load(3);
    await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 6), WAIT);
    await redis.save();
    await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 2), WAIT);
    await redis.startAgain(['--dbfilename', 'old.rdb']);
    await sleep(500);
    await fleet.calm();
    await fleet.spendAll();
    expect(shop.books).toHaveLength(ROOM);
    await fleet.expectExact(shop);
  }, 60_000);

  test('a replica that lagged behind, promoted under 2 gateways: the same', async () => {
    const redis = await Losing.start();
    const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', `${redis.server.port}`] });
    closing.push(() => replica.stop());
    const link = await forwarder(() => current);
    let current = redis.server.port;
    closing.push(() => link.close());
    const fleet = await Fleet.start(2, fleetSetup(shop, `redis://127.0.0.1:${link.port}`));
    closing.push(() => fleet.close());
    fleet.load(3);
    await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 6), WAIT);
    const lagging = new Redis(replica.url);
    closing.push(() => lagging.disconnect());
    await vi.waitFor(async () => expect(await lagging.info('replication')).toContain('master_link_status:up'), WAIT);
    replica.pause();
    await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 2), WAIT);
    await redis.server.stop();
    replica.resume();
    await lagging.replicaof('NO', 'ONE');
    current = replica.port;
    link.cut();
    await sleep(500);
    await fleet.calm();
    await fleet.spendAll();
    expect(shop.books).toHaveLength(ROOM);
    await fleet.expectExact(shop);
  }, 60_000);
});

/** A port that always leads to the server in charge, as sentinels do; `cut` ends what is connected. */
async function forwarder(to: () => number) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = dial(to(), '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [near, far].map((one) => one.destroy()));
    }
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => [...sockets].map((socket) => socket.destroy());
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    close: () => {
      server.close();
      cut();
    },
  };
}
