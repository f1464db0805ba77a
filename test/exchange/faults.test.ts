// What breaks under a running gateway: the budget store gone, hanging, slow and back again, the log's disk gone in
// mid-purchase. No money moves without a durable place for the decision, and everything mends by itself. Judged by the
// shop's own books, the budgets, and what was sealed.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import {
  freePort,
  type GatewayProcess,
  type GatewaySetup,
  policy,
  spawnGateway,
  startGateway,
  type TestGateway,
} from '../support/gateway.ts';
import { moneyOf } from '../support/stand.ts';
import { onRedis } from '../support/stores.ts';
import { command, purser } from '../threats/observables.ts';

const WAIT = { timeout: 20_000, interval: 20 };
const LIMITS = '{ paymentSettle: 20s, diskReserve: 0B, unsettled: 1000 }';
const PRICE = 20_000n;

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

let asked = 0;
async function buy(gateway: TestGateway, path = '/x') {
  asked += 1;
  const answer = await gateway.ask(`/shop${path}?${asked}`);
  const text = await answer.text();
  const state = /;state=(\w+)/.exec(answer.headers.get('purser-receipt') ?? '')?.[1];
  const code = answer.ok ? undefined : (JSON.parse(text) as { code: string }).code;
  return { status: answer.status, text, state, code, retryAfter: answer.headers.get('retry-after') };
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

/** Settled is what the shop took, to the cent, and nothing is held any more. */
async function expectAgreement(gateway: TestGateway): Promise<void> {
  await vi.waitFor(async () => {
    expect(await moneyOf(gateway)).toEqual({ settled: BigInt(shop.books.length) * PRICE, held: 0n });
    expect(await gateway.api('holds')).toEqual({ holds: [] });
  }, WAIT);
}

const kindsOf = async (gateway: TestGateway, path: string) =>
  (await gateway.receipts()).filter(({ request }) => request?.path === path).map(({ kind }) => kind);

const verified = async ({ configFile }: TestGateway) =>
  expect(await command(['receipts', 'verify', '--config', configFile])).toMatchObject({ code: 0 });

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

  test('gone before a purchase: 503 and no money, free answers go on, and it mends by itself', async () => {
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
    expect(await (await fetch(`${gateway.operators}/metrics`)).text()).toMatch(/^purser_can_pay\{[^}]*\} 0$/m);
    redis = await serve(redis.port);
    await recovers(gateway);
    await expectAgreement(gateway);
    const refused = (await gateway.receipts()).filter(({ kind }) => kind === 'refused');
    expect(refused.length).toBeGreaterThanOrEqual(10);
    await verified(gateway);
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
    await expectAgreement(gateway);
    await verified(gateway);
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
    await expectAgreement(gateway);
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
    await expectAgreement(gateway);
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
      await expectAgreement(gateway);
      await vi.waitFor(async () => {
        expect(await kindsOf(gateway, '/wait')).toEqual(['intended', 'settled', 'delivered']);
      }, WAIT);
      await recovers(gateway);
      await expectAgreement(gateway);
    });
  }

  test('gone between intended and settled, and the gateway killed: the sealed outcome is applied at its start', async () => {
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
    await expectAgreement(second);
    expect(await kindsOf(second, '/wait')).toContain('settled');
    await verified(second);
  });

  test('not there when the gateway starts: exit 1 with the reason, and nothing listens', async () => {
    const { url } = redis;
    await redis.stop();
    const state = folder();
    const failed = await spawnGateway(setupOf({ ...onRedis(url), folder: state })).catch(
      (error: Error) => error.message,
    );
    expect(failed).toMatch(/the gateway did not start:\n.*Redis/);
    const { code, out, err } = await purser(['serve', '--config', join(state, 'config.yaml')], onRedis(url).env);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^purser: .*Redis/);
    redis = await serve(redis.port);
    await expectAgreement(await spawned({ ...onRedis(url), folder: state }));
  });
});

const canLimit = spawnSync('prlimit', ['--version']).status === 0;

describe.runIf(canLimit)('the log cannot be written any more', () => {
  const fileSize = (gateway: GatewayProcess, most: string) =>
    execFileSync('prlimit', ['--pid', `${gateway.child.pid}`, `--fsize=${most}:`]);

  test('after intended: relayed as pending, sealed and settled when it can be written again', async () => {
    const gateway = await spawned();
    const bought = buy(gateway, '/wait');
    await vi.waitFor(() => expect(shop.books).toHaveLength(1), WAIT);
    fileSize(gateway, '0');
    goods.resolve();
    expect(await bought).toMatchObject({ status: 200, text: 'the goods', state: 'pending' });
    expect(await buy(gateway)).toMatchObject({ status: 503, code: 'ledger_unavailable' });
    expect(shop.books).toHaveLength(1);
    fileSize(gateway, 'unlimited');
    await expectAgreement(gateway);
    await vi.waitFor(async () => {
      expect(await kindsOf(gateway, '/wait')).toEqual(['intended', 'settled', 'delivered']);
      expect((await buy(gateway)).status).toBe(200);
    }, WAIT);
    await verified(gateway);
  });

  test('after intended, and the gateway killed: the purchase is uncertain, held, and told so to its repeat', async () => {
    const state = folder();
    const first = await spawned({ folder: state });
    const keyed = { headers: { 'idempotency-key': 'k' } };
    const bought = first.ask('/shop/wait', keyed).then((answer) => answer.headers.get('purser-receipt'));
    await vi.waitFor(() => expect(shop.books).toHaveLength(1), WAIT);
    fileSize(first, '0');
    goods.resolve();
    expect(await bought).toMatch(/;state=pending;/);
    await first.kill();
    const second = await spawned({ folder: state });
    expect(await moneyOf(second)).toEqual({ settled: 0n, held: PRICE });
    expect(await kindsOf(second, '/wait')).toEqual(['intended', 'uncertain']);
    expect(await (await second.ask('/shop/wait', keyed)).json()).toMatchObject({ code: 'payment_uncertain' });
    expect(shop.books).toHaveLength(1);
    await verified(second);
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
