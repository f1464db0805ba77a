// Where the generated token is accepted, which cannot be seen from a loopback listener.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { judgeHost, judgeToken } from '../../src/operators/guard.ts';

const SECRET = 'local-secret-0123456789';
const sha256 = createHash('sha256').update(SECRET).digest('hex');

test.each([
  ['127.0.0.1', 'local'],
  ['127.1.2.3', 'local'],
  ['::1', 'local'],
  ['::ffff:127.0.0.1', 'local'],
  ['10.0.0.7', 'token_local_only'],
  ['::ffff:10.0.0.7', 'token_local_only'],
  ['fe80::1', 'token_local_only'],
  ['', 'token_local_only'],
])('the generated token shown from "%s"', (from, expected) => {
  const tokens = [{ name: 'local', sha256, readOnly: false, localOnly: true }];
  const result = judgeToken(tokens, { method: 'POST', authorization: `Bearer ${SECRET}`, from });
  expect('code' in result ? result.code : result.name).toBe(expected);
});

test('a listener off loopback answers to whatever name its operator gave it', () => {
  expect(judgeHost({ host: 'purser.example:8403' }, '0.0.0.0')).toBeUndefined();
  expect(judgeHost({ host: 'purser.example:8403' }, '127.0.0.1')).toBeDefined();
});
