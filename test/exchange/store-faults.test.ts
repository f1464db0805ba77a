// What becomes of a running gateway whose Redis is gone, hangs, is slow and comes back: no money moves without it, and
// everything mends by itself. Judged by the shop's own books, the budgets, and what was sealed.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { buy, expectAgreement, expectVerified, kindsOf, WAIT } from '../support/agreement.ts';
import {
  freePort,
  type GatewayProcess,
  type GatewaySetup,
  policy,
  spawnGateway,
  startGateway,
  type TestGateway,
} from '../support/gateway.ts';
import { onRedis } from '../support/stores.ts';
import { purser } from '../threats/observables.ts';

const LIMITS = '{ paymentSettle: 20s, diskReserve: 0B, unsettled: 1000 }';

let shop: PaidShop;
/** What the paths that begin with /wait wait for before the goods are handed over. */
let goods: PromiseWithResolvers<void>;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  goods = Promise.withResolvers();
  shop = await paidShop(async (response, { target }) => {
    if (target.startsWith('/wait')) await goods.promise;
    response.end('the goods');
  });
  closing.push(() => shop.close());
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'purser-faults-'));
  closing.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const setupOf = (setup: GatewaySetup = {}): GatewaySetup => ({
  upstream: shop.url,
  policies: policy({ limit: '1000.00 USD' }),
  ...setup,
  sections: { limits: LIMITS, ...setup.sections },
});

async function start(setup: GatewaySetup = {}): Promise<TestGateway> {
  const gateway = await startGateway(setupOf(setup));
  closing.push(() => gateway.close());
  return gateway;
}

async function spawned(setup: GatewaySetup = {}): Promise<GatewayProcess> {
  const gateway = await spawnGateway(setupOf(setup));
  closing.push(() => gateway.kill());
  return gateway;
}

/** Buys until it works again, without help; whatever comes before is a refusal that moved nothing. */
async function recovers(gateway: TestGateway): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const taken = shop.books.length;
    const { status, code } = await buy(gateway);
    if (status === 200) return;
    expect([code, shop.books.length, tries < 300]).toEqual(['store_unavailable', taken, true]);
    await sleep(50);
  }
}

const UNAVAILABLE = { status: 503, code: 'store_unavailable', state: 'refused' };

