// The example works unchanged, and so does everything that stands in it commented out.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { check } from '../../src/command/check.ts';
import { loadConfig } from '../../src/config/load.ts';
import { SECTIONS } from '../../src/config/sections.ts';
import { folderWith } from './folder.ts';

const root = new URL('../..', import.meta.url).pathname;
const example = readFileSync(join(root, 'config.example.yaml'), 'utf8');
const policies = Object.fromEntries(
  ['agents.yaml', 'spending.yaml'].map((name) => [
    `policies/${name}`,
    readFileSync(join(root, 'policies', name), 'utf8'),
  ]),
);

function checked(text: string) {
  const folder = folderWith({ 'config.yaml': text, ...policies });
  const said: string[] = [];
  const io = { out: (line: string) => said.push(line), err: (line: string) => said.push(line), env: {} };
  const options = { config: join(folder, 'config.yaml'), json: false, withoutSecrets: false };
  return check(options, io).then((code) => ({ code, said: said.join('') }));
}

test('purser check finds nothing wrong with the example and its policies', async () => {
  const { code, said } = await checked(example);
  expect(said).toContain('(0 errors, 0 warnings)');
  expect(code).toBe(0);
});

test('purser check tells the problems of configuration and policies together and answers 1', async () => {
  const { code, said } = await checked(
    example.replace('drain: 25s', 'drian: 25s').replace('id: usd.sandbox', 'id: usd'),
  );
  expect(said).toMatch(/config\.yaml:\d+:3 {2}limits\.drian {2}is not a known key; did you mean `drain`/);
  expect(said).toMatch(/spending\.yaml:\d+:\d+ {2}entitlements\[0\]\.assets\[0\] {2}there is no asset of this name/);
  expect(code).toBe(1);
});

test('the example names every section', () => {
  const { config } = loadConfig(join(root, 'config.example.yaml'), { env: {}, secrets: 'skip' });
  expect(config?.services[0]?.origin).toBe('http://127.0.0.1:8410');
  for (const section of SECTIONS) expect(new RegExp(`^${section}:`, 'm').test(example)).toBe(true);
});

test('the set-up that is commented out is valid as well', () => {
  const certificate = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n';
  const real = example
    .replace(/^# yaml-language-server: .*\n/, '')
    .replace(/^ {2}development: true.*\n/m, '')
    .replace(/^ {2}- \{ id: usd\.sandbox.*\n/m, '')
    .replace(/^ {2}- id: play\n(?: {4}.*\n)+/m, '')
    .replace('store: embedded', 'store: redis')
    .replace(/^ {2}tokens: \[\].*\n/m, '')
    .replace(/^networks: \[\]/m, 'networks:')
    .replace(/^witnesses: \[\]/m, 'witnesses:')
    .replace(/^( *)# (?=( *)[-{a-z}][^\n]*[:\]}])/gm, '$1')
    .replace(/^( *)tlsAhead: true.*\n/m, '')
    .replace(/^ *(Off loopback|Take `dev).*\n/gm, '')
    .replace('"<hex of the token\'s SHA-256>"', `"${'ab'.repeat(32)}"`)
    .replace('"<hex of the token\'s SHA-256>"', `"${'cd'.repeat(32)}"`);
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const folder = folderWith({
    'config.yaml': real,
    'tls/cert.pem': certificate,
    'tls/key.pem': String(key),
    'idp-ca.pem': certificate,
    'weather-ca.pem': certificate,
    'node-ca.pem': certificate,
    'witness-ca.pem': certificate,
  });
  const keys = { EVM_PRIVATE_KEY: '12'.repeat(32), PURSER_SHARED_KEY: '34'.repeat(32) };
  const env = { ...keys, BASE_RPC_URL: 'https://node.example/v1/key' };
  const { config, problems } = loadConfig(join(folder, 'config.yaml'), { env, secrets: 'read' });
  expect(problems).toEqual([]);
  expect(config?.wallets.map(({ rail }) => rail)).toEqual(['evm']);
  expect(config?.networks.map(({ id }) => id)).toEqual(['eip155:8453']);
  expect(config?.services.map(({ id }) => id)).toEqual(['shop', 'weather']);
  expect(config?.operators.tokens).toHaveLength(2);
  expect(config?.budgets).toMatchObject({ store: 'redis', namespace: 'purser', replicas: 0 });
});
