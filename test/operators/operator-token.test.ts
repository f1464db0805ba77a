// The generated token: made once, for its owner alone.
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { operatorToken, readOperatorToken } from '../../src/operators/operator-token.ts';

const folder = () => mkdtempSync(join(tmpdir(), 'purser-operator-token-'));

test('a token is made at first, mode 0600, and is the same from then on', async () => {
  const dir = folder();
  expect(await readOperatorToken(dir)).toBeUndefined();
  const made = await operatorToken(dir);
  const file = join(dir, 'operator-token');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const secret = readFileSync(file, 'utf8').trim();
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
  expect(made).toEqual({
    name: 'local',
    sha256: createHash('sha256').update(secret).digest('hex'),
    readOnly: false,
    localOnly: true,
  });
  expect(await operatorToken(dir)).toEqual(made);
  expect(await readOperatorToken(dir)).toBe(secret);
});

test('a token file that others can read, that is a link, or that holds something else is refused', async () => {
  const open = folder();
  await operatorToken(open);
  chmodSync(join(open, 'operator-token'), 0o604);
  await expect(operatorToken(open)).rejects.toThrow('chmod 600');
  const linked = folder();
  writeFileSync(join(linked, 'x'), 'a'.repeat(43), { mode: 0o600 });
  symlinkSync(join(linked, 'x'), join(linked, 'operator-token'));
  await expect(operatorToken(linked)).rejects.toThrow();
  const empty = folder();
  writeFileSync(join(empty, 'operator-token'), '', { mode: 0o600 });
  await expect(operatorToken(empty)).rejects.toThrow('no operator token');
});

test('a token file that a mount opened to the own group is read', async () => {
  const dir = folder();
  const made = await operatorToken(dir);
  chmodSync(join(dir, 'operator-token'), 0o660);
  expect(await operatorToken(dir)).toEqual(made);
});

test.runIf(process.getuid?.() === 0)('a token file that a foreign group can write is refused', async () => {
  const dir = folder();
  await operatorToken(dir);
  chownSync(join(dir, 'operator-token'), 0, 12_345);
  chmodSync(join(dir, 'operator-token'), 0o660);
  await expect(operatorToken(dir)).rejects.toThrow('a group this process is not in can write it');
});
