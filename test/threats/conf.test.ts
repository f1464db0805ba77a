// Configurations and policies that must not start: through `purser check` and `purser serve` as people run them, with
// every problem at once as file:line:col, the fix in words, exit code 1 and nothing started.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { purser, until } from './observables.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const CONFIG = `listen: { agents: "127.0.0.1:0", operators: "127.0.0.1:0" }
identity: { development: true }
services:
  - { id: shop, upstream: "http://127.0.0.1:9", allowPrivateNetwork: true }
assets:
  - { id: usd.sandbox, network: sandbox, token: usd, decimals: 2, value: "1 USD" }
wallets:
  - { id: play, rail: sandbox, key: { file: sandbox.pem } }
`;

function folderOf(config: string, policies: Readonly<Record<string, string>> = { 'policy.yaml': policy() }): string {
  const folder = mkdtempSync(join(tmpdir(), 'purser-conf-'));
  folders.push(folder);
  writeFileSync(join(folder, 'config.yaml'), config);
  mkdirSync(join(folder, 'policies'));
  for (const [name, text] of Object.entries(policies)) writeFileSync(join(folder, 'policies', name), text);
  return folder;
}

/** Runs `check` and `serve` on it; both must say no, with the same problems, and nothing may have been started. */
async function rejected(folder: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const config = ['--config', join(folder, 'config.yaml')];
  const state = () => (existsSync(join(folder, 'var')) ? readdirSync(join(folder, 'var')) : null);
  const before = state();
  const [checked, served] = await Promise.all([purser(['check', ...config], env), purser(['serve', ...config], env)]);
  expect([checked.code, served.code], checked.out + served.err).toEqual([1, 1]);
  expect(served.out).toBe('');
  expect(state()).toEqual(before);
  const lines = served.err
    .replaceAll('purser: ', '')
    .split('\n')
    .filter((line) => /:\d+:\d+ /.test(line));
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(checked.out).toContain(line);
  return checked.out.replaceAll(`${folder}/`, '');
}

test('CONF-02, CONF-03, CONF-14: prototype keys, keys twice and tags are refused where they stand', async () => {
  const folder = folderOf(`${CONFIG}__proto__: { polluted: true }
