// The strict date-time reader: what the calendar does not have is no instant, and nothing is ever NaN.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readInstant } from '../../src/domain/rfc3339.ts';

const LAST = Date.UTC(9998, 11, 31, 23, 59, 59, 999);

test('every instant from 1970 to 9998 is read as ECMAScript writes it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: LAST }), (ms) => {
      expect(readInstant(new Date(ms).toISOString())).toBe(ms);
    }),
    { numRuns: 2_000 },
  );
});

test('whatever is read, the platform reads too, as the same instant', () => {
  const two = fc.integer({ min: 0, max: 99 }).map((n) => `${n}`.padStart(2, '0'));
  const zone = fc.oneof(
    fc.constantFrom('Z', 'z', '', '-00:00'),
    fc.tuple(fc.constantFrom('+', '-'), two, two).map(([s, h, m]) => `${s}${h}:${m}`),
  );
  const text = fc
    .tuple(fc.integer({ min: 1969, max: 2040 }), two, two, two, two, two, zone)
    .map(([year, month, day, hour, minute, second, z]) => `${year}-${month}-${day}T${hour}:${minute}:${second}${z}`);
  fc.assert(
    fc.property(text, (written) => {
      const instant = readInstant(written);
      if (instant !== undefined) expect(instant).toBe(Date.parse(written));
    }),
    { numRuns: 20_000 },
  );
});

test('offsets move the instant, and parts of a millisecond are dropped', () => {
  const noon = Date.UTC(2026, 10, 23, 12);
  expect(readInstant('2026-11-23T12:00:00Z')).toBe(noon);
  expect(readInstant('2026-11-23T13:30:00+01:30')).toBe(noon);
  expect(readInstant('2026-11-23T00:00:00-12:00')).toBe(noon);
  expect(readInstant('2026-11-23T12:00:00.1Z')).toBe(noon + 100);
  expect(readInstant('2026-11-23T12:00:00.123999999Z')).toBe(noon + 123);
  expect(readInstant('2024-02-29T00:00:00Z')).toBe(Date.UTC(2024, 1, 29));
});

test.each([
  '2025-02-30T00:00:00Z',
  '2025-02-29T00:00:00Z',
  '2025-04-31T00:00:00Z',
  '2025-00-10T00:00:00Z',
  '2025-13-10T00:00:00Z',
  '2025-01-00T00:00:00Z',
  '2025-01-01T24:00:00Z',
  '2025-01-01T00:60:00Z',
  '2016-12-31T23:59:60Z',
  '2025-01-01T00:00:00',
  '2025-01-01T00:00:00+24:00',
  '2025-01-01T00:00:00+01:60',
  '2025-01-01T00:00:00+0100',
  '2025-01-01T00:00:00.Z',
  '2025-01-01T00:00:00.1234567890Z',
  '2025-01-01t00:00:00z',
  '2025-01-01 00:00:00Z',
  '2025-01-01',
  '1969-12-31T23:59:59Z',
  '1970-01-01T00:00:00+00:01',
  '9999-12-31T23:59:59Z',
  '+275760-09-13T00:00:00Z',
  '-2025-01-01T00:00:00Z',
  ' 2025-01-01T00:00:00Z',
  '2025-01-01T00:00:00Z\n',
  '٢٠٢٥-01-01T00:00:00Z',
  '1735689600',
  'NaN',
  '',
])('%j is no instant', (text) => {
  expect(readInstant(text)).toBeUndefined();
});
