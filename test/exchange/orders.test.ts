// Operators' orders by the command line while a gateway runs, and after it was killed: holds that a person resolves,
// and stops that outlive every process. On both stores, judged by the shop's own books and the budgets.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { run } from '../command/support.ts';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { buy, expectVerified, WAIT } from '../support/agreement.ts';
import { type GatewayProcess, type GatewaySetup, policy, spawnGateway, type TestGateway } from '../support/gateway.ts';
import { moneyOf } from '../support/stand.ts';
import { STORES, type TestStore } from '../support/stores.ts';
import { until } from '../threats/observables.ts';

interface Hold {
  readonly id: string;
  readonly service: string;
  readonly state: string;
  readonly redeemableUntil: string;
  readonly ending: { readonly code: string } | null;
}

for (const { name, available, open } of STORES) {
  describe.runIf(available)(name, () => {
    let store: TestStore;
    let shop: PaidShop;
    const closing: (() => unknown)[] = [];
    beforeEach(async () => {
      store = await open();
      closing.push(() => store.close());
      shop = await paidShop((response, { target }) => {
        response.writeHead(target.startsWith('/fails') ? 500 : 200).end('the goods');
      });
      closing.push(() => shop.close());
    });
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close();
    });

    async function start(setup: GatewaySetup): Promise<GatewayProcess> {
      const service = (id: string) => `\n  - { id: ${id}, upstream: "${shop.url}", allowPrivateNetwork: true }`;
      const gateway = await spawnGateway({
        policies: policy({ limit: '100.00 USD' }).replace('services: [shop]', 'services: [shop, other]'),
        env: store.env,
        folder: setup.folder ?? folder(),
        sections: {
          ...store.sections,
          services: service('shop') + service('other'),
          limits: '{ paymentSettle: 5s, diskReserve: 0B, unsettled: 1000 }',
          ...setup.sections,
        },
      });
      closing.push(() => gateway.kill());
      return gateway;
    }

    function folder(): string {
      const made = mkdtempSync(join(tmpdir(), 'purser-orders-'));
      closing.push(() => rmSync(made, { recursive: true, force: true }));
      return made;
    }

    const order = (gateway: TestGateway, ...args: string[]) =>
      run([...args, '--config', gateway.configFile], store.env);
    const listed = async (gateway: TestGateway): Promise<Hold[]> =>
      JSON.parse((await order(gateway, 'holds', 'list', '--json')).out).holds;

    test('one hold is settled, many are voided at once when no proof can be redeemed any more', async () => {
      const wallets = '\n  - { id: play, rail: sandbox, key: { file: sandbox.pem }, proofLifetime: 5s }';
      const gateway = await start({ sections: { wallets } });
      const failed = async (service: string, nth: number) => {
        const init = { headers: { 'idempotency-key': `${service}-${nth}` } };
        const answer = await gateway.ask(`/${service}/fails?${nth}`, init);
        return ((await answer.json()) as { code: string }).code;
      };
      for (const [service, nth] of [
        ['shop', 1],
        ['shop', 2],
        ['shop', 3],
        ['other', 4],
      ] as const) {
        expect(await failed(service, nth)).toBe('paid_not_delivered');
      }
      const holds = await listed(gateway);
      expect(holds.map(({ service, state, ending }) => [service, state, ending?.code])).toEqual(
        ['shop', 'shop', 'shop', 'other'].map((service) => [service, 'uncertain', 'paid_not_delivered']),
      );
      const [first, second, third, elsewhere] = holds.map(({ id }) => id) as [string, string, string, string];
      const because = ['--because', 'asked the shop'];
      const settled = await order(gateway, 'holds', 'resolve', first, '--as', 'settled', ...because);
      expect([settled.code, settled.err]).toEqual([0, '']);
      expect(await moneyOf(gateway)).toEqual({ settled: 20_000n, held: 60_000n });

      const many = ['holds', 'resolve', '--as', 'voided', ...because, '--service', 'shop', '--before'];
      const early = await order(gateway, ...many, '2100-01-01T00:00:00Z');
      if (Date.parse(holds[1]?.redeemableUntil ?? '') > Date.now()) {
        expect(early.code).toBe(1);
        expect(early.out).toMatch(/can be redeemed until/);
        expect(await moneyOf(gateway)).toEqual({ settled: 20_000n, held: 60_000n });
      }
      expect((await order(gateway, ...many, '2020-01-01T00:00:00Z')).code).toBe(1);
      await until(() => Date.now() > Date.parse(holds[3]?.redeemableUntil ?? ''));
      const voided = await order(gateway, ...many, '2100-01-01T00:00:00Z', '--json');
      expect([voided.code, voided.err]).toEqual([0, '']);
      const { results } = JSON.parse(voided.out) as { results: { hold: string; outcome: string }[] };
      expect(results.map(({ hold, outcome }) => [hold, outcome])).toEqual([second, third].map((id) => [id, 'voided']));
      expect((await listed(gateway)).map(({ id }) => id)).toEqual([elsewhere]);
      expect(await moneyOf(gateway)).toEqual({ settled: 20_000n, held: 20_000n });
      expect((await order(gateway, 'holds', 'resolve', second, '--as', 'settled', ...because)).code).toBe(1);

      const resolved = (await gateway.receipts()).filter(({ kind }) => kind === 'resolved');
      expect(resolved.map(({ hold, change }) => [hold?.id, change?.what, change?.because])).toEqual([
        [first, 'resolved as settled', 'asked the shop'],
        [second, 'resolved as voided', 'asked the shop'],
        [third, 'resolved as voided', 'asked the shop'],
      ]);
      // The purchases stand: neither key buys again.
      const bought = shop.books.length;
      expect([await failed('shop', 1), await failed('shop', 2)]).toEqual(['already_paid', 'paid_not_delivered']);
      expect(shop.books).toHaveLength(bought);
      await expectVerified(gateway);
    });

    test('stops forbid what they name, outlive a kill, and are lifted one by one', async () => {
      const state = folder();
      let gateway = await start({ folder: state });
      const others = store.gateways > 1 ? [await start({})] : [];
      const codes = async (...asked: [string, string][]) => {
        const seen = [];
        for (const [path, agent] of asked) {
          const answer = await gateway.ask(`${path}?${Math.random()}`, { agent });
          const text = await answer.text();
          seen.push(answer.ok ? 'paid' : (JSON.parse(text) as { code: string }).code);
        }
        return seen;
      };
      const all: [string, string][] = [
        ['/shop/x', 'buyer-1'],
        ['/other/x', 'buyer-1'],
        ['/shop/x', 'buyer-2'],
      ];
      expect(await codes(...all)).toEqual(['paid', 'paid', 'paid']);
      const stopped = await order(gateway, 'stop', '--agent', 'buyer-2', '--because', 'looks odd');
      expect([stopped.code, stopped.err]).toEqual([0, '']);
      expect((await order(gateway, 'stop', '--service', 'other', '--because', 'price jumped')).code).toBe(0);
      expect(await codes(...all)).toEqual(['paid', 'stopped', 'stopped']);
      for (const other of others) {
        expect(await buy(other, '/x', 'buyer-2')).toMatchObject({ status: 403, code: 'stopped' });
        expect(await buy(other, '/x', 'buyer-1')).toMatchObject({ status: 200 });
      }
      const taken = shop.books.length;

      await gateway.kill();
      const offline = await order(gateway, 'stop', '--all', '--because', 'incident');
      expect([offline.code, offline.err]).toEqual([0, '']);
      gateway = await start({ folder: state });
      expect(await codes(...all)).toEqual(['stopped', 'stopped', 'stopped']);
      expect(shop.books).toHaveLength(taken);
      const list = JSON.parse((await order(gateway, 'stop', 'list', '--json')).out) as { stops: { kind: string }[] };
      expect(list.stops.map(({ kind }) => kind).sort()).toEqual(['agent', 'all', 'service']);

      expect((await order(gateway, 'start', '--all')).code).toBe(0);
      expect(await codes(...all)).toEqual(['paid', 'stopped', 'stopped']);
      expect((await order(gateway, 'start', '--agent', 'buyer-1')).code).toBe(1);
      expect((await order(gateway, 'start', '--agent', 'buyer-2', '--because', 'explained')).code).toBe(0);
      expect(await codes(...all)).toEqual(['paid', 'stopped', 'paid']);
      await gateway.kill();
      gateway = await start({ folder: state });
      expect(await codes(...all)).toEqual(['paid', 'stopped', 'paid']);
      const orders = (await gateway.receipts()).filter(({ kind }) => kind === 'operator');
      expect(orders.map(({ change }) => [change?.what, change?.because])).toEqual([
        ['stop agent buyer-2', 'looks odd'],
        ['stop service other', 'price jumped'],
        ['stop all', 'incident'],
        ['start all', undefined],
        ['start agent buyer-2', 'explained'],
      ]);
      const whole = { settled: BigInt(shop.books.length) * 20_000n, held: 0n };
      await vi.waitFor(async () => expect(await moneyOf(gateway)).toEqual(whole), WAIT);
      await expectVerified(gateway);
    });
  });
}
