// The strict address reader, compared with the checksum of the published viem.
import fc from 'fast-check';
import { getAddress } from 'viem';
import { expect, test } from 'vitest';
import { readEvmAddress } from '../../src/domain/evm-address.ts';

const hex = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 40, maxLength: 40 });

test('lower case, upper case and the right checksum are one address', () => {
  fc.assert(
    fc.property(hex, (digits) => {
      const canonical = `0x${digits}` as const;
      expect(readEvmAddress(canonical)).toBe(canonical);
      expect(readEvmAddress(`0x${digits.toUpperCase()}`)).toBe(canonical);
      expect(readEvmAddress(getAddress(canonical))).toBe(canonical);
    }),
    { numRuns: 500 },
  );
});

test('one letter in the other case breaks the checksum', () => {
  fc.assert(
    fc.property(hex, fc.nat(39), (digits, at) => {
      const good = getAddress(`0x${digits}`);
      const letter = good.charAt(at + 2);
      const other = letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase();
      const bad = good.slice(0, at + 2) + other + good.slice(at + 3);
      const oneCase = bad.slice(2) === bad.slice(2).toLowerCase() || bad.slice(2) === bad.slice(2).toUpperCase();
      fc.pre(letter !== other && !oneCase);
      expect(readEvmAddress(bad)).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['the prefix 0X', '0X833589fCD6eDb6E08f4c7C32D4f71b54bdA02913'],
  ['no prefix', '833589fcd6edb6e08f4c7c32d4f71b54bda02913'],
  ['19 bytes', `0x${'ab'.repeat(19)}`],
  ['21 bytes', `0x${'ab'.repeat(21)}`],
  ['a name', 'vitalik.eth'],
  ['a space behind', `0x${'ab'.repeat(20)} `],
  ['a line break behind', `0x${'ab'.repeat(20)}\n`],
  ['full-width digits', `0x${'ａｂ'.repeat(20)}`],
  ['nothing', ''],
])('%s is no address', (_, text) => {
  expect(readEvmAddress(text)).toBeUndefined();
});
