// Files that money depends on and others could read or change are refused.

import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { folderWith } from './folder.ts';

const asRoot = process.getuid?.() === 0;
const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const CONFIG = `identity: { development: true }
assets: [ { id: usd, network: sandbox, token: usd, decimals: 2, value: "1 USD" } ]
wallets: [ { id: play, rail: sandbox, key: { file: key.pem } } ]
`;

function load(prepare: (folder: string) => void) {
  const folder = folderWith({ 'c.yaml': CONFIG, 'key.pem': pem });
  prepare(folder);
  return { folder, ...loadConfig(join(folder, 'c.yaml'), { env: {}, secrets: 'read' }) };
}

test('CONF-15 a secret that others could read is refused with the fix, and left as it is', () => {
  const { folder, config, problems } = load((folder) => chmodSync(join(folder, 'key.pem'), 0o644));
  expect(config).toBeUndefined();
  expect(problems[0]).toMatchObject({ severity: 'error', path: 'wallets[0].key', line: 3 });
  expect(problems[0]?.message).toContain('chmod 600');
  expect(statSync(join(folder, 'key.pem')).mode & 0o777).toBe(0o644);
});

test('CONF-15 a secret that our own group can read is accepted, as mounts have it', () => {
  const { config } = load((folder) => chmodSync(join(folder, 'key.pem'), 0o440));
  expect(config).toBeDefined();
});

test.runIf(asRoot)('CONF-15 a secret of somebody else that others can read is refused', () => {
  const { config, problems } = load((folder) => {
    chmodSync(join(folder, 'key.pem'), 0o644);
    chownSync(join(folder, 'key.pem'), 12_345, 12_345);
  });
  expect(config).toBeUndefined();
  expect(problems[0]).toMatchObject({ severity: 'error', path: 'wallets[0].key' });
  expect(problems[0]?.message).toContain('chmod 600');
});

test.runIf(asRoot)('CONF-15 a state folder that a foreign group can write is refused', () => {
  const { problems } = load((folder) => {
    mkdirSync(join(folder, 'var'));
    chownSync(join(folder, 'var'), 12_345, 12_345);
    chmodSync(join(folder, 'var'), 0o770);
  });
  expect(problems[0]).toMatchObject({ path: 'state.dir', severity: 'error' });
});

test('CONF-15 a configuration that anybody can change is not used', () => {
  const { config, problems } = load((folder) => chmodSync(join(folder, 'c.yaml'), 0o666));
  expect(config).toBeUndefined();
  expect(problems[0]?.message).toContain('chmod');
});
