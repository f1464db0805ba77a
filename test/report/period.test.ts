// Which instant a purchase counts at, where clocks and months do not agree.
import { expect, test } from 'vitest';
import type { Receipt } from '../../src/domain/receipt.ts';
import { countedAt, within } from '../../src/report/period.ts';
import { bought } from './receipts.ts';

const UTC = {
  day: (ms: number) => new Date(ms).toISOString().slice(0, 10),
  monthStart: (ms: number) => Date.parse(`${new Date(ms).toISOString().slice(0, 7)}-01T00:00:00Z`),
};

function month(at: string, ...windows: string[]): string {
  const link = { v: 1, log: 'p', seq: 1, prev: '0'.repeat(64), at, id: 'p.1' } as const;
  const receipt: Receipt = { ...bought({ kind: 'intended', n: 1, windows }), ...link };
  return UTC.day(countedAt(receipt, UTC)).slice(0, 7);
}

const NOVEMBER = '2026-11-01T00:00:00.000Z';
const DECEMBER = '2026-12-01T00:00:00.000Z';

test('a purchase counts in the month its money was held in, although it was sealed in the next', () => {
  expect(month('2026-12-01T00:00:00.040Z', NOVEMBER)).toBe('2026-11');
  expect(month('2026-12-01T00:00:00.040Z', '1970-01-01T00:00:00.000Z', NOVEMBER)).toBe('2026-11');
  expect(month('2026-12-01T00:00:00.040Z', DECEMBER)).toBe('2026-12');
  expect(month('2026-12-01T00:00:00.040Z', NOVEMBER, '2026-12-01T00:00:00.000Z')).toBe('2026-12');
});

test('a store whose clock was ahead had opened the next month already', () => {
  expect(month('2026-11-30T23:59:59.900Z', DECEMBER)).toBe('2026-12');
  expect(month('2026-11-30T23:59:59.900Z', NOVEMBER)).toBe('2026-11');
});

test('windows of other lengths move nothing', () => {
  expect(month('2026-12-01T00:00:00.040Z')).toBe('2026-12');
  expect(month('2026-12-01T00:00:00.040Z', '2026-01-01T00:00:00.000Z')).toBe('2026-12');
  expect(month('2026-12-01T00:00:00.040Z', '2026-11-30T00:00:00.000Z')).toBe('2026-12');
  expect(month('2026-12-15T12:00:00.000Z', NOVEMBER)).toBe('2026-12');
  expect(month('2026-02-15T12:00:00.000Z', '2026-01-01T00:00:00.000Z')).toBe('2026-02');
});

test('a period has its first instant and not its last', () => {
  const period = { sinceMs: 10, untilMs: 20 };
  expect([9, 10, 19, 20].map((ms) => within(period, ms))).toEqual([false, true, true, false]);
  expect(within({}, 0)).toBe(true);
});
