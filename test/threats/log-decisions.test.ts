// Several hundred mixed requests at once: what the agents were told, what the merchant holds, and what was sealed must
// be one and the same story, to the last decision.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Receipt } from '../../src/domain/receipt.ts';
import { type CapturedRequest, type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { answer, demand, goods, redirect, resetAfter, type Script } from '../fakes/script.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { command, receiptOf, sealed, summed } from './observables.ts';

const ROUNDS = 18;

/** What an agent was told. */
interface Told {
  readonly status: number;
  /** `paid`, `free`, `replayed`, or a code. */
  readonly end: string;
  readonly receipt: string | null;
}

const folder = mkdtempSync(join(tmpdir(), 'purser-decisions-'));
const told: Told[] = [];
let shop: HostileMerchant;
let gateway: TestGateway;
let receipts: Receipt[];

const is = (name: string, { target }: CapturedRequest) => target.startsWith(`/${name}`);

function unpaid(_: number, request: CapturedRequest): Script {
  if (is('free', request)) return goods;
  if (is('moved', request)) return redirect(302, 'https://elsewhere.example/');
  if (is('dear', request)) return demand(sandboxChallenge({ request: { amount: '500' } }));
  if (is('stranger', request)) return demand(sandboxChallenge({ request: { recipient: 'mallory' } }));
  if (is('garbled', request)) return demand(sandboxChallenge({ request: { amount: '1e9' } }));
  return demand(sandboxChallenge());
}

function paid(_: number, request: CapturedRequest): Script {
  if (is('broken', request)) return answer(500);
  if (is('again', request)) return demand(sandboxChallenge());
  if (is('reset', request)) return resetAfter();
  return goods;
}

beforeAll(async () => {
  shop = await hostileMerchant({ unpaid, paid });
  gateway = await startGateway({
    folder,
    upstream: shop.url,
    sections: { limits: '{ paymentSettle: 5s, diskReserve: 0B, unsettled: 100000 }' },
    policies: policy({
      limit: '4.00 USD',
      agents: ['buyer-1', 'buyer-2', 'buyer-3', 'visitor-1']
        .map((id) => `  - { id: ${id}, owner: dana@example.com }`)
        .join('\n'),
      more: 'guardrails:\n  deny:\n    - { services: [shop], requests: ["* /secret/**"], because: "not for agents" }\n',
    }),
  });
});

afterAll(async () => {
  await gateway.close();
  await shop.close();
  rmSync(folder, { recursive: true, force: true });
});

let asked = 0;

/** Asks; every request is another one, unless its query is given. */
async function ask(path: string, options: { agent?: string; query?: string; headers?: Record<string, string> } = {}) {
  asked += 1;
  const { agent = `buyer-${(asked % 3) + 1}`, query = `n=${asked}`, headers } = options;
  const got = await gateway.ask(`${path}?${query}`, { agent, ...(headers && { headers }) });
  const text = await got.text();
  const header = got.headers.get('purser-receipt') ?? '';
  const ours = got.headers.get('content-type') === 'application/problem+json';
  const bought = header.endsWith(';replayed') ? 'replayed' : header === '' ? 'free' : 'paid';
  told.push({ status: got.status, end: ours ? JSON.parse(text).code : bought, receipt: receiptOf(got) });
}

/** One of each sort. */
async function round(n: number): Promise<void> {
  const key = { 'idempotency-key': `key-${n}` };
  await Promise.all([
    ask('/shop/free'),
    ask('/shop/paid'),
    ask('/shop/paid'),
    ask('/shop/dear'),
    ask('/shop/stranger'),
    ask('/shop/garbled'),
    ask('/shop/moved'),
    ask('/shop/broken'),
    ask('/shop/again'),
    ask('/shop/reset'),
    ask('/shop/secret/x'),
    ask('/nowhere/x'),
    ask('/shop/%2e%2e/x'),
    ask('/shop/paid', { agent: 'visitor-1' }),
    ask('/shop/paid', { agent: 'stranger' }),
    ask('/shop/paid', { headers: { 'purser-max-price': 'cheap' } }),
    ask('/shop/paid', { headers: { 'purser-max-price': '0.01 USD' } }),
    ask('/shop/paid', { headers: { 'purser-token': 'forged' } }),
    ask('/shop/paid', { headers: { 'purser-token': '' } }),
    (async () => {
      const same = { agent: 'buyer-1', query: `same=${n}`, headers: key };
      await ask('/shop/paid', same);
      await ask('/shop/paid', same);
      await ask('/shop/free', same);
    })(),
    (async () => {
      const same = { agent: 'buyer-2', query: `lost=${n}` };
      await ask('/shop/broken', same);
      await ask('/shop/broken', same);
    })(),
  ]);
}

const UNCERTAIN = ['payment_rejected', 'payment_uncertain', 'paid_not_delivered'];
const BEFORE_IDENTITY = ['token_missing', 'token_invalid'];

test('LOG-14: each of several hundred mixed requests has exactly one decision record', async () => {
  for (let n = 0; n < ROUNDS; n += 1) await round(n);
  await gateway.close();
  receipts = await sealed(gateway.configFile);
  expect(told.length).toBeGreaterThan(400);
  const byId = new Map(receipts.map((receipt) => [receipt.id, receipt]));
  expect(byId.size).toBe(receipts.length);

  const named = new Map<string, number>();
  for (const { status, end, receipt } of told) {
    if (end === 'free' || BEFORE_IDENTITY.includes(end)) {
      expect([end, receipt]).toEqual([end, null]);
      continue;
    }
    const record = byId.get(receipt ?? '');
    const kind = end === 'paid' || end === 'replayed' ? 'settled' : UNCERTAIN.includes(end) ? 'uncertain' : 'refused';
    expect([end, status, record?.kind]).toEqual([end, status, kind]);
    if (kind !== 'settled') expect(record?.decision?.code).toBe(end);
    named.set(receipt ?? '', (named.get(receipt ?? '') ?? 0) + 1);
  }
  // Repeats name the purchase's own receipt; otherwise no two answers share one.
  const lost = told.filter(({ end }) => UNCERTAIN.includes(end)).map(({ receipt }) => receipt);
  const repeats = lost.length - new Set(lost).size;
  expect(repeats).toBeLessThanOrEqual(ROUNDS);
  const shared = [...named.values()].reduce((sum, count) => sum + count - 1, 0);
  expect(shared).toBe(repeats + told.filter(({ end }) => end === 'replayed').length);
  const decisions = receipts.filter(({ kind }) => ['refused', 'settled', 'uncertain', 'voided'].includes(kind));
  expect(new Set(decisions.map(({ id }) => id))).toEqual(new Set(named.keys()));
});

test('LOG-14: each purchase has its intent, its outcome and its delivery once, and nothing else was sealed', () => {
  const kindsOf = new Map<string, string[]>();
  for (const { exchange, kind, delivery } of receipts) {
    if (exchange === undefined) continue;
    const what = delivery ? `${kind} ${delivery.outcome}` : kind;
    kindsOf.set(exchange, [...(kindsOf.get(exchange) ?? []), what]);
  }
  const shapes: Record<string, number> = {};
  for (const kinds of kindsOf.values()) shapes[kinds.join(', ')] = (shapes[kinds.join(', ')] ?? 0) + 1;
  const count = (...ends: string[]) => told.filter(({ end }) => ends.includes(end)).length;
  const replayed = count('replayed');
  const refused = told.filter(({ end, receipt }) => receipt !== null && end !== 'paid' && end !== 'replayed');
  const uncertain = new Set(refused.filter(({ end }) => UNCERTAIN.includes(end)).map(({ receipt }) => receipt)).size;
  expect(replayed).toBeGreaterThan(0);
  expect(uncertain).toBeGreaterThan(0);
  expect(count('budget_exceeded')).toBeGreaterThan(0);
  expect(shapes).toEqual({
    refused: refused.length - count(...UNCERTAIN),
    'intended, settled, delivered whole': count('paid') - replayed,
    'intended, settled, delivered whole, delivered replayed': replayed,
    'intended, uncertain': uncertain,
  });
  const rest = receipts.filter(({ exchange }) => exchange === undefined).map(({ kind }) => kind);
  expect(new Set(rest)).toEqual(new Set(['policy', 'summary']));
  expect(summed(receipts)).toEqual({ token_invalid: ROUNDS, token_missing: ROUNDS });
  expect(receipts.every(({ development }) => development === true)).toBe(true);
});

test("LOG-14: the sealed payments are the merchant's books, and the log verifies", async () => {
  const intended = receipts.filter(({ kind }) => kind === 'intended');
  const nonces = shop.books.taken.map(({ payer, nonce }) => `${payer}:${nonce}`);
  expect(new Set(intended.map(({ proof }) => proof?.identity))).toEqual(new Set(nonces));
  expect(intended).toHaveLength(nonces.length);
  expect(shop.books.replays).toBe(0);
  for (const { decision, hold } of intended) {
    expect(decision).toMatchObject({ outcome: 'allowed', entitlement: 'everybody-buys' });
    expect(hold?.budgets.map(({ id }) => id)).toEqual(['purse']);
  }
  expect((await command(['receipts', 'verify', '--config', gateway.configFile])).code).toBe(0);
});
