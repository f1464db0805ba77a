// What happens to purchases under way when their agent leaves, or when their budget is lowered: each comes to its one
// end, by its outcome and not by the socket or the new limit. On both stores, judged by the shop's own books.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop, type ShopRequest } from '../fakes/paid-shop.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { moneyOf } from '../support/stand.ts';
import { STORES, type TestStore } from '../support/stores.ts';
import { command, receiptOf, until } from './observables.ts';

const WAIT = { timeout: 20_000, interval: 10 };
const LIMITS = '{ paymentSettle: 20s, diskReserve: 0B, unsettled: 1000 }';

for (const { name, available, open } of STORES) {
  describe.runIf(available)(name, () => {
    let store: TestStore;
    const closing: (() => unknown)[] = [];
    beforeEach(async () => {
      store = await open();
      closing.push(() => store.close());
    });
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close();
    });

    /** A gateway before a shop that waits for the gates `head` and `rest` of each path. */
    async function gated() {
      const gates = new Map<string, PromiseWithResolvers<void>>();
      const gate = (of: string) => {
        const found = gates.get(of) ?? Promise.withResolvers<void>();
        gates.set(of, found);
        return found;
      };
      const shop = await paidShop(async (response, { target }) => {
        if (target === '/paid' || target.startsWith('/flight')) await gate(`${target} head`).promise;
        if (target === '/delivery') {
          response.write('first ');
          await gate('/delivery rest').promise;
          return void response.end('the goods');
        }
        const fails = ['/flight-4', '/flight-5'].includes(target);
        response.writeHead(fails ? 500 : 200).end('the goods');
      });
      closing.push(() => shop.close());
      const wallets = '\n  - { id: play, rail: sandbox, key: { file: sandbox.pem }, proofLifetime: 5s }';
      const sections = { ...store.sections, limits: LIMITS, wallets };
      const policies = policy({ limit: '100.00 USD' });
      const gateway = await startGateway({ upstream: shop.url, policies, env: store.env, sections });
      closing.push(() => gateway.close());
      return { shop, gateway, gate };
    }

    /** Asks with its path as key, and leaves when told to. */
    function leaving(gateway: TestGateway, path: string, key = path) {
      const leave = new AbortController();
      const headers = { 'idempotency-key': key };
      const head = gateway.ask(`/shop${path}`, { headers, signal: leave.signal });
      const body = head.then((one) => one.text());
      for (const promise of [head, body]) promise.catch(() => {});
      return { head, leave: () => leave.abort() };
    }

    /** Once it has ended: the retry with the same key. */
    function retried(gateway: TestGateway, path: string, key = path): Promise<Response> {
      return until(async () => {
        const again = await gateway.ask(`/shop${path}`, { headers: { 'idempotency-key': key } });
        return again.status !== 409 && again.status !== 503 && again;
      });
    }

    const paidOnce = (shop: PaidShop, target: string) => () => {
      expect(proofs(shop.requests, target)).toBe(1);
    };

    test('CONC-11: left while it is recorded, after it was paid, and in mid-answer: one payment each', async () => {
      const { shop, gateway, gate } = await gated();
      const disk = new DatabaseSync(join(gateway.folder, 'var', 'purser.sqlite'), { timeout: 5_000 });
      const early = leaving(gateway, '/reserve');
      await vi.waitFor(() => expect(shop.requests).toHaveLength(1), WAIT);
      // From here on the step that is due waits for its disk, on either side of the hold.
      disk.exec('BEGIN IMMEDIATE');
      await sleep(100);
      early.leave();
      await sleep(50);
      disk.exec('COMMIT');
      disk.close();
      const first = await retried(gateway, '/reserve');
      expect(await first.text()).toBe('the goods');
      expect(proofs(shop.requests, '/reserve')).toBe(1);

      const paid = leaving(gateway, '/paid');
      await vi.waitFor(paidOnce(shop, '/paid'), WAIT);
      paid.leave();
      gate('/paid head').resolve();
      const cut = leaving(gateway, '/delivery');
      await cut.head;
      cut.leave();
      gate('/delivery rest').resolve();
      for (const [path, text] of [
        ['/paid', 'the goods'],
        ['/delivery', 'first the goods'],
      ] as const) {
        const again = await retried(gateway, path);
        expect(again.headers.get('purser-receipt')).toMatch(/;state=settled;.*;replayed$/);
        expect(await again.text()).toBe(text);
        const sealed = (await gateway.receipts()).filter(({ request }) => request?.path === path);
        expect(sealed.map(({ kind }) => kind).slice(0, 3)).toEqual(['intended', 'settled', 'delivered']);
        expect(receiptOf(again)).toBe(sealed[1]?.id);
        expect(proofs(shop.requests, path)).toBe(1);
      }
      expect(shop.books).toHaveLength(3);
      await vi.waitFor(async () => expect(await moneyOf(gateway)).toEqual({ settled: 60_000n, held: 0n }), WAIT);
    });

    test('CONC-11: sixty agents leave at any moment and ask again with their key: one payment each', async () => {
      const { shop, gateway } = await gated();
      const ids = Array.from({ length: 60 }, (_, n) => `/any-${n}`);
      await Promise.all(
        ids.map(async (path) => {
          const { leave } = leaving(gateway, path);
          await sleep(Math.random() * 400);
          leave();
        }),
      );
      for (const path of ids) {
        const again = await retried(gateway, path);
        expect([again.status, await again.text()]).toEqual([200, 'the goods']);
      }
      expect(shop.books).toHaveLength(60);
      expect(ids.map((path) => proofs(shop.requests, path)).filter((count) => count !== 1)).toEqual([]);
      await vi.waitFor(async () => {
        expect(await gateway.api('holds')).toMatchObject({ holds: [] });
        expect(await moneyOf(gateway)).toEqual({ settled: 1_200_000n, held: 0n });
      }, WAIT);
    });

    test('CONC-15: a limit lowered below what is in flight stops new holds only; what runs ends', async () => {
      const { shop, gateway, gate } = await gated();
      const flight = Array.from({ length: 6 }, (_, n) => gateway.ask(`/shop/flight-${n}`));
      await vi.waitFor(() => expect(shop.books).toHaveLength(6), WAIT);
      const { version } = await gateway.api<{ version: string }>('policy');
      writeFileSync(join(gateway.folder, 'policies', 'policy.yaml'), policy({ limit: '0.10 USD' }));
      await until(async () => (await gateway.api<{ version: string }>('policy')).version !== version);

      const line = async () =>
        (await gateway.api<{ budgets: { scopes: object[] }[] }>('budgets')).budgets[0]?.scopes[0];
      const refused = async (settled: string, held: string) => {
        const numbers = { limit: '0.100000', settled, held };
        const no = await gateway.ask('/shop/more');
        expect(await no.json()).toMatchObject({
          code: 'budget_exceeded',
          budget: 'purse',
          asked: '0.020000',
          ...numbers,
        });
        expect(await line()).toMatchObject({ ...numbers, left: '0.000000' });
      };
      await refused('0.000000', '0.120000');
      for (let n = 0; n < 6; n += 1) gate(`/flight-${n} head`).resolve();
      const answers = await Promise.all(flight);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 424, 424]);
      await until(async () => (await moneyOf(gateway)).held === 40_000n);
      await refused('0.080000', '0.040000');

      const resolve = ['holds', 'resolve', '--as', 'voided', '--because', 'not in the books', '--service', 'shop'];
      const voided = () => command([...resolve, '--before', '2100-01-01T00:00:00Z', '--config', gateway.configFile]);
      await until(async () => {
        await voided();
        return (await gateway.api<{ holds: unknown[] }>('holds')).holds.length === 0;
      });
      expect(await line()).toMatchObject({ settled: '0.080000', held: '0.000000', left: '0.020000', payments: 4 });
      expect(await (await gateway.ask('/shop/more')).text()).toBe('the goods');
      await refused('0.100000', '0.000000');
      expect(shop.books).toHaveLength(7);
    });
  });
}

const proofs = (requests: readonly ShopRequest[], target: string): number =>
  requests.filter((request) => request.paid && request.target === target).length;
