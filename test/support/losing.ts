// Ways in which a Redis loses what it had acknowledged, for tests of what gateways make of it.

import { once } from 'node:events';
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, vi } from 'vitest';
import type { PaidShop } from '../fakes/paid-shop.ts';
import { type RedisServer, startRedis } from '../fakes/redis.ts';
import { type Fleet, PATIENT, ROOM } from './fleet.ts';
import { openAtOnce } from './stores.ts';

/** A Redis whose data can be lost in any way. */
export class Losing {
  server: RedisServer;
  admin: Redis;
  readonly dir: string;
  readonly #args: readonly string[];

  private constructor(server: RedisServer, admin: Redis, dir: string, args: readonly string[]) {
    this.server = server;
    this.admin = admin;
    this.dir = dir;
    this.#args = args;
  }

  /** With these settings; without any it writes nothing to its disk by itself. */
  static async start(args: readonly string[] = []): Promise<Losing> {
    const dir = mkdtempSync(join(tmpdir(), 'purser-lost-'));
    const server = await startRedis({ dir, args });
    await openAtOnce(server.url);
    const made = new Losing(server, new Redis(server.url), dir, args);
    made.admin.on('error', () => {});
    return made;
  }

  async stop(): Promise<void> {
    this.admin.disconnect();
    await this.server.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Killed, and started again from what its disk has. */
  startAgain(): Promise<void> {
    return this.#startFrom(() => {});
  }

  /** Copies what its disk has now, or what it is told to save where it saves nothing; answers how to go back to it. */
  async copy(): Promise<() => Promise<void>> {
    if (this.#args.length === 0) await this.admin.save();
    const old = mkdtempSync(join(tmpdir(), 'purser-old-'));
    cpSync(this.dir, old, { recursive: true });
    return () =>
      this.#startFrom(() => {
        rmSync(this.dir, { recursive: true });
        renameSync(old, this.dir);
      });
  }

  async #startFrom(change: () => void): Promise<void> {
    const { port } = this.server;
    await this.server.stop();
    change();
    this.server = await startRedis({ dir: this.dir, port, args: this.#args });
  }

  async keyLike(part: string): Promise<string> {
    return vi.waitFor(async () => {
      const found = (await this.admin.keys('*')).find((key) => key.includes(part));
      if (!found) throw new Error(`no key has ${part}`);
      return found;
    }, PATIENT);
  }
}

/** One way to lose. */
export interface Loss {
  readonly name: string;
  readonly gateways: number;
  readonly lose: (redis: Losing) => Promise<unknown>;
}

/** What can be lost at once, and under how many gateways that is tried. */
export const LOSSES: readonly Loss[] = [
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

/** A port that always leads to the server in charge, as sentinels do; `cut` ends what is connected. */
export async function forwarder(to: () => number) {
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

/** Loads a fleet, lets its Redis lose something, and spends the rest of the budget. */
export async function spentWithin(
  loss: Pick<Loss, 'lose'>,
  redis: Losing,
  fleet: Fleet,
  shop: PaidShop,
): Promise<void> {
  fleet.load(3);
  await vi.waitFor(() => expect(shop.books.length).toBeGreaterThan(ROOM / 4), PATIENT);
  await loss.lose(redis);
  await vi.waitFor(
    async () => expect(Number(await redis.admin.hget('{purser}:epoch', 'gen'))).toBeGreaterThan(1),
    PATIENT,
  );
  await sleep(300);
  await fleet.calm();
  await fleet.spendAll();
  expect(shop.books).toHaveLength(ROOM);
  await fleet.expectExact(shop);
}