constructor: { prototype: { polluted: true } }
limits: { drain: 5s, drain: 6s }
state: &s { <<: { __proto__: { polluted: true } }, dir: !!js/function "x" }
`);
  const problems = await rejected(folder);
  expect(problems).toMatch(/^config\.yaml:9:1 {2}__proto__ {2}`__proto__` cannot be a key; choose another$/m);
  expect(problems).toMatch(/^config\.yaml:10:1 {2}constructor {2}`constructor` cannot be a key; choose another$/m);
  expect(problems).toMatch(/^config\.yaml:11:22 {2}limits\.drain {2}stands twice, first on line 11; keep one$/m);
  expect(problems).toMatch(/^config\.yaml:12:\d+ {2}state\.__proto__ {2}`__proto__` cannot be a key; choose another$/m);
  expect(problems).toMatch(/^config\.yaml:12:\d+ {2}state\.dir {2}YAML tags \(.*js\/function\) are not allowed/m);
});

test('CONF-03: what stands twice, also in two files, is refused with both places', async () => {
  const twice = policy().replace('limit: 10.00 USD', 'limit: 10.00 USD, limit: 99 USD');
  const again =
    'agents:\n  - { id: buyer-1, owner: x@x.test }\nbudgets:\n  - { id: purse, limit: 1 USD, window: day, per: all }\n';
  const problems = await rejected(folderOf(CONFIG, { 'a.yaml': policy(), 'b.yaml': again, 'c.yaml': twice }));
  expect(problems).toMatch(/^policies\/b\.yaml:2:11 {2}agents\[0\]\.id {2}stands twice, first at policies\/a\.yaml:2/m);
  expect(problems).toMatch(
    /^policies\/b\.yaml:4:11 {2}budgets\[0\]\.id {2}stands twice, first at policies\/a\.yaml:5/m,
  );
  expect(problems).toMatch(/^policies\/c\.yaml:5:\d+ {2}budgets\[0\]\.limit {2}stands twice, first on line 5/m);
});

test('CONF-05: misspelt and misplaced keys of both files are told at once, with the word that was meant', async () => {
  const config = `${CONFIG.replace('upstream:', 'upstraem:')}unsettled: 3\nbudgets: { store: sqlite }\n`;
  const bad = policy({ more: 'limits: {}\n' })
    .replace('limit: 10', 'limitt: 10')
    .replace('window: day', 'Daily: 5')
    .replace('team: research', 'taem: research');
  const problems = await rejected(folderOf(config, { 'policy.yaml': bad }));
  for (const expected of [
    /^config\.yaml:4:17 {2}services\[0\]\.upstraem {2}is not a known key; did you mean `upstream`/m,
    /^config\.yaml:9:1 {2}unsettled {2}is not a known key/m,
    /^config\.yaml:10:19 {2}budgets\.store {2}must be one of embedded, redis; did you mean `embedded`/m,
    /^policies\/policy\.yaml:2:\d+ {2}agents\[0\]\.taem {2}is not a known key; did you mean `team`/m,
    /^policies\/policy\.yaml:5:\d+ {2}budgets\[0\]\.limitt {2}is not a known key; did you mean `limit`/m,
    /^policies\/policy\.yaml:5:\d+ {2}budgets\[0\]\.Daily {2}is not a known key; did you mean `window: day`/m,
    /^policies\/policy\.yaml:\d+:1 {2}limits {2}is not a known key; did you mean `budgets`/m,
  ]) {
    expect(problems).toMatch(expected);
  }
});

test('CONF-11: a host that can be spelt in two ways is refused with the one spelling', async () => {
  const hosts = ['https://bücher.example', 'https://EXAMPLE.com', 'https://example.com.', 'https://example。com'];
  const more = ['https://127.1', 'https://2130706433', 'https://0x7f.1', 'https://[::ffff:7f00:1]:1/a/../b'];
  const services = [...hosts, ...more].map((upstream, n) => `  - { id: s${n}, upstream: "${upstream}" }\n`).join('');
  const problems = await rejected(folderOf(CONFIG.replace('assets:', `${services}assets:`)));
  for (const n of [...hosts, ...more].keys()) {
    expect(problems).toMatch(new RegExp(`^config\\.yaml:${5 + n}:\\d+  services\\[${n + 1}\\]\\.upstream  `, 'm'));
  }
  expect(problems).toContain('write xn--bcher-kva.example');
  expect(problems).toContain('write example.com');
  expect(problems).toContain('write 127.0.0.1');
});

test('CONF-14: no include, and no text of the environment in values', async () => {
  const included = await rejected(folderOf(`include: /etc/passwd\n${CONFIG}`, { 'p.yaml': `include: x\n${policy()}` }));
  expect(included).toMatch(/^config\.yaml:1:1 {2}include {2}is not a known key/m);
  expect(included).toMatch(/^policies\/p\.yaml:1:1 {2}include {2}is not a known key/m);
  const written = `${CONFIG.replace('"http://127.0.0.1:9"', '"$' + '{UPSTREAM}"')}`;
  const problems = await rejected(folderOf(written), { UPSTREAM: 'https://evil.example' });
  expect(problems).toMatch(/^config\.yaml:4:\d+ {2}services\[0\]\.upstream {2}must be an address/m);
});

test('CONF-15: a policy that anybody can change and a shared state folder are refused with the fix', async () => {
  const folder = folderOf(CONFIG);
  const file = join(folder, 'policies', 'policy.yaml');
  chmodSync(file, 0o666);
  expect(await rejected(folder)).toMatch(/^policies\/policy\.yaml:1:1 {2}can be changed by anybody; run: chmod o-w /m);
  chmodSync(file, 0o644);
  chmodSync(join(folder, 'policies'), 0o777);
  expect(await rejected(folder)).toMatch(/^\S*policies:1:1 {2}can be changed by anybody; run: chmod o-w /m);
  chmodSync(join(folder, 'policies'), 0o755);
  mkdirSync(join(folder, 'var'));
  chmodSync(join(folder, 'var'), 0o1777);
  expect(await rejected(folder)).toMatch(/config\.yaml:1:1 {2}state\.dir {2}.*var is not safe: .*sticky.*mode 0700/m);
});

test('CONF-15: a key that others can read is refused with the fix, and not touched', async () => {
  const folder = folderOf(CONFIG);
  const { generateKeyPairSync } = await import('node:crypto');
  const key = join(folder, 'sandbox.pem');
  writeFileSync(key, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o644,
  });
  expect(await rejected(folder)).toMatch(/:8:\d+ {2}wallets\[0\]\.key {2}.*is open to others; run: chmod 600 /);
  expect(statSync(key).mode & 0o777).toBe(0o644);
});

test('CONF-17: switches that would turn safety off do not exist, and open listeners need TLS', async () => {
  const config = CONFIG.replace('agents: "127.0.0.1:0"', 'agents: "0.0.0.0:8402"').replace(
    'allowPrivateNetwork: true',
    'allowPrivateNetwork: true, tls_verify: false, allow_private: true',
  );
  const problems = await rejected(folderOf(`${config}audit: off\nfail_open: true\nledger: { audit: off }\n`));
  expect(problems).toMatch(/^config\.yaml:1:\d+ {2}listen\.agents {2}.*needs listen\.tls, or tlsAhead/m);
  expect(problems).toMatch(/^config\.yaml:4:\d+ {2}services\[0\]\.tls_verify {2}is not a known key/m);
  expect(problems).toMatch(/^config\.yaml:4:\d+ {2}services\[0\]\.allow_private {2}is not a known key/m);
  for (const [line, key] of [
    [9, 'audit'],
    [10, 'fail_open'],
    [11, 'ledger'],
  ]) {
    expect(problems).toMatch(new RegExp(`^config\\.yaml:${line}:1  ${key}  is not a known key`, 'm'));
  }
});

test('CONF-18: play money and the development issuer do not stand beside a wallet of a real rail', async () => {
  const domain = 'value: "1 USD", eip712: { name: "USD Coin", version: "2" }';
  const token = '"0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"';
  const asset = `  - { id: usdc, network: "eip155:8453", token: ${token}, decimals: 6, ${domain} }\n`;
  const wallet = '  - { id: treasury, rail: evm, key: { env: EVM_KEY }, networks: ["eip155:8453"] }\n';
  const real = `${CONFIG.replace('wallets:', `${asset}wallets:`)}${wallet}`;
  const problems = await rejected(folderOf(real), { EVM_KEY: 'ab'.repeat(32) });
  expect(problems).toMatch(
    /^config\.yaml:2:\d+ {2}identity\.development {2}cannot be true beside a wallet of a real rail/m,
  );
  expect(problems).toMatch(/^config\.yaml:9:\d+ {2}wallets\[0\]\.rail {2}a sandbox wallet cannot stand beside/m);
  expect(problems).not.toContain('abab');
});

test('a feature that is not built is an error, and a word the command does not know is bad usage', async () => {
  const later = `${CONFIG.replace('rail: sandbox', 'rail: stripe')}`;
  const problem = /^config\.yaml:8:\d+ {2}wallets\[0\]\.rail {2}.*not in this version/m;
  expect(await rejected(folderOf(later))).toMatch(problem);
  expect((await purser(['check', '--nonsense'])).code).toBe(2);
  expect((await purser(['check', '--config', '/nowhere/config.yaml'])).code).toBe(1);
});

let gateway: TestGateway | undefined;
let shop: HostileMerchant | undefined;
afterAll(async () => {
  await gateway?.close();
  await shop?.close();
});

const REST = 'assets: [usd.sandbox], payees: [acme], budgets: [purse]';
const rule = (id: string, requests: string, ceiling: string): string =>
  `  - { id: ${id}, agents: { id: "buyer-*" }, services: [shop], requests: ${requests}, ${REST}, ceiling: ${ceiling} }`;
const RULES = `agents:
  - { id: buyer-1, owner: dana@example.com }
