// What was spent, from receipts in order: no file, no clock, no time zone.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson } from '../../src/domain/canonical.ts';
import type { Receipt } from '../../src/domain/receipt.ts';
import { Walked } from '../../src/ledger/walk.ts';
import { DIMENSION_NAMES, type Dimension, dimension } from '../../src/report/dimensions.ts';
import type { Period } from '../../src/report/period.ts';
import { type ReadReceipt, ReportRefused, Spend } from '../../src/report/spend.ts';
import { average, NOTHING } from '../../src/report/totals.ts';
import { AGENT, type Bought, bought } from './receipts.ts';

const UTC = {
  day: (ms: number) => new Date(ms).toISOString().slice(0, 10),
  monthStart: (ms: number) => Date.parse(`${new Date(ms).toISOString().slice(0, 7)}-01T00:00:00Z`),
};

function read(about: Bought, at: string, log = 'plog'): ReadReceipt {
  const link = { v: 1, log, seq: 1, prev: '0'.repeat(64), at, id: `${log}.1` } as const;
  const receipt: Receipt = { ...bought(about), ...link };
  const text = canonicalJson(receipt);
  return new Walked(text, log, 1, text.lastIndexOf(',"prev":"'), '');
}

const dimensions = (...names: string[]): Dimension[] =>
  names.map((name) => dimension(name)).filter((found) => found !== undefined);

const NOON = '2026-11-23T12:00:00.000Z';

function spent(receipts: readonly Bought[], by: string[] = [], period: Period = {}) {
  const spend = new Spend(dimensions(...by), period, UTC);
  for (const one of receipts) spend.take(read(one, NOON));
  return spend.result();
}

test('settled is what was taken, fees apart; a purchase without an end is uncertain', () => {
  const { total } = spent([
    { kind: 'intended', n: 1, amount: '0.300000', fee: '0.050000' },
    { kind: 'settled', n: 1, amount: '0.270000', fee: '0.020000' },
    { kind: 'intended', n: 2, amount: '1.000001' },
    { kind: 'settled', n: 2, amount: '1.000001' },
    { kind: 'intended', n: 3, amount: '7.000000', fee: '0.500000' },
    { kind: 'uncertain', n: 3, amount: '7.000000', fee: '0.500000' },
    { kind: 'intended', n: 4, amount: '0.000002' },
  ]);
  expect(total).toEqual({
    settled: 1_270_001n,
    settledFees: 20_000n,
    payments: 2n,
    uncertain: 7_000_002n,
    uncertainFees: 500_000n,
    uncertainPayments: 2n,
    largest: 1_000_001n,
  });
});

test('a later word of a person moves an uncertain amount to settled or takes it away; voided takes it away', () => {
  const { rows, total } = spent([
    { kind: 'intended', n: 1 },
    { kind: 'uncertain', n: 1 },
    { kind: 'resolved', n: 1, as: 'settled' },
    { kind: 'intended', n: 2 },
    { kind: 'uncertain', n: 2 },
    { kind: 'resolved', n: 2, as: 'voided' },
    { kind: 'intended', n: 3 },
    { kind: 'voided', n: 3 },
  ]);
  expect([total.settled, total.payments, total.uncertain, total.uncertainPayments]).toEqual([10_000n, 1n, 0n, 0n]);
  expect(rows).toHaveLength(1);
  expect(
    spent(
      [
        { kind: 'intended', n: 3 },
        { kind: 'voided', n: 3 },
      ],
      ['team'],
    ).rows,
  ).toEqual([]);
});

test('a hold that another gateway resolved counts by that, in whatever order the logs are read', () => {
  const intended = read({ kind: 'intended', n: 1, amount: '2.000000', fee: '0.100000', log: 'pone' }, NOON, 'pone');
  const resolved = read({ kind: 'resolved', n: 1, as: 'settled', amount: '2.000000', log: 'pone' }, NOON, 'ptwo');
  for (const order of [
    [intended, resolved],
    [resolved, intended],
  ]) {
    const spend = new Spend([], {}, UTC);
    for (const receipt of order) spend.take(receipt);
    const { total, missingLogs } = spend.result();
    expect([total.settled, total.settledFees, total.uncertain]).toEqual([2_000_000n, 100_000n, 0n]);
    expect(missingLogs).toEqual([]);
  }
  const alone = new Spend([], {}, UTC);
  alone.take(resolved);
  expect(alone.result()).toMatchObject({ missingLogs: ['pone'], total: NOTHING });
});

