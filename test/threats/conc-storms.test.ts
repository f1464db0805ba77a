// Many at once: two hundred agents for one slot under nested budgets, one agent that retries without end, one key used
// by fifty requests. Judged by the shop's own books and the budgets, on both stores.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { sandboxMerchant } from '../../src/demo/merchant.ts';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { type GatewaySetup, policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { race } from '../support/one-slot.ts';
import { moneyOf } from '../support/stand.ts';
import { STORES, type TestStore } from '../support/stores.ts';
import { summed } from './observables.ts';

const AGENTS = Array.from({ length: 200 }, (_, n) => `buyer-${n}`);
const WAIT = { timeout: 20_000, interval: 20 };

/** Five levels; only the last, which guards them all, has a single slot left beside the one that is bought first. */
const NESTED = `agents:
${AGENTS.map((id, n) => `  - { id: ${id}, owner: dana@example.com, team: team-${n % 10} }`).join('\n')}
budgets:
  - { id: own, limit: 1.00 USD, window: day, per: agent }
  - { id: team, limit: 10.00 USD, window: week, per: team }
  - { id: route, limit: 10.00 USD, payments: 100, window: "total", per: [service, team] }
  - { id: recipient, limit: 10.00 USD, rolling: 24h, per: payee }
  - { id: org, limit: 0.05 USD, window: month, per: all }
entitlements:
  - id: everybody-buys
    agents: { id: "buyer-*" }
    services: [shop]
    assets: [usd.sandbox]
    payees: [acme]
    ceiling: 1.00 USD
    budgets: [own, team, route, recipient]
guardrails:
  budgets: [org]
`;