describe.runIf(redisAvailable)('Redis', () => {
  let redis: RedisServer;
  let data: string;
  /** Writes everything down before it answers, so that a kill loses nothing. */
  const serve = (port?: number) =>
    startRedis({
      dir: data,
      args: ['--appendonly', 'yes', '--appendfsync', 'always'],
      ...(port === undefined ? {} : { port }),
    });

  beforeEach(async () => {
    data = folder();
    redis = await serve();
    closing.push(() => redis.stop());
  });

  test('gone before a purchase: 503 and no money, own pages go on, and it mends by itself', async () => {
    const gateway = await start(onRedis(redis.url));
    expect((await buy(gateway)).status).toBe(200);
    await redis.stop();
    for (let n = 0; n < 10; n += 1) {
      const refused = await buy(gateway);
      expect(refused).toMatchObject(UNAVAILABLE);
      expect(Number(refused.retryAfter)).toBeGreaterThanOrEqual(1);
    }
    expect(shop.books).toHaveLength(1);
    expect((await gateway.ask('/.purser/services')).status).toBe(200);
    expect((await fetch(`${gateway.operators}/readyz`)).status).toBe(200);
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`${gateway.operators}/metrics`)).text();
      expect(metrics).toContain('purser_can_pay{reason="store"} 0\n');
      const ready = await (await fetch(`${gateway.operators}/readyz`)).json();
      expect(ready).toMatchObject({ ledger: 'ok', store: 'does not answer' });
    }, WAIT);
    redis = await serve(redis.port);
    await recovers(gateway);
    await expectAgreement(gateway, shop);
    const refused = (await gateway.receipts()).filter(({ kind }) => kind === 'refused');
    expect(refused.length).toBeGreaterThanOrEqual(10);
    await expectVerified(gateway);
  });

  test('killed and started again under load: settled is what the shop took, and nothing stays held', async () => {
    const gateway = await start(onRedis(redis.url));
    const ends: Record<string, number> = {};
    let going = true;
    const agents = Array.from({ length: 12 }, async () => {
      while (going) {
        const { status, state, code } = await buy(gateway);
        const end = code ?? `${status} ${state}`;
        ends[end] = (ends[end] ?? 0) + 1;
      }
    });
    for (let round = 0; round < 3; round += 1) {
      await sleep(200 + Math.random() * 300);
      await redis.stop();
      await sleep(150);
      redis = await serve(redis.port);
    }
    going = false;
    await Promise.all(agents);
    const { '200 settled': settled = 0, '200 pending': pending = 0, store_unavailable = 0, ...others } = ends;
    expect(others).toEqual({});
    expect(store_unavailable).toBeGreaterThan(0);
    expect(shop.books).toHaveLength(settled + pending);
    await recovers(gateway);
    await expectAgreement(gateway, shop);
    await expectVerified(gateway);
  });

  test('hanging: each refusal comes within its time, and what was asked of it is given back', async () => {
    const gateway = await start(onRedis(redis.url));
    const lasting = async (requests: number) => {
      const began = performance.now();
      for (let n = 0; n < requests; n += 1) await buy(gateway);
      return performance.now() - began;
    };
    const baseline = await lasting(20);
    const settled = shop.books.length;
    redis.pause();
    expect(await buy(gateway)).toMatchObject(UNAVAILABLE);
    const took = await lasting(20);
    expect(took).toBeLessThan(20 * 250 + 2 * baseline + 1_000);
    const parallel = await Promise.all(Array.from({ length: 20 }, () => buy(gateway)));
    for (const one of parallel) expect(one).toMatchObject(UNAVAILABLE);
    expect(shop.books).toHaveLength(settled);
    redis.resume();
    await recovers(gateway);
    await expectAgreement(gateway, shop);
  });

  test('slow: refused without a payment while it is too slow, bought while it is only slow', async () => {
    const link = await delayed(redis.port);
    closing.push(() => link.close());
    const gateway = await start(onRedis(`redis://127.0.0.1:${link.port}`));
    link.delay(20);
    await recovers(gateway);
    const settled = shop.books.length;
    link.delay(600);
    for (let n = 0; n < 5; n += 1) expect(await buy(gateway)).toMatchObject(UNAVAILABLE);
    expect(shop.books).toHaveLength(settled);
    link.delay(0);
    await recovers(gateway);
    await expectAgreement(gateway, shop);
  });

  for (const { how, lose, bring } of [
    { how: 'hanging', lose: () => redis.pause(), bring: () => redis.resume() },
    {
      how: 'gone',
      lose: () => redis.stop(),
      bring: async () => {
        redis = await serve(redis.port);
      },
    },
  ]) {
    test(`${how} between intended and settled: relayed as pending, settled when it is back`, async () => {
      const gateway = await start(onRedis(redis.url));
      const bought = buy(gateway, '/wait');
      await vi.waitFor(() => expect(shop.books).toHaveLength(1), WAIT);
      await lose();
      goods.resolve();
      expect(await bought).toMatchObject({ status: 200, text: 'the goods', state: 'pending' });
      await bring();
      await expectAgreement(gateway, shop);
      await vi.waitFor(async () => {
        expect(await kindsOf(gateway, '/wait')).toEqual(['intended', 'settled', 'delivered']);
      }, WAIT);
      await recovers(gateway);
      await expectAgreement(gateway, shop);
    });
  }

  test('gone between intended and settled, then the gateway killed: the seal is applied at its start', async () => {
    const setup = { ...onRedis(redis.url), folder: folder() };
    const first = await spawned(setup);
    const bought = buy(first, '/wait');
    await vi.waitFor(() => expect(shop.books).toHaveLength(1), WAIT);
    await redis.stop();
    goods.resolve();
    expect(await bought).toMatchObject({ status: 200, state: 'pending' });
    await first.kill();
    redis = await serve(redis.port);
    const second = await spawned(setup);
    await expectAgreement(second, shop);
    expect(await kindsOf(second, '/wait')).toContain('settled');
    await expectVerified(second);
  });

  test('not there when the gateway starts: exit 1 with the reason; with it back the gateway starts', async () => {
    const setup = { ...onRedis(redis.url), folder: folder() };
    const gateway = await start(setup);
    expect((await buy(gateway)).status).toBe(200);
    await gateway.close();
    await redis.stop();
    const { code, out, err } = await purser(['serve', '--config', gateway.configFile], setup.env);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^purser: .*Redis cannot be used for budgets: no answer within 5 s/);
    redis = await serve(redis.port);
    await expectAgreement(await start(setup), shop);
  });

  test('a gateway with another key of claims does not start: a repeat at it would not be known', async () => {
    await start(onRedis(redis.url));
    const { configFile, close } = await start({ ...onRedis(redis.url), folder: folder() });
    await close();
    const { code, err } = await purser(['serve', '--config', configFile], { SHARED_KEY: 'cd'.repeat(32) });
    expect([code, err]).toEqual([1, expect.stringContaining('the key of claims (budgets.redis.key) is another one')]);
  });
});

/** A connection to Redis whose replies come late. */
async function delayed(to: number) {
  let ms = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = dial(to, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [near, far].map((one) => one.destroy()));
    }
    let turn: Promise<unknown> = Promise.resolve();
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      const due = sleep(ms);
      turn = turn.then(() => due).then(() => near.writable && near.write(bytes));
    });
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    delay: (by: number) => {
      ms = by;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
