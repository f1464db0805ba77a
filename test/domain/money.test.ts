// Money is exact: properties of the readers and of the one division, against BigInt arithmetic done another way.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatMicros,
  MAX_LIMIT_UNITS,
  MAX_MICROS,
  microsOfAtoms,
  microsOfDecimal,
  readDecimal,
  readMoney,
} from '../../src/domain/money.ts';

const decimalText = fc
  .tuple(fc.bigInt({ min: 0n, max: 10n ** 29n }), fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 18 }))
  .map(([whole, fraction]) => (fraction === '' ? `${whole}` : `${whole}.${fraction}`));

test('a decimal is read exactly, and nothing that only looks like one is read at all', () => {
  fc.assert(
    fc.property(decimalText, (text) => {
      const read = readDecimal(text);
      const [whole = '', fraction = ''] = text.split('.');
      expect(read?.scale).toBe(fraction.length);
      expect(read?.digits).toBe(BigInt(whole) * 10n ** BigInt(fraction.length) + BigInt(fraction || '0'));
    }),
  );
  for (const bad of ['', ' 1', '1 ', '+1', '-1', '01', '1.', '.5', '1e3', '0x10', '1_000', '1,5', '١', 'NaN', '1\n']) {
    expect(readDecimal(bad), JSON.stringify(bad)).toBeUndefined();
  }
});

test('money needs one space and a currency of three capitals', () => {
  expect(readMoney('0.25 USD')).toEqual({ amount: { digits: 25n, scale: 2 }, currency: 'USD' });
  for (const bad of [
    '0.25',
    '0.25USD',
    '0.25  USD',
    '0.25 usd',
    'USD 0.25',
    '0.25 USDC',
    '-1 USD',
    '1 USD ',
    '..5 USD',
  ]) {
    expect(readMoney(bad), bad).toBeUndefined();
  }
});

test('micro-units of a decimal are exact or none', () => {
  expect(microsOfDecimal({ digits: 25n, scale: 2 })).toBe(250_000n);
  expect(microsOfDecimal({ digits: 1n, scale: 7 })).toBeUndefined();
  expect(microsOfDecimal({ digits: 10n, scale: 7 })).toBe(1n);
});

test('written micro-units read back as the same amount', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: MAX_MICROS }), (micros) => {
      const text = formatMicros(micros);
      expect(text).toMatch(/^[0-9]+\.[0-9]{6}$/);
      const read = readDecimal(text);
      expect(read && microsOfDecimal(read)).toBe(micros);
    }),
  );
});

test('MONEY-03 a payment is rounded up once, against the payer, by less than one micro-unit', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1n, max: 10n ** 77n }),
      fc.bigInt({ min: 1n, max: 10n ** 20n }),
      fc.nat(18),
      fc.nat(36),
      (atoms, digits, scale, decimals) => {
        const micros = microsOfAtoms(atoms, { digits, scale }, decimals);
        const exact = atoms * digits * 1_000_000n;
        const unit = 10n ** BigInt(decimals + scale);
        expect(micros * unit >= exact).toBe(true);
        expect((micros - 1n) * unit < exact).toBe(true);
      },
    ),
  );
  // 0.004 cents a million times: 40 USD to the last micro-unit.
  expect(microsOfAtoms(40n, { digits: 1n, scale: 0 }, 6) * 1_000_000n).toBe(40_000_000n);
});

test('MONEY-04 wei amounts beyond int64 and doubles are exact, and the largest limit fits every store', () => {
  expect(microsOfAtoms(9_223_372_036_854_775_808n, { digits: 1n, scale: 0 }, 18)).toBe(9_223_373n);
  expect(microsOfAtoms(10n ** 30n + 1n, { digits: 1n, scale: 0 }, 18)).toBe(10n ** 18n + 1n);
  expect(MAX_LIMIT_UNITS * 1_000_000n <= MAX_MICROS).toBe(true);
  expect((MAX_LIMIT_UNITS + 1n) * 1_000_000n > MAX_MICROS).toBe(true);
});

test('MONEY-07 the decimals of the asset decide what atoms are worth', () => {
  const one = { digits: 1n, scale: 0 };
  expect(formatMicros(microsOfAtoms(5000n, one, 2))).toBe('50.000000');
  expect(formatMicros(microsOfAtoms(5000n, one, 0))).toBe('5000.000000');
  expect(formatMicros(microsOfAtoms(5000n, one, 3))).toBe('5.000000');
});
