// Claims are keyed hashes: equal for equal purchases, different for everything else, and they give nothing away.
import { expect, test } from 'vitest';
import { ClaimHasher } from '../../src/budget/claims.ts';

const claim = { subject: '["i","a"]', key: 'k', fingerprint: 'f', saysRetry: false };
const paid = (identity: string) => ({ network: 'sandbox', identity });
const hasher = new ClaimHasher(new Uint8Array(32).fill(1));
const names = hasher.hold(claim, 'shop', 'challenge', paid('payment'));

test('equal purchases have equal names under one key, and others under another', () => {
  expect(new ClaimHasher(new Uint8Array(32).fill(1)).hold(claim, 'shop', 'challenge', paid('payment'))).toEqual(names);
  const other = new ClaimHasher(new Uint8Array(32).fill(2)).hold(claim, 'shop', 'challenge', paid('payment'));
  for (const [name, value] of Object.entries(other)) expect(Object.values(names), name).not.toContain(value);
});

test('what must differ differs, and no two kinds of names can meet', () => {
  const others = [
    hasher.hold({ ...claim, subject: '["i","b"]' }, 'shop', 'challenge', paid('payment')),
    hasher.hold({ ...claim, key: 'f', fingerprint: 'k' }, 'shop2', 'challenge2', paid('payment2')),
  ];
  expect(others[0]?.key).not.toBe(names.key);
  expect(others[0]?.repeat).not.toBe(names.repeat);
  expect(others[0]?.pair).not.toBe(names.pair);
  expect(others[0]?.challenge).toBe(names.challenge);
  expect(new Set([...Object.values(names), ...Object.values(others[1] ?? {})]).size).toBe(10);
  expect(hasher.hold(claim, 'a', 'b', paid('x')).challenge).not.toBe(
    hasher.hold(claim, 'a","b', '', paid('x')).challenge,
  );
  const surrogates = ['\ud800', '\ud801'].map((key) => hasher.purchase({ ...claim, key }).key);
  expect(surrogates[0]).not.toBe(surrogates[1]);
});

test('without a key there is no name for one; a shared key of another length is refused', () => {
  expect(hasher.purchase({ ...claim, key: null }).key).toBeNull();
  expect(() => new ClaimHasher(new Uint8Array(31))).toThrow(RangeError);
});
