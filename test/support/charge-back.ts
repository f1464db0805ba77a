// Many real purchases at published payment servers, and then the question whether everybody's numbers agree: the
// report, the budgets of the gateway, and the merchants' own books.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { expect } from 'vitest';
import { type Merchant, type MerchantOptions, sandboxMerchant } from '../../src/demo/merchant.ts';
import { run } from '../command/support.ts';
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { demand } from '../fakes/script.ts';
import { startGateway, type TestGateway } from './gateway.ts';

const AGENTS = ['buyer-1', 'buyer-2', 'buyer-3', 'buyer-4', 'buyer-5'];
const PRICES = [1, 7, 13, 99, 1_001, 25_007];
const AT_ONCE = 32;
const HANGS_EVERY = 60;
/** One atom is worth 0.0003333339 USD: nearly every amount has to be rounded. */
const VALUE_DIGITS = 3_333_339n;
const VALUE_SCALE = 10n ** 10n;

const POLICY = `agents:
  - { id: buyer-1, owner: dana@example.com, team: research, labels: { costCenter: "4711" } }
  - { id: buyer-2, owner: dana@example.com, team: research, labels: { costCenter: "4712" } }
  - { id: buyer-3, owner: sam@example.com, team: content, labels: { costCenter: "4711" } }
  - { id: buyer-4, owner: sam@example.com, team: content }
  - { id: buyer-5, owner: kim@example.com }
budgets:
  - { id: org-month, limit: 1000000.00 USD, window: month, per: all }
  - { id: by-agent, limit: 1000000.00 USD, window: month, per: agent }
  - { id: by-service, limit: 1000000.00 USD, window: month, per: service }
entitlements:
  - id: everybody-buys
    agents: { id: "buyer-*" }
    services: [north, south, refuser]
    assets: [odd]
    payees: [acme]
    ceiling: 5.00 USD
    budgets: [by-agent, by-service]
guardrails: { budgets: [org-month] }
`;

interface Budgets {
  readonly budgets: {
    readonly id: string;
    readonly scopes: { scope: string; settled: string; held: string; payments: number }[];
  }[];
}

interface Figures {
  readonly settled: string;
  readonly uncertain: string;
  readonly payments: number;
  readonly uncertainPayments: number;
}

interface Report {
  readonly rows: (Figures & { readonly group: Readonly<Record<string, string | null>> })[];
  readonly total: Figures;
  readonly notes: readonly string[];
}

/** Buys `purchases` times, some of it refused, uncertain, resolved either way; then everybody's numbers must agree. */
export async function chargeBack(purchases: number): Promise<void> {
  const shops = { north: await shop(), south: await shop() };
  const refuser = await hostileMerchant({
    challenge: () => sandboxChallenge({ request: { amount: '77', currency: 'odd' }, expiresInMs: 2_500 }),
    paid: demand(sandboxChallenge({ request: { amount: '77', currency: 'odd' } })),
  });
  const gateway = await startGateway({ policies: POLICY, sections: sections(shops, refuser.url) });
  try {
    await buy(gateway, purchases);
    for (const [agent, count] of [
      ['buyer-1', 2],
      ['buyer-5', 1],
    ] as const)
      await refused(gateway, agent, count);
    await resolveSome(gateway);
    await compare(gateway, shops);
  } finally {
    await gateway.close();
    for (const one of [shops.north, shops.south, refuser]) await one.close();
  }
}

function shop(): Promise<Merchant> {
  const routes: MerchantOptions['routes'] = [
    ...PRICES.map((price) => ({
      method: 'GET' as const,
      path: `/v1/${price}`,
      price: String(price),
      goods: { kind: 'json' as const, body: { price } },
    })),
    { method: 'GET', path: '/v1/hang', price: '501', goods: { kind: 'hang' } },
    { method: 'GET', path: '/v1/stranger', price: '5', goods: { kind: 'json', body: {} }, payee: 'stranger' },
  ];
  return sandboxMerchant({ routes, currency: 'odd' });
}

function sections({ north, south }: { north: Merchant; south: Merchant }, refuser: string): Record<string, string> {
  const service = (id: string, upstream: string, more = '') =>
    `\n  - { id: ${id}, upstream: "${upstream}", allowPrivateNetwork: true${more} }`;
  return {
    accounting: '{ currency: USD, timeZone: Europe/Berlin }',
    assets: '\n  - { id: odd, network: sandbox, token: odd, decimals: 0, value: "0.0003333339 USD" }',
    services:
      service('north', north.url, ', provider: North Ltd.') + service('south', south.url) + service('refuser', refuser),
    limits: '{ paymentSettle: 3s, diskReserve: 0B, unsettled: 1000000, refusals: 1000000/m }',
  };
}

/** What payment number `n` asks for; a target of its own, so that no purchase is another's repeat. */
function target(n: number): string {
  const service = n % 3 === 0 ? 'south' : 'north';
  const what = n % HANGS_EVERY === 7 ? 'hang' : n % 41 === 5 ? 'stranger' : PRICES[n % PRICES.length];
  return `/${service}/v1/${what}?n=${n}`;
}

