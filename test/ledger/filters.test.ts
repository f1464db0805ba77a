// Filters in pairs and threes: they find what reading everything finds, and read no receipt that they leave out.
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { RECEIPT_KINDS, type Receipt, type ReceiptEntry } from '../../src/domain/receipt.ts';
import type { ReceiptFilter } from '../../src/ledger/ledger.ts';
import { SELECTORS } from '../../src/ledger/tables.ts';
import { openLog, type TestLog } from './log.ts';

const SELECTED = SELECTORS.filter((name) => name !== 'kind');
const VALUES = ['a', 'b'] as const;

let log: TestLog;
let all: Receipt[];

/** One receipt in which every selector has one of two values. */
function entryOf(n: number): ReceiptEntry {
  const value = (bit: number) => VALUES[(n >> bit) & 1] ?? 'a';
  return {
    kind: n % 2 ? 'refused' : 'delivered',
    exchange: value(0),
    trace: value(1),
    agent: { id: value(2), owner: value(3), team: value(4), task: value(5), subject: 's', issuer: 'i' },
    service: { id: value(6) },
    offer: { asset: 'x', network: 'sandbox', atoms: '1', payee: value(7), value: '0.010000', currency: 'USD' },
    decision: { policy: 'a'.repeat(64), outcome: 'refused', code: value(8), checks: [] },
  };
}

beforeAll(() => {
  log = openLog();
  for (let n = 0; n < 600; n += 1) {
    log.now += 1_000;
    log.seal(entryOf((n * 7_919) % 512));
  }
  all = Array.from(log.reader.iterate({ ascending: true }), ({ receipt }) => receipt);
});

const read: Readonly<Record<string, (receipt: Receipt) => string | undefined>> = {
  kind: (receipt) => receipt.kind,
  exchange: (receipt) => receipt.exchange,
  trace: (receipt) => receipt.trace,
  agent: (receipt) => receipt.agent?.id,
  owner: (receipt) => receipt.agent?.owner,
  team: (receipt) => receipt.agent?.team,
  task: (receipt) => receipt.agent?.task,
  service: (receipt) => receipt.service?.id,
  payee: (receipt) => receipt.offer?.payee,
  code: (receipt) => receipt.decision?.code,
};

function byReading({ since, until, limit, ascending, ...selectors }: ReceiptFilter): number[] {
  const found = all.filter(
    (receipt) =>
      (since === undefined || receipt.at >= since) &&
      (until === undefined || receipt.at < until) &&
      Object.entries(selectors).every(([name, value]) => read[name]?.(receipt) === value),
  );
  return (ascending ? found : found.toReversed()).slice(0, limit).map(({ seq }) => seq);
}

const byAsking = (filter: ReceiptFilter): number[] =>
  Array.from(log.reader.iterate(filter), ({ receipt }) => receipt.seq);

test('every pair of filters finds exactly what reading everything finds', () => {
  const kinds = RECEIPT_KINDS.filter((kind) => kind === 'refused' || kind === 'settled');
  const single: ReceiptFilter[] = [
    ...SELECTED.flatMap((name) => [...VALUES, 'c'].map((value) => ({ [name]: value }))),
    ...kinds.map((kind) => ({ kind })),
    { since: all[200]?.at ?? '' },
    { until: all[400]?.at ?? '' },
  ];
  for (const one of single) {
    for (const two of single) expect(byAsking({ ...one, ...two })).toEqual(byReading({ ...one, ...two }));
  }
});

test('any filters together, in either direction and with any limit, do so too', () => {
  const value = fc.option(fc.constantFrom(...VALUES), { nil: undefined });
  const instant = fc.option(
    fc.nat(599).map((n) => all[n]?.at ?? ''),
    { nil: undefined },
  );
  const filter = fc.record({
    ...Object.fromEntries(SELECTED.map((name) => [name, value])),
    since: instant,
    until: instant,
    limit: fc.option(fc.integer({ min: 1, max: 700 }), { nil: undefined }),
    ascending: fc.boolean(),
  });
  fc.assert(
    fc.property(filter, (asked) => {
      const given: ReceiptFilter = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
      expect(byAsking(given)).toEqual(byReading(given));
    }),
  );
});
