// Sums to the last unit: what many payments of odd amounts add up to in budgets, receipts and the merchant's books.
import { afterEach, expect, test } from 'vitest';
import type { Receipt } from '../../src/domain/receipt.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { demand } from '../fakes/script.ts';
import { expectPaid, micros, refuses, type Stand, startStand } from '../support/stand.ts';

let stand: Stand | undefined;
afterEach(async () => {
  await stand?.close();
  stand = undefined;
});

interface Tender {
  readonly token: string;
  readonly decimals: number;
  /** Of one whole unit, in USD. */
  readonly value: string;
}

/** Takes these assets; every agent has a purse, its team and everybody together one more. */
async function startWith(assets: readonly Tender[], agents: readonly string[] = ['buyer-1']): Promise<Stand> {
  const rows = assets.map(
    ({ token, decimals, value }) =>
      `\n  - { id: ${token}, network: sandbox, token: ${token}, decimals: ${decimals}, value: "${value} USD" }`,
  );
  const register = agents.map((id, at) => `\n  - { id: ${id}, owner: dana@example.com, team: team-${at % 3} }`);
  stand = await startStand({
    sections: { assets: rows.join('') },
    policies: `agents:${register.join('')}
budgets:
  - { id: purse, limit: 5000.00 USD, window: total, per: agent }
  - { id: team, limit: 5000000.00 USD, window: month, per: team }
  - { id: everybody, limit: 9007199254 USD, rolling: 24h, per: all }
entitlements:
  - id: everybody-buys
    agents: { id: "*" }
    services: [shop]
    assets: [${assets.map(({ token }) => token).join(', ')}]
    payees: [acme]
    ceiling: 5000.00 USD
    budgets: [purse, team]
guardrails: { budgets: [everybody] }
`,
  });
  return stand;
}

interface Lines {
  readonly budgets: {
    readonly id: string;
    readonly scopes: { readonly scope: string; readonly settled: string; readonly held: string; payments: number }[];
  }[];
}

/** Settled of one budget by scope. Nothing may be held. */
async function settledOf(at: Stand, budget: string): Promise<Map<string, bigint>> {
  const { budgets } = await at.gateway.api<Lines>('budgets');
  const scopes = budgets.find(({ id }) => id === budget)?.scopes ?? [];
  expect(scopes.map(({ held }) => held)).toEqual(scopes.map(() => '0.000000'));
  return new Map(scopes.map(({ scope, settled }) => [scope, micros(settled)]));
}

const sum = (values: Iterable<bigint>) => [...values].reduce((total, value) => total + value, 0n);

/** ⌈atoms × value × 10⁶ ÷ 10^decimals⌉, written apart from the code that is judged. */
function worth(atoms: bigint, { decimals, value }: Tender): bigint {
  const [whole = '', fraction = ''] = value.split('.');
  const numerator = atoms * BigInt(whole + fraction) * 1_000_000n;
  const denominator = 10n ** BigInt(decimals + fraction.length);
  return numerator / denominator + (numerator % denominator === 0n ? 0n : 1n);
}

function fresh(at: Stand, token: string, amount: bigint): void {
  at.behave({ unpaid: () => demand(sandboxChallenge({ request: { amount: `${amount}`, currency: token } })) });
}

async function buyMany(at: Stand, times: number): Promise<void> {
  let left = times;
  const buyer = async () => {
    while (left-- > 0) {
      const answer = await at.gateway.ask(`/shop/v1/${left}`);
      expect(answer.status).toBe(200);
      await answer.text();
    }
  };
  await Promise.all(Array.from({ length: 16 }, buyer));
}

async function settledReceipts(at: Stand): Promise<Receipt[]> {
  return (await at.gateway.receipts()).filter(({ kind }) => kind === 'settled');
}

test('MONEY-03: many payments of a fraction of a cent sum up exactly', async () => {
  const at = await startWith([{ token: 'usd', decimals: 6, value: '1' }]);
  fresh(at, 'usd', 40n);
  await buyMany(at, 250);
  for (const budget of ['purse', 'team', 'everybody']) {
    expect(sum((await settledOf(at, budget)).values())).toBe(10_000n);
  }
  expect(at.merchant.books.taken).toHaveLength(250);
});

test('MONEY-03: what is worth less than a micro-unit is rounded up each time, never away', async () => {
  const tender = { token: 'dust', decimals: 9, value: '0.3333333' };
  const at = await startWith([tender]);
  fresh(at, 'dust', 7n);
  expect(worth(7n, tender)).toBe(1n);
  await buyMany(at, 100);
  expect(sum((await settledOf(at, 'purse')).values())).toBe(100n);
  fresh(at, 'dust', 10_001n);
  await expectPaid(at, 3n * 4n, () => at.gateway.ask('/shop/v1/more'));
});