test('groups have a value for every name, null for none, and stand in the order of their values', () => {
  const { team: _team, labels: _labels, task: _task, ...bare } = AGENT;
  const claimed = { ...bare, id: 'b', taskClaimed: 'claims' };
  const names = ['team', ...DIMENSION_NAMES.filter((name) => name !== 'team')];
  const by = names.map((name) => name.replace('<name>', 'costCenter'));
  const { rows } = spent(
    [
      { kind: 'intended', n: 1, agent: claimed, service: { id: 'weather' } },
      { kind: 'intended', n: 2 },
    ],
    by,
  );
  const byName = rows.map(({ values }) => Object.fromEntries(by.map((name, index) => [name, values[index]])));
  expect(byName).toEqual([
    {
      agent: 'research-1',
      owner: 'dana@example.com',
      team: 'research',
      service: 'weather',
      provider: 'Acme',
      payee: 'sandbox:acme',
      task: 't-1',
      taskClaimed: null,
      asset: 'usd.sandbox',
      network: 'sandbox',
      wallet: 'play',
      entitlement: 'buys-weather',
      policy: 'ab'.repeat(32),
      day: '2026-11-23',
      month: '2026-11',
      'label.costCenter': '4711',
    },
    expect.objectContaining({
      team: null,
      task: null,
      taskClaimed: 'claims',
      provider: null,
      'label.costCenter': null,
    }),
  ]);
});

test('a label called like something inherited is a label and nothing else', () => {
  expect(spent([{ kind: 'intended', n: 1 }], ['label.constructor', 'label.__proto__']).rows[0]?.values).toEqual([
    null,
    null,
  ]);
  expect(dimension('constructor')).toBeUndefined();
  expect(dimension('label.')).toBeUndefined();
});

test('whatever the groups, their sums are the total, to the micro-unit', () => {
  const one = fc.record({
    amount: fc.bigInt({ min: 1n, max: 9_007_199_254_740_991n }),
    agent: fc.constantFrom('a', 'b', 'c'),
    end: fc.constantFrom('settled', 'voided', 'uncertain', 'none'),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 40 }), (purchases) => {
      const text = (micros: bigint) => `${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}`;
      const receipts = purchases.flatMap(({ amount, agent, end }, n): Bought[] => {
        const about = { n, amount: text(amount), agent: { ...AGENT, id: agent } };
        const kind = end === 'settled' || end === 'voided' || end === 'uncertain' ? end : null;
        return [{ ...about, kind: 'intended' }, ...(kind === null ? [] : [{ ...about, kind }])];
      });
      const sum = (...ends: string[]) =>
        purchases.reduce((all, { amount, end }) => (ends.includes(end) ? all + amount : all), 0n);
      const { rows, total } = spent(receipts, ['agent']);
      expect(total.settled).toBe(sum('settled'));
      expect(total.uncertain).toBe(sum('uncertain', 'none'));
      expect(rows.reduce((all, { totals }) => all + totals.settled, 0n)).toBe(total.settled);
      expect(rows.reduce((all, { totals }) => all + totals.uncertain, 0n)).toBe(total.uncertain);
    }),
  );
});

test('the average is rounded once, a half upwards, and is none without payments', () => {
  const of = (settled: bigint, payments: bigint) => average({ ...NOTHING, settled, payments });
  expect([of(10n, 4n), of(9n, 4n), of(5n, 3n), of(4n, 3n), of(0n, 0n)]).toEqual([3n, 2n, 2n, 1n, null]);
  expect(of(9_007_199_254_740_993n, 1n)).toBe(9_007_199_254_740_993n);
});

test('amounts of two currencies have no sum', () => {
  const both: Bought[] = [
    { kind: 'intended', n: 1 },
    { kind: 'intended', n: 2, currency: 'EUR' },
  ];
  expect(() => spent(both)).toThrow(ReportRefused);
});
