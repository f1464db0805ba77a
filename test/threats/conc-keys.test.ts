// What an Idempotency-Key may be and what it stands for: one request of one agent, within bounds. Judged by the shop's
// own books, the requests it read, and what the store holds, on both stores.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { WAIT } from '../support/agreement.ts';
import { type GatewaySetup, policy, sendRaw, startGateway, type TestGateway } from '../support/gateway.ts';
import { moneyOf } from '../support/stand.ts';
import { STORES, type TestStore } from '../support/stores.ts';
import { until } from './observables.ts';

let shop: PaidShop;
const closing: (() => unknown)[] = [];
beforeEach(async () => {
  shop = await paidShop((response, { target, body }) => {
    response.end(target === '/large' ? 'x'.repeat(16_384) : `sold ${target} for ${body}`);
  });
  closing.push(() => shop.close());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(upstream: string, setup: GatewaySetup = {}): Promise<TestGateway> {
  const gateway = await startGateway({ ...setup, upstream });
  closing.push(() => gateway.close());
  return gateway;
}

const keyed = (key: string, body: string, agent = 'buyer-1') => ({
  agent,
  method: 'POST',
  body,
  headers: { 'idempotency-key': key },
});

interface Told {
  readonly status: number;
  readonly text: string;
  readonly code: string | undefined;
  readonly receipt: string;
}

async function told(answering: Promise<Response>): Promise<Told> {
  const answer = await answering;
  const text = await answer.text();
  const problem = answer.headers.get('content-type') === 'application/problem+json';
  const code = problem ? (JSON.parse(text) as { code: string }).code : undefined;
  return { status: answer.status, text, code, receipt: answer.headers.get('purser-receipt') ?? '' };
}

for (const { name, available, open } of STORES) {
  describe.runIf(available)(name, () => {
    let store: TestStore;
    let gateways: TestGateway[];
    const policies = policy({ limit: '100.00 USD' }).replace('services: [shop]', 'services: [shop, other]');

    beforeEach(async () => {
      store = await open();
      closing.push(() => store.close());
      const service = (id: string) => `\n  - { id: ${id}, upstream: "${shop.url}", allowPrivateNetwork: true }`;
      const sections = { ...store.sections, services: service('shop') + service('other') };
      const setup = { policies, env: store.env, sections };
      gateways = await Promise.all(Array.from({ length: store.gateways }, () => start(shop.url, setup)));
    });

    /** The first and the last gateway of the store: the same one where it cannot be shared. */
    const ends = () => [gateways[0] as TestGateway, gateways.at(-1) as TestGateway] as const;

    test('CONC-07: a key with another body, path, service or method is refused at each gateway', async () => {
      const [here, there] = ends();
      expect(await told(here.ask('/shop/a', keyed('one', 'order')))).toMatchObject({ status: 200 });
      const read = shop.requests.length;
      for (const gateway of [here, there]) {
        for (const [path, init] of [
          ['/shop/a', keyed('one', 'another order')],
          ['/shop/b', keyed('one', 'order')],
          ['/shop/a?page=2', keyed('one', 'order')],
          ['/other/a', keyed('one', 'order')],
          ['/shop/a', { ...keyed('one', 'order'), method: 'PUT' }],
        ] as const) {
          const answer = await told(gateway.ask(path, init));
          expect(answer).toMatchObject({ status: 422, code: 'idempotency_mismatch' });
          expect(answer.text).not.toContain('sold');
        }
        const refused = (await gateway.receipts()).filter(({ kind }) => kind === 'refused');
        expect(refused.map(({ decision }) => decision?.code)).toEqual(Array(5).fill('idempotency_mismatch'));
        if (here === there) break;
      }
      expect(shop.requests).toHaveLength(read);
      expect(shop.books).toHaveLength(1);
      expect(await moneyOf(here)).toEqual({ settled: 20_000n, held: 0n });
    });

    test("CONC-07: with another agent's key an agent neither reads its answer nor learns of its purchase", async () => {
      const [here, there] = ends();
      const mine = await told(here.ask('/shop/a', keyed('shared', 'secret order')));
      const id = /^"([^"]+)"/.exec(mine.receipt)?.[1] ?? '';
      for (const gateway of [here, there]) {
        const page = await told(gateway.ask('/.purser/purchases?key=shared', { agent: 'buyer-2' }));
        expect(page.status).toBe(404);
        expect((await told(gateway.ask(`/.purser/receipts/${id}`, { agent: 'buyer-2' }))).status).toBe(404);
      }
      const theirs = await told(there.ask('/shop/a', keyed('shared', 'other order', 'buyer-2')));
      expect(theirs).toMatchObject({ status: 200, text: 'sold /a for other order' });
      expect(theirs.receipt).not.toMatch(/replayed/);
      expect(shop.books).toHaveLength(2);
      const sent = shop.requests.filter(({ paid }) => paid).map(({ headers }) => headers['idempotency-key']);
      expect(new Set(sent).size).toBe(2);
      expect((await told(here.ask('/shop/a', keyed('shared', 'secret order')))).text).toBe(mine.text);
      expect(await moneyOf(here)).toEqual({ settled: 40_000n, held: 0n });
    });

    test('CONC-07: a key is free after a refusal for the price, and once paid no new price matters', async () => {
      const [here, there] = ends();
      const init = keyed('priced', 'order');
      const poor = { ...init, headers: { ...init.headers, 'purser-max-price': '0.01 USD' } };
      expect(await told(here.ask('/shop/a', poor))).toMatchObject({ status: 403, code: 'over_max_price' });
      expect((await told(there.ask('/shop/a', init))).status).toBe(200);
      // The answer is out a moment before the store knows that its request has ended.
      const again = await vi.waitFor(async () => {
        const found = await told(there.ask('/shop/a', poor));
        expect(found).toMatchObject({ status: 200, text: 'sold /a for order' });
        return found;
      }, WAIT);
      expect(again.receipt).toMatch(/amount="0.020000";currency="USD";replayed$/);
      expect(shop.books).toHaveLength(1);
    });

    test('CONC-10: unreadable keys are refused before anything goes upstream, the longest one buys', async () => {
      const [gateway] = ends();
      const token = await gateway.token();
      const raw = (...lines: string[]) => {
        const head = [`GET /shop/a HTTP/1.1`, 'Host: gateway', `Purser-Token: ${token}`, 'Connection: close', ...lines];
        return sendRaw(gateway.agents, Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), 10_000);
      };
      const malformed = ['', 'k'.repeat(256), 'k'.repeat(10_000), 'two words', 'a\tb', 'schl\xfcssel', '\x80\xff'];
      for (const key of malformed) {
        const answer = await raw(`Idempotency-Key: ${key}`);
        expect(answer, key.slice(0, 20)).toMatch(/^HTTP\/1\.1 400 /);
        expect(answer).toContain('"code":"header_malformed"');
      }
      expect(await raw('Idempotency-Key: a', 'Idempotency-Key: b')).toContain('"code":"header_malformed"');
      // What is not HTTP at all, or is larger than any head may be, ends before it is read as a request.
      for (const key of ['a\x00b', 'a\x01b', 'a\rb', 'a\x7fb', 'k'.repeat(200_000)]) {
        expect(await raw(`Idempotency-Key: ${key}`)).toMatch(/^HTTP\/1\.1 4\d\d /);
      }
      expect(shop.requests).toEqual([]);
      expect(await raw(`Idempotency-Key: ${'k'.repeat(255)}`)).toMatch(/^HTTP\/1\.1 200 /);
      expect(shop.books).toHaveLength(1);
      expect(await moneyOf(gateway)).toEqual({ settled: 20_000n, held: 0n });
    });

    test('CONC-10: as many answers stay as limits.keptAnswers has room for; no other is bought again', async () => {
      const limits = '{ diskReserve: 0B, keptAnswers: 64KiB }';
      const one = await start(shop.url, { env: store.env, sections: { ...store.sections, limits } });
      const keys = Array.from({ length: 12 }, (_, n) => `kept-${n}`);
      for (const key of keys) expect((await told(one.ask('/shop/large', keyed(key, '')))).status).toBe(200);
      const again = await Promise.all(keys.map((key) => told(one.ask('/shop/large', keyed(key, '')))));
      expect([again[0]?.code, again.at(-1)?.status]).toEqual(['already_paid', 200]);
      const kept = again.filter(({ status }) => status === 200);
      expect(kept.length).toBeGreaterThan(0);
      expect(kept.length).toBeLessThanOrEqual(3);
      expect(again.filter(({ code }) => code === 'already_paid')).toHaveLength(keys.length - kept.length);
      expect(shop.books).toHaveLength(keys.length);
    });

    test('CONC-10: keys that buy nothing leave nothing in the store; each that bought has its day', async () => {
      const [gateway] = ends();
      expect((await told(gateway.ask('/shop/a', keyed('bought', '')))).status).toBe(200);
      await settled(gateway);
      const before = await claims(store, gateway);
      expect(before.forMs.length).toBeGreaterThan(0);
      for (const ms of before.forMs) {
        expect(ms).toBeGreaterThan(3_600_000);
        expect(ms).toBeLessThanOrEqual(DAY_MS);
      }
      const token = await gateway.token();
      const dear = async (n: number) => {
        const headers = { 'purser-token': token, 'idempotency-key': `key-${n}`, 'purser-max-price': '0.01 USD' };
        expect((await told(fetch(`${gateway.agents}/shop/a`, { headers }))).code).toBe('over_max_price');
      };
      for (let n = 0; n < 200; n += 20) await Promise.all(Array.from({ length: 20 }, (_, i) => dear(n + i)));
      expect((await claims(store, gateway)).rows).toBe(before.rows);
    });
  });
}