budgets:
  - { id: purse, limit: 10 USD, window: day, per: agent }
entitlements:
${rule('narrow', '["GET /v1/**"]', '0.01 USD')}
${rule('stars', '["GET /stars/*a*a*a*a*a*a*a*a*a*a*a*a*b", "GET /many/**/x/**/x/**/x/**/x/**/y"]', '1 USD')}
${rule('wide', '["GET /v1/**", "GET /wide/**"]', '1 USD')}
${rule('dead', '["GET /v1/deep/**"]', '1 USD')}
guardrails:
  deny:
    - { services: [shop], requests: ["* /wide/secret/**"], because: "not for agents" }
`;

async function codeAt(path: string): Promise<string | number> {
  shop ??= await hostileMerchant();
  gateway ??= await startGateway({ upstream: shop.url, policies: RULES });
  const answer = await gateway.ask(`/shop${path}`);
  return answer.status === 200 ? 200 : ((await answer.json()) as { code: string }).code;
}

test('CONF-13: deny comes first, then the first rule that matches decides, and a dead rule is warned of', async () => {
  expect(await codeAt('/wide/x')).toBe(200);
  expect(await codeAt('/wide/secret/x')).toBe('denied');
  expect(await codeAt('/v1/x')).toBe('over_ceiling');
  const refused = await until(async () =>
    (await gateway?.receipts())?.find(({ kind, offer }) => kind === 'refused' && offer),
  );
  expect(refused.decision).toMatchObject({ entitlement: 'narrow', code: 'over_ceiling' });
  const { code, out } = await purser(['check', '--config', gateway?.configFile ?? '']);
  expect(code).toBe(0);
  expect(out).toMatch(
    /policy\.yaml:9:5 {2}entitlements\[3\] {2}warning: can never decide: narrow \(.*policy\.yaml:6\)/,
  );
});

test('CONF-12: a pattern that would send an expression backtracking for ever is matched at once', async () => {
  expect(await codeAt(`/stars/${'a'.repeat(15_000)}`)).toBe('no_entitlement');
  expect(await codeAt(`/stars/${'a'.repeat(15_000)}b`)).toBe(200);
  expect(await codeAt(`/many${'/x'.repeat(7_500)}`)).toBe('no_entitlement');
  expect(await codeAt(`/many${'/x'.repeat(7_500)}/y`)).toBe(200);
});
