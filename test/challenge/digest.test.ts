// The body digest of a challenge: it holds, it does not, or nobody here can say.
import { createHash } from 'node:crypto';
import { BodyDigest } from 'mppx';
import { expect, test } from 'vitest';
import { checkDigest, readDigest } from '../../src/challenge/digest.ts';

const BODY = Buffer.from('{"q":"weather"}');
const of = (algorithm: 'sha256' | 'sha512' | 'md5', body: Uint8Array = BODY) =>
  createHash(algorithm).update(body).digest('base64');
const code = (digest: string | null, body: Uint8Array = BODY) => checkDigest({ digest }, body)?.code;

test('without a digest any body will do', () => {
  expect(code(null)).toBeUndefined();
});

test('the digest of the body holds, alone or beside others', () => {
  expect(code(`sha-256=:${of('sha256')}:`)).toBeUndefined();
  expect(code(`sha-512=:${of('sha512')}:`)).toBeUndefined();
  expect(code(`md5=:${of('md5')}:,\tsha-256=:${of('sha256')}: , sha-512=:${of('sha512')}:`)).toBeUndefined();
  expect(code(`sha-256=:${of('sha256', Buffer.of())}:`, Buffer.of())).toBeUndefined();
});

test('CHAL-36: the digest of another body is a mismatch, also when another one holds', () => {
  const other = Buffer.from('{"q":"gold"}');
  expect(code(`sha-256=:${of('sha256', other)}:`)).toBe('challenge_mismatch');
  expect(code(`sha-512=:${of('sha512', other)}:`)).toBe('challenge_mismatch');
  expect(code(`sha-256=:${of('sha256')}:, sha-512=:${of('sha512', other)}:`)).toBe('challenge_mismatch');
  expect(code(`sha-256=:${of('sha256')}:`, Buffer.of())).toBe('challenge_mismatch');
});

test('CHAL-36: algorithms that prove nothing are not enough', () => {
  expect(code(`md5=:${of('md5')}:`)).toBe('challenge_unsupported');
  expect(code('unixsum=:AGE=:')).toBe('challenge_unsupported');
});

test('the reference implementation’s own spelling is read', () => {
  expect(code(BodyDigest.compute(BODY.toString()))).toBeUndefined();
  expect(code(BodyDigest.compute('other'))).toBe('challenge_mismatch');
});

test.each([
  '',
  'sha-256',
  'sha-256=',
  'sha-256=::',
  `sha-256=:${of('sha512')}:`,
  `sha-512=:${of('sha256')}:`,
  `sha-256=:${of('sha256').replace('=', '')}:`,
  `sha-256=:${of('sha256').replaceAll('+', '-').replaceAll('/', '_')}-:`,
  `sha-256=:${of('sha256')}`,
  `SHA-256=:${of('sha256')}:`,
  `sha-256=:${of('sha256')}:,`,
  `sha-256=:${of('sha256')}:;a=b`,
  `sha-256=:${of('sha256')}:, sha-256=:${of('sha256')}:`,
  `sha-256=${of('sha256')}, sha-512=:${of('sha512')}:`,
  `sha-256=:${of('sha256').slice(0, -2)}R=:`,
  'md5=123',
])('CHAL-36: %j is no digest', (digest) => {
  expect(readDigest(digest)).toBeUndefined();
  expect(code(digest)).toBe('challenge_malformed');
});