const DAY_MS = 86_400_000;

const settled = async (gateway: TestGateway) => {
  await until(async () => (await gateway.api<{ holds: unknown[] }>('holds')).holds.length === 0);
  await until(async () => (await gateway.receipts()).some(({ kind }) => kind === 'delivered'));
};

/** How much the store holds of holds and claims, and for how long it still keeps each claim. */
async function claims(store: TestStore, gateway: TestGateway): Promise<{ rows: number; forMs: number[] }> {
  if (store.redis === undefined) {
    const database = new DatabaseSync(join(gateway.folder, 'var', 'purser.sqlite'), { readOnly: true });
    const all = (sql: string) =>
      database
        .prepare(sql)
        .all()
        .map((row) => Number(row.value));
    const kept = all('SELECT forget AS value FROM budget_claims');
    const holds = all('SELECT 1 AS value FROM budget_holds');
    database.close();
    return { rows: kept.length + holds.length, forMs: kept.map((forget) => forget - Date.now()) };
  }
  const redis = new Redis(store.redis);
  const keys = (await redis.keys('*')).filter((key) => /:[ckph]:/.test(key));
  const forMs = await Promise.all(keys.filter((key) => !key.includes(':h:')).map((key) => redis.pttl(key)));
  redis.disconnect();
  return { rows: keys.length, forMs };
}
