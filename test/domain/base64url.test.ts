// The strict base64url reader: one spelling per value, nothing skipped.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBase64Url } from '../../src/domain/base64url.ts';

test('every non-empty byte string is read back from its base64url', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
      expect(Buffer.from(readBase64Url(Buffer.from(bytes).toString('base64url')) ?? [])).toEqual(Buffer.from(bytes));
    }),
  );
});

test('what is read has no other spelling', () => {
  const alphabet = [...'ABYZabyz019-_+/= \n.'];
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 12 }), (text) => {
      const bytes = readBase64Url(text);
      if (bytes) expect(Buffer.from(bytes).toString('base64url')).toBe(text);
    }),
    { numRuns: 5_000 },
  );
});

test.each([
  ['nothing', ''],
  ['padding', 'YQ=='],
  ['characters of the other alphabet', '+/+/'],
  ['a line break', 'YWJj\n'],
  ['a space', ' YWJj'],
  ['junk', 'YW*Jj'],
  ['loose trailing bits', 'YR'],
  ['an impossible length', 'YWJjZ'],
])('%s is refused', (_, text) => {
  expect(readBase64Url(text)).toBeUndefined();
});