async function buy(gateway: TestGateway, purchases: number): Promise<void> {
  const tokens = await Promise.all(AGENTS.map((agent) => gateway.token(agent)));
  const pool = new Pool(gateway.agents, { connections: AT_ONCE, pipelining: 1 });
  let next = 0;
  const buyer = async () => {
    for (let n = next++; n < purchases; n = next++) {
      const headers = { 'purser-token': tokens[n % tokens.length] ?? '' };
      const answer = await pool.request({ method: 'GET', path: target(n), headers });
      await answer.body.dump();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, buyer));
  await pool.close();
}

/** Purchases whose proof the service refuses: uncertain, and nobody took anything. */
async function refused(gateway: TestGateway, agent: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const answer = await gateway.ask(`/refuser/v1/x?n=${agent}-${n}`, { agent });
    expect(answer.status).toBe(424);
    await answer.text();
  }
}

/** A third of what hangs is found to be settled; what was refused is voided once it cannot be redeemed any more. */
async function resolveSome(gateway: TestGateway): Promise<void> {
  type Holds = { holds: { id: string; service: string; redeemableUntil: string }[] };
  const { holds } = await gateway.api<Holds>('holds');
  for (const [index, { id, service, redeemableUntil }] of holds.entries()) {
    if (service !== 'refuser' && index % 3 > 0) continue;
    if (service === 'refuser') await sleep(Math.max(0, Date.parse(redeemableUntil) - Date.now() + 50));
    const order = { as: service === 'refuser' ? 'voided' : 'settled', because: 'the service said so' };
    await gateway.api(`holds/${id}/resolve`, { method: 'POST', body: JSON.stringify(order) });
  }
}

async function compare(gateway: TestGateway, shops: Readonly<Record<string, Merchant>>): Promise<void> {
  const { budgets } = await gateway.api<Budgets>('budgets');
  const lines = (id: string) => budgets.find((budget) => budget.id === id)?.scopes ?? [];
  const live = (by: string) => report(['--by', by, '--config', gateway.configFile]);

  const { total, notes } = await live('team,label.costCenter,service');
  expect(total.payments).toBeGreaterThan(100);
  expect(total.uncertainPayments).toBeGreaterThan(0);
  expect(figures(total)).toEqual(lines('org-month').map(lineFigures)[0]);
  expect(notes.join()).toContain('development');
  for (const [budget, dimension] of [
    ['by-agent', 'agent'],
    ['by-service', 'service'],
  ] as const) {
    const expected = lines(budget).map((line): [string, unknown] => [JSON.parse(line.scope)[0], lineFigures(line)]);
    const rows = (await live(dimension)).rows.map((row) => [row.group[dimension] ?? '', figures(row)]);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(expected.filter(([, line]) => !isNothing(line))));
  }

  // What a shop took is settled or, where it never answered, uncertain; nothing else is.
  const byService = (await live('service')).rows;
  expect(byService.map(({ group }) => group.service)).toEqual(Object.keys(shops));
  for (const { group, settled, uncertain, payments, uncertainPayments } of byService) {
    const { books } = shops[group.service ?? ''] ?? { books: [] };
    expect(payments + uncertainPayments).toBe(books.length);
    const taken = books.reduce((sum, { amount }) => sum + worth(BigInt(amount)), 0n);
    expect(micros(settled) + micros(uncertain)).toBe(taken);
  }
  await sameFromExport(gateway, total);
}

async function sameFromExport(gateway: TestGateway, total: Figures): Promise<void> {
  const [file, keys] = [join(gateway.folder, 'export.jsonl'), join(gateway.folder, 'keys.json')];
  writeFileSync(keys, await (await fetch(`${gateway.operators}/keys`)).text());
  expect((await run(['receipts', 'export', '--out', file, '--config', gateway.configFile])).code).toBe(0);
  const from = ['--from', file, '--keys', keys, '--time-zone', 'Europe/Berlin'];
  expect(figures((await report(['--by', 'payee', ...from])).total)).toEqual(figures(total));
}

async function report(args: readonly string[]): Promise<Report> {
  const { code, out, err } = await run(['report', '--since', '2000-01-01', '--json', ...args]);
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
}

/** As the policy has it: ⌈atoms × value × 10⁶⌉. */
const worth = (atoms: bigint): bigint => (atoms * VALUE_DIGITS * 1_000_000n + VALUE_SCALE - 1n) / VALUE_SCALE;

const micros = (amount: string): bigint => BigInt(amount.replace('.', ''));

const figures = ({ settled, uncertain, payments, uncertainPayments }: Figures) => ({
  settled,
  held: uncertain,
  payments: payments + uncertainPayments,
});

const lineFigures = ({ settled, held, payments }: { settled: string; held: string; payments: number }) => ({
  settled,
  held,
  payments,
});

const isNothing = (line: unknown): boolean =>
  JSON.stringify(line) === '{"settled":"0.000000","held":"0.000000","payments":0}';
