// The readers of units take what is written as the manual says and nothing else.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endOfDay, isTimeZone, money, readDuration, readRate, readSize } from '../../src/yaml/units.ts';

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

test('a duration is its number times its unit', () => {
  fc.assert(
    fc.property(fc.nat(999_999_999), fc.constantFrom(...Object.entries(UNITS)), (number, [unit, ms]) => {
      expect(readDuration(`${number}${unit}`)).toBe(number * ms);
    }),
  );
});

test('sizes and rates likewise', () => {
  expect(readSize('16KiB')).toBe(16_384);
  expect(readSize('1MiB')).toBe(1_048_576);
  expect(readRate('1000/m')).toEqual({ count: 1000, periodMs: 60_000 });
});

test('no reader of units takes a text of another form', () => {
  const forms = [
    /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/,
    /^(0|[1-9][0-9]{0,5})(B|KiB|MiB|GiB)$/,
    /^[1-9][0-9]{0,8}\/[smh]$/,
  ];
  const readers = [readDuration, readSize, readRate];
  const near = fc.string({ unit: fc.constantFrom(...'0159.-+ mshdKiBMG/e\n٣'), maxLength: 8 });
  fc.assert(
    fc.property(near, fc.nat(2), (text, index) => {
      const form = forms[index];
      expect(readers[index]?.(text) !== undefined).toBe(form?.test(text) === true && !text.endsWith('\n'));
    }),
    { numRuns: 2_000 },
  );
});

test('MONEY-04 a limit has at most six decimals and 9,007,199,254 units', () => {
  expect(money.parse('9007199254 USD')).toEqual({ micros: 9_007_199_254_000_000n, currency: 'USD' });
  for (const bad of ['9007199255 USD', '0.0000001 USD', '5', 5, '5 usd', '1e3 USD', '-1 USD', null]) {
    expect(money.safeParse(bad).success, String(bad)).toBe(false);
  }
});

test('a day ends where the next one begins in its zone, also when clocks change', () => {
  expect(endOfDay('2027-01-31', 'UTC')).toBe(Date.UTC(2027, 1, 1));
  expect(endOfDay('2026-10-25', 'Europe/Berlin')).toBe(Date.UTC(2026, 9, 25, 23));
  for (const bad of ['2027-02-30', '2027-2-3', '27-01-31', '2027-01-31T00:00', 'tomorrow']) {
    expect(endOfDay(bad, 'UTC'), bad).toBeUndefined();
  }
});

test('a time zone is a name of the tz database', () => {
  expect(isTimeZone('Europe/Berlin') && isTimeZone('UTC')).toBe(true);
  expect(isTimeZone('+02:00') || isTimeZone('Mars/Olympus') || isTimeZone('')).toBe(false);
});