test('MONEY-04: amounts of 18 decimals are exact beyond 64 bits and beyond doubles', async () => {
  const wei = { token: 'wei', decimals: 18, value: '1' };
  const at = await startWith([wei]);
  let total = 0n;
  for (const atoms of [1n, 2n ** 53n + 1n, 2n ** 63n + 1n, 9_223_372_036_854_775_809n, 10n ** 18n + 1n, 10n ** 21n]) {
    fresh(at, 'wei', atoms);
    await expectPaid(at, 3n * worth(atoms, wei), () => at.gateway.ask(`/shop/v1/${atoms}`));
    total += worth(atoms, wei);
  }
  expect(sum((await settledOf(at, 'purse')).values())).toBe(total);
  for (const atoms of [2n ** 128n, 10n ** 78n - 1n]) {
    const { receipt } = await refuses(at, 'over_ceiling', { request: { amount: `${atoms}`, currency: 'wei' } });
    const value = `${worth(atoms, wei)}`;
    expect(receipt.offer?.value).toBe(`${value.slice(0, -6)}.${value.slice(-6)}`);
  }
});

test('MONEY-07: a number on the wire is in the smallest unit of its own asset, not in another’s', async () => {
  const tenders = [
    { token: 'usd', decimals: 2, value: '1', worth: 50_000_000n },
    { token: 'jpy', decimals: 0, value: '0.0067', worth: 33_500_000n },
    { token: 'kwd', decimals: 3, value: '3.25', worth: 16_250_000n },
  ];
  const at = await startWith(tenders);
  for (const { token, worth: expected } of tenders) {
    fresh(at, token, 5_000n);
    const { settled } = await expectPaid(at, 3n * expected, () => at.gateway.ask(`/shop/v1/${token}`));
    expect(settled.offer).toMatchObject({ asset: token, atoms: '5000', currency: 'USD' });
    expect(micros(settled.offer?.value ?? '')).toBe(expected);
  }
});

test('MONEY-08: random purchases: budgets, receipts and the merchant’s books agree to the last unit', async () => {
  const tenders = [
    { token: 'usd', decimals: 2, value: '1' },
    { token: 'jpy', decimals: 0, value: '0.0067' },
    { token: 'kwd', decimals: 3, value: '3.2514159' },
    { token: 'wei', decimals: 18, value: '0.731' },
  ];
  const agents = Array.from({ length: 12 }, (_, at) => `agent-${at}`);
  const at = await startWith(tenders, agents);
  let seed = 20_261_123;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  at.behave({
    unpaid: () => {
      const tender = tenders[random(tenders.length)] ?? tenders[0];
      const digits = Array.from({ length: random(tender?.decimals ?? 0) }, () => random(10));
      const amount = `${1 + random(9)}${digits.join('')}`;
      return demand(sandboxChallenge({ request: { amount, currency: tender?.token } }));
    },
  });
  const spentBy = new Map<string, bigint>();
  const work = Array.from({ length: 200 }, (_, nth) => ({ nth, agent: agents[random(agents.length)] ?? '' }));
  const buyer = async () => {
    for (let next = work.pop(); next; next = work.pop()) {
      const answer = await at.gateway.ask(`/shop/v1/${next.nth}`, { agent: next.agent });
      expect(answer.status).toBe(200);
      await answer.text();
      const amount = /;amount="([0-9.]+)"/.exec(answer.headers.get('purser-receipt') ?? '')?.[1] ?? '';
      const scope = JSON.stringify([next.agent]);
      spentBy.set(scope, (spentBy.get(scope) ?? 0n) + micros(amount));
    }
  };
  await Promise.all(Array.from({ length: 12 }, buyer));

  const sold = at.merchant.books.taken.map(({ request }) => request as { amount: string; currency: string });
  const books = sum(
    sold.map(({ amount, currency }) => {
      const tender = tenders.find(({ token }) => token === currency);
      if (!tender) throw new Error('the shop sold for a currency that it does not have');
      return worth(BigInt(amount), tender);
    }),
  );
  const receipts = await settledReceipts(at);
  expect(sold).toHaveLength(200);
  expect(receipts).toHaveLength(200);
  expect(sum(receipts.map(({ hold }) => micros(hold?.amount ?? '')))).toBe(books);
  expect(await settledOf(at, 'purse')).toEqual(spentBy);
  for (const budget of ['purse', 'team', 'everybody']) {
    expect(sum((await settledOf(at, budget)).values())).toBe(books);
  }
});
