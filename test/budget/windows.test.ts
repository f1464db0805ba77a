// Windows of every time zone: no instant is left out or counted twice, and they begin where its clocks say.
import fc from 'fast-check';
import { DateTime } from 'luxon';
import { expect, test } from 'vitest';
import { Calendar, rollingPartMs } from '../../src/budget/windows.ts';

const at = (text: string, zone: string) => DateTime.fromISO(text, { zone }).toMillis();
const HOUR = 3_600_000;

const ZONES = [
  ...['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/Havana'],
  ...['Africa/Cairo', 'America/Sao_Paulo', 'America/St_Johns', 'Pacific/Apia', 'Asia/Beirut', 'Pacific/Chatham'],
];
const KINDS = ['hour', 'day', 'week', 'month', 'year'] as const;

/** Days near which a zone's clocks were or will be set, as instants. */
const settings = (zone: string): number[] => {
  const found: number[] = [];
  const offset = (day: number) => DateTime.fromMillis(day * 24 * HOUR, { zone }).offset;
  for (let day = 6_000; day < 24_000; day++) if (offset(day) !== offset(day + 1)) found.push(day * 24 * HOUR);
  return found;
};

const near = fc.constantFrom(...ZONES.map((zone) => [zone, settings(zone)] as const)).chain(([zone, set]) => {
  const anywhere = fc.integer({ min: 0, max: at('2038-02-01', 'UTC') });
  const close = fc.tuple(fc.constantFrom(...(set.length ? set : [0])), fc.integer({ min: -24 * HOUR, max: 48 * HOUR }));
  return fc.tuple(
    fc.constant(zone),
    fc.oneof(
      anywhere,
      close.map(([day, away]) => Math.max(0, day + away)),
    ),
  );
});

test('the windows of a zone follow each other without gap or overlap, found from anywhere in them', () => {
  fc.assert(
    fc.property(
      near,
      fc.constantFrom(...KINDS),
      fc.double({ min: 0, max: 1, noNaN: true }),
      ([zone, instant], kind, share) => {
        const fresh = (when: number) => new Calendar(zone).bounds(kind, when);
        const window = fresh(instant);
        const end = window.end ?? 0;
        expect(window.start).toBeLessThanOrEqual(instant);
        expect(end).toBeGreaterThan(instant);
        const between = window.start + Math.floor((end - 1 - window.start) * share);
        for (const inside of [window.start, end - 1, between]) expect(fresh(inside)).toEqual(window);
        expect(fresh(end).start).toBe(end);
        if (window.start > 0) expect(fresh(window.start - 1).end).toBe(window.start);
      },
    ),
    { numRuns: 3_000 },
  );
});

test('a calendar that keeps its newest window answers as a fresh one', () => {
  const calendar = new Calendar('America/Havana');
  const start = at('2026-10-31T12:00', 'UTC');
  for (let step = 0; step < 400; step++) {
    const instant = start + ((step * 7_919) % 172_800) * 1_000;
    for (const kind of KINDS) {
      expect(calendar.bounds(kind, instant)).toEqual(new Calendar('America/Havana').bounds(kind, instant));
    }
  }
});

test.each([
  ['Europe/Berlin', '2026-03-29', 23],
  ['Europe/Berlin', '2026-10-25', 25],
  ['Asia/Kathmandu', '2026-10-25', 24],
  ['America/Havana', '2026-11-01', 25],
  ['Africa/Cairo', '2026-04-24', 23],
  ['Australia/Lord_Howe', '2026-04-05', 24.5],
])('a day in %s on %s has %d hours', (zone, date, hours) => {
  const start = at(date, zone);
  const day = new Calendar(zone).bounds('day', start + 12 * HOUR);
  expect(((day.end ?? 0) - day.start) / HOUR).toBe(hours);
  expect(DateTime.fromMillis(day.start, { zone }).toISODate()).toBe(date);
});

test('a midnight that comes twice begins one day, not two', () => {
  const calendar = new Calendar('America/Havana');
  const first = at('2026-11-01T00:00:00-04:00', 'UTC');
  expect(calendar.bounds('day', first + 30 * 60_000)).toEqual(calendar.bounds('day', first + 90 * 60_000));
});

test('clocks set back over midnight do not bring yesterday back', () => {
  const again = at('2010-11-06T23:30:00-03:30', 'UTC');
  const day = new Calendar('America/St_Johns').bounds('day', again);
  expect(day.start).toBe(at('2010-11-07T00:00:00-02:30', 'UTC'));
  expect(day.end).toBe(at('2010-11-08T00:00', 'America/St_Johns'));
});

test('an hour that is shifted by half of one is one longer window', () => {
  const before = at('2026-04-05T01:15:00+11:00', 'UTC');
  const bounds = (when: number) => new Calendar('Australia/Lord_Howe').bounds('hour', when);
  expect(bounds(before).end).toBe(at('2026-04-05T02:00:00+10:30', 'UTC'));
  expect(bounds(before + HOUR)).toEqual(bounds(before));
});

test('a date that a zone left out is no window', () => {
  const before = new Calendar('Pacific/Apia').bounds('day', at('2011-12-29T12:00', 'Pacific/Apia'));
  expect(before.end).toBe(at('2011-12-31T00:00', 'Pacific/Apia'));
});

test('weeks begin on Monday, months on the 1st, years on 1 January, leap days included', () => {
  const calendar = new Calendar('Europe/Berlin');
  const instant = at('2028-02-29T23:59:59.999', 'Europe/Berlin');
  const bounds = (kind: (typeof KINDS)[number]) => calendar.bounds(kind, instant);
  expect(bounds('week')).toEqual({ start: at('2028-02-28', 'Europe/Berlin'), end: at('2028-03-06', 'Europe/Berlin') });
  expect(bounds('month')).toEqual({ start: at('2028-02-01', 'Europe/Berlin'), end: at('2028-03-01', 'Europe/Berlin') });
  expect(bounds('year')).toEqual({ start: at('2028-01-01', 'Europe/Berlin'), end: at('2029-01-01', 'Europe/Berlin') });
  expect(calendar.bounds('total', instant)).toEqual({ start: 0, end: null });
});

test('extreme instants have windows, unreadable ones do not', () => {
  const calendar = new Calendar('UTC');
  for (const instant of [0, 2 ** 31 * 1_000, at('9999-12-31T23:59', 'UTC')]) {
    for (const kind of KINDS) expect(calendar.bounds(kind, instant).start).toBeLessThanOrEqual(instant);
  }
  for (const instant of [Number.NaN, Number.POSITIVE_INFINITY, 0.5]) {
    expect(() => calendar.bounds('day', instant)).toThrow(RangeError);
  }
  expect(() => new Calendar('Europe/Atlantis')).toThrow(RangeError);
});

test('a rolling window has at most 61 parts that count', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 * 86_400_000 }), fc.nat(), (length, now) => {
      const part = rollingPartMs(length);
      const newest = Math.floor(now / part) * part;
      expect(newest - 61 * part).toBeLessThanOrEqual(now - length - part);
    }),
  );
  for (const length of [0, -1, 1.5, Number.NaN]) expect(() => rollingPartMs(length)).toThrow(RangeError);
});