interface Budgets {
  readonly budgets: readonly { id: string; scopes: readonly { settled: string; held: string; payments: number }[] }[];
}

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

    async function start(shop: { url: string }, setup: GatewaySetup = {}): Promise<TestGateway> {
      const sections = { ...setup.sections, ...store.sections };
      const gateway = await startGateway({ ...setup, upstream: shop.url, env: store.env, sections });
      closing.push(() => gateway.close());
      return gateway;
    }

    async function opened(goods: Parameters<typeof paidShop>[0]): Promise<PaidShop> {
      const shop = await paidShop(goods);
      closing.push(() => shop.close());
      return shop;
    }

    test('CONC-04: of two hundred agents under nested budgets one wins; no level keeps a part of another', async () => {
      const goods = { kind: 'json', body: { x: 1 } } as const;
      const shop = await sandboxMerchant({ routes: [{ method: 'GET', path: '/v1/x', price: '2', goods }] });
      closing.push(() => shop.close());
      const starts = Array.from({ length: store.gateways }, () => start(shop, { policies: NESTED }));
      const gateways = await Promise.all(starts);
      expect((await gateways[0]?.ask('/shop/v1/x', { agent: 'buyer-7' }))?.status).toBe(200);
      const options = { requests: AGENTS.length, path: '/shop/v1/x', agents: AGENTS };
      expect(await race(gateways, shop, options)).toEqual({
        paid: 1,
        taken: 1,
        refused: AGENTS.length - 1,
        others: {},
      });
      await vi.waitFor(async () => expect(await gateways[0]?.api('holds')).toMatchObject({ holds: [] }), WAIT);
      const levels = await gateways[0]?.api<Budgets>('budgets');
      const sums = levels?.budgets.map(({ id, scopes }) => ({
        id,
        settled: scopes.reduce((sum, { settled }) => sum + Math.round(Number(settled) * 100), 0),
        held: scopes.filter(({ held }) => held !== '0.000000'),
        payments: scopes.reduce((sum, { payments }) => sum + payments, 0),
      }));
      const all = ['own', 'team', 'route', 'recipient', 'org'];
      expect(sums).toEqual(all.map((id) => ({ id, settled: 4, held: [], payments: 2 })));
    });

    test('CONC-05: five hundred retries without a key stay within the budget; the rest is recorded', async () => {
      const shop = await opened((response) => void response.end('the goods'));
      const folder = mkdtempSync(join(tmpdir(), 'purser-storm-'));
      closing.push(() => rmSync(folder, { recursive: true, force: true }));
      const setup = {
        folder,
        policies: policy({ limit: '10.00 USD', payments: 5, window: 'rolling: 1h' }),
        sections: { limits: '{ refusals: 50/h, diskReserve: 0B }' },
      };
      const gateway = await start(shop, setup);
      const codes = await storm(gateway, 500);
      const { 200: paid = 0, budget_exceeded = 0, slow_down = 0, store_unavailable = 0, ...others } = codes;
      expect({ paid, others }).toEqual({ paid: 5, others: {} });
      expect(shop.books).toHaveLength(5);
      expect(budget_exceeded + slow_down + store_unavailable).toBe(495);
      expect(slow_down).toBeGreaterThan(300);
      expect(await moneyOf(gateway)).toEqual({ settled: 100_000n, held: 0n });
      await gateway.close();
      const receipts = await (await start(shop, setup)).receipts();
      const refused = receipts.filter(({ kind }) => kind === 'refused');
      const counted = Object.values(summed(receipts)).reduce((sum, count) => sum + count, 0);
      expect(refused.length + counted).toBe(495);
      const judged = refused.find(({ decision }) => decision?.code === 'budget_exceeded')?.decision?.checks.at(-1);
      expect(judged).toMatchObject({ check: 'budget purse', outcome: 'failed' });
    });

    test('CONC-05: retries of a purchase that failed after its payment pay once, and the pair is paused', async () => {
      const shop = await opened((response) => void response.writeHead(500).end());
      const limits = '{ refusals: 1000/m, diskReserve: 0B, unsettled: 3 }';
      const gateway = await start(shop, { sections: { limits } });
      expect(await (await gateway.ask('/shop/x')).json()).toMatchObject({ code: 'paid_not_delivered' });
      const { paid_not_delivered = 0, store_unavailable = 0, ...others } = await storm(gateway, 300);
      expect({ all: paid_not_delivered + store_unavailable, others }).toEqual({ all: 300, others: {} });
      expect(shop.books).toHaveLength(1);
      for (const path of ['/shop/x?2', '/shop/x?3']) expect((await gateway.ask(path)).status).toBe(424);
      const paused = (await (await gateway.ask('/shop/x?4')).json()) as { code: string; receipt: string };
      expect(paused.code).toBe('service_paused');
      expect(shop.books).toHaveLength(3);
      expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 60_000n });
      expect((await gateway.receipts()).at(-1)).toMatchObject({ id: paused.receipt, decision: { code: paused.code } });
    });

    test('CONC-06: fifty parallel requests with one key are one payment, at whatever gateway they arrive', async () => {
      const sold = Promise.withResolvers<void>();
      const shop = await opened(async (response) => {
        await sold.promise;
        response.end('the goods');
      });
      const gateways = await Promise.all(Array.from({ length: store.gateways }, () => start(shop)));
      let told = 0;
      const one = async (n: number) => {
        const gateway = gateways[n % gateways.length] as TestGateway;
        const init = { method: 'POST', body: 'the order', headers: { 'idempotency-key': 'order-4711' } };
        for (;;) {
          const answer = await gateway.ask('/shop/x', init);
          const text = await answer.text();
          if (answer.status === 503) continue;
          if (answer.status === 200) return text;
          told += 1;
          if (told === 49) sold.resolve();
          return (JSON.parse(text) as { code: string }).code;
        }
      };
      const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => one(n)));
      expect(answers.filter((text) => text === 'the goods')).toHaveLength(1);
      expect(answers.filter((text) => text === 'in_flight')).toHaveLength(49);
      expect(shop.books).toHaveLength(1);
      // At another gateway than the one that bought there is no kept answer, and still no second payment.
      const init = { method: 'POST', body: 'the order', headers: { 'idempotency-key': 'order-4711' } };
      for (const gateway of gateways) {
        // The answer is out a moment before the store knows that its request has ended.
        const { again, text } = await vi.waitFor(async () => {
          const again = await gateway.ask('/shop/x', init);
          const text = await again.text();
          expect(text).not.toContain('in_flight');
          return { again, text };
        }, WAIT);
        if (again.status === 200)
          expect([again.headers.get('purser-receipt')?.endsWith(';replayed'), text]).toEqual([true, 'the goods']);
        else expect(JSON.parse(text)).toMatchObject({ code: 'already_paid', state: 'settled', amount: '0.020000' });
      }
      expect(shop.books).toHaveLength(1);
      for (const gateway of gateways) expect(await moneyOf(gateway)).toEqual({ settled: 20_000n, held: 0n });
    });
  });
}

/** The same request again and again, forty at a time; how often each code came, or 200. */
async function storm(gateway: TestGateway, requests: number): Promise<Record<string, number>> {
  const codes: Record<string, number> = {};
  const headers = { 'purser-token': await gateway.token() };
  let sent = 0;
  const client = async () => {
    while (sent < requests) {
      sent += 1;
      const answer = await fetch(`${gateway.agents}/shop/x`, { headers });
      const text = await answer.text();
      const code = answer.status === 200 ? '200' : (JSON.parse(text) as { code: string }).code;
      codes[code] = (codes[code] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: 40 }, client));
  return codes;
}
