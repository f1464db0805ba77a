// config.yaml: every class of mistake is told with its place and its fix; what is right comes out whole and frozen.
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { showProblem } from '../../src/yaml/problem.ts';
import { folderWith } from './folder.ts';

const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
const EVM_KEY = 'ab'.repeat(32);
const ENV = {
  ...{ EVM: EVM_KEY, SHARED: 'cd'.repeat(32), BAD: 'not a key', ZERO: '0'.repeat(64) },
  ...{
    RPC: 'https://node.test/v1/hunter2?k=hunter2',
    RPC_2: 'https://other.test',
    RPC_PLAIN: 'http://node.test/hunter2',
  },
  ...{ RPC_NEAR: 'http://127.0.0.1:8545', RPC_USER: 'https://u:hunter2@node.test/' },
};

const GOOD = `identity: { development: true }
services:
  - { id: shop, upstream: "http://127.0.0.1:8410", allowPrivateNetwork: true }
assets:
  - { id: usd, network: sandbox, token: usd, decimals: 2, value: "1 USD" }
wallets:
  - { id: play, rail: sandbox, key: { file: sandbox.pem } }
`;
const REAL = `identity:
  issuers: [ { issuer: "https://idp.test", audience: purser, keys: { url: "https://idp.test/jwks" } } ]
assets:
  - id: usdc
    network: "eip155:8453"
    token: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
    decimals: 6
    value: "1 USD"
    eip712: { name: "USD Coin", version: "2" }
wallets:
  - { id: treasury, rail: evm, key: { env: EVM }, networks: ["eip155:8453"] }
`;

function load(text: string, files: Record<string, string> = {}, secrets: 'read' | 'skip' = 'read') {
  const folder = folderWith({ 'c.yaml': text, 'sandbox.pem': pem, ...files });
  const loaded = loadConfig(join(folder, 'c.yaml'), { env: ENV, secrets });
  const shown = loaded.problems.map(showProblem).map((line) => line.replaceAll(`${folder}/`, ''));
  return { ...loaded, folder, shown };
}

test('the smallest good configuration has every default', () => {
  const { config, shown } = load(GOOD);
  expect(shown).toEqual([]);
  expect(config?.listen).toMatchObject({ agents: { host: '127.0.0.1', port: 8402 }, tlsAhead: false });
  expect(config?.limits).toEqual({
    replayBodyBytes: 1_048_576,
    keptAnswersBytes: 67_108_864,
    repeatWindowMs: 600_000,
    challengeBytes: 65_536,
    upstreamHeadersMs: 60_000,
    paymentSettleMs: 120_000,
    holdLeaseMs: 60_000,
    refusals: { count: 1000, periodMs: 60_000 },
    unsettled: 5,
    diskReserveBytes: 67_108_864,
    drainMs: 25_000,
  });
  expect(config?.accounting).toEqual({ currency: 'USD', timeZone: 'UTC' });
  expect(Object.isFrozen(config?.services[0])).toBe(true);
});

test('relative paths start at the file, and a service may have limits of its own', () => {
  const text = GOOD.replace('allowPrivateNetwork: true', 'allowPrivateNetwork: true, limits: { paymentSettle: 5s }');
  const { config, folder } = load(text);
  expect(config?.state.dir).toBe(join(folder, 'var'));
  expect(config?.policies).toEqual([join(folder, 'policies')]);
  expect(config?.services[0]).toMatchObject({ origin: 'http://127.0.0.1:8410', basePath: '', paymentSettleMs: 5_000 });
  expect(config?.services[0]?.upstreamHeadersMs).toBe(60_000);
});

test('a secret is given out by reveal alone', () => {
  const { config } = load(REAL);
  const wallet = config?.wallets[0];
  expect(wallet?.rail === 'evm' && wallet.key.reveal()).toBe(`0x${EVM_KEY}`);
  expect(`${inspect(config, { depth: 9 })}${JSON.stringify(config?.wallets)}${wallet?.key}`).not.toContain('abab');
  expect(config?.assets[0]?.token).toBe('0x833589fcd6edb6e08f4c7c32d4f71b54bda02913');
});

test('without secrets nothing is opened, and revealing throws', () => {
  const { config } = load(REAL.replace('EVM', 'UNSET'), {}, 'skip');
  expect(() => config?.wallets[0]?.key?.reveal()).toThrow('not read');
});

test('with identity.development the key of a sandbox wallet may still have to be made', () => {
  const { config, folder } = load(GOOD.replace('sandbox.pem', 'var/new.pem'));
  expect(config?.wallets[0]).toMatchObject({ key: null, keyFile: join(folder, 'var/new.pem') });
  const issuer = 'identity: { issuers: [ { issuer: i, audience: a, keys: { file: k.json } } ] }';
  const without = GOOD.replace('identity: { development: true }', issuer).replace('sandbox.pem', 'new.pem');
  expect(load(without).shown[0]).toMatch(/^c\.yaml:7:37 {2}wallets\[0\]\.key {2}the file .* does not exist/);
});

const mistakes: [string, string, RegExp][] = [
  [
    'CONF-05 an unknown section',
    `${GOOD}servces: []\n`,
    /^c\.yaml:8:1 {2}servces {2}is not a known key; did you mean `services`/,
  ],
  ['CONF-05 a key at the wrong level', `${GOOD}unsettled: 3\n`, /^c\.yaml:8:1 {2}unsettled {2}is not a known key/],
  [
    'CONF-05 a misspelt key',
    GOOD.replace('upstream:', 'upstraem:'),
    /services\[0\]\.upstraem {2}.*did you mean `upstream`/,
  ],
  [
    'CONF-05 a word of another product',
    `${GOOD}budgets: { store: sqlite }\n`,
    /8:19 {2}budgets\.store {2}.*did you mean `embedded`/,
  ],
  ['CONF-17 a switch that does not exist', `${GOOD}ledger: { audit: off }\n`, /8:1 {2}ledger {2}is not a known key/],
  ['a missing key', GOOD.replace(', decimals: 2', ''), /^c\.yaml:5:5 {2}assets\[0\]\.decimals {2}is required/],
  [
    'text without quotes',
    GOOD.replace('id: shop', 'id: 5'),
    /3:11 {2}services\[0\]\.id {2}must be text; put it in quotes/,
  ],
  [
    'two services of one id',
    GOOD.replace('assets:', '  - { id: shop, upstream: "https://x.test" }\nassets:'),
    /4:11 {2}services\[1\]\.id {2}is the same/,
  ],
  ['an id in capitals', GOOD.replace('id: shop', 'id: Shop'), /services\[0\]\.id {2}must be 1 to 63 lower-case/],
  [
    'a literal secret',
    GOOD.replace('{ file: sandbox.pem }', 'hunter2'),
    /7:37 {2}wallets\[0\]\.key {2}is never written here/,
  ],
  [
    'an unset secret',
    REAL.replace('env: EVM', 'env: NOPE'),
    /wallets\[0\]\.key {2}the environment variable NOPE is not set/,
  ],
  [
    'a key that does not parse',
    REAL.replace('env: EVM', 'env: BAD'),
    /wallets\[0\]\.key {2}must be the private key of an evm account/,
  ],
  ['a key out of range', REAL.replace('env: EVM', 'env: ZERO'), /wallets\[0\]\.key {2}.*out of range/],
  ['a duration without unit', `${GOOD}limits: { drain: 25 }\n`, /8:18 {2}limits\.drain {2}must be a duration such as/],
  ['a limit out of range', `${GOOD}limits: { challenge: 1GiB }\n`, /limits\.challenge {2}must be from 1KiB to 1MiB/],
  [
    'a listening address that could be misread',
    `${GOOD}listen: { agents: "127.1:80" }\n`,
    /listen\.agents {2}must be host:port/,
  ],
  [
    'off loopback without TLS',
    `${GOOD}listen: { agents: "0.0.0.0:80" }\n`,
    /listen\.agents {2}.*needs listen\.tls, or tlsAhead/,
  ],
  [
    'a time zone that is none',
    `${GOOD}accounting: { timeZone: "+02:00" }\n`,
    /accounting\.timeZone {2}must be a time zone/,
  ],
  ['redis without its block', `${GOOD}budgets: { store: redis }\n`, /budgets\.redis {2}is required with store: redis/],
  [
    'a redis password in the file',
    `${GOOD}budgets: { store: redis, redis: { url: "redis://:pw@h", key: { env: SHARED } } }\n`,
    /budgets\.redis\.url {2}holds a user or password/,
  ],
  [
    'a redis key that is no key',
    `${GOOD}budgets: { store: redis, redis: { url: "redis://h", key: { env: BAD } } }\n`,
    /budgets\.redis\.key {2}must be 32 bytes in hex/,
  ],
  [
    'an asset in another currency',
    GOOD.replace('1 USD', '1 EUR'),
    /assets\[0\]\.value {2}must be in the accounting currency, USD/,
  ],
  ['MONEY-07 an asset worth nothing', GOOD.replace('1 USD', '0 USD'), /assets\[0\]\.value {2}must be more than 0/],
  ['a token with a wrong checksum', REAL.replace('2913"', '2914"'), /assets\[0\]\.token {2}must be an address.*EIP-55/],
  ['an evm asset without its signing domain', REAL.replace(/ {4}eip712.*\n/, ''), /assets\[0\]\.eip712 {2}is required/],
  [
    'a wallet on a network without assets',
    REAL.replace('networks: ["eip155:8453"]', 'networks: ["eip155:8454"]'),
    /networks\[0\] {2}no asset is on eip155:8454.*did you mean `eip155:8453`/,
  ],
  [
    'CONF-18 play money beside real money',
    `${REAL}  - { id: play, rail: sandbox, key: { file: sandbox.pem } }\n`,
    /wallets\[1\]\.rail {2}a sandbox wallet cannot stand beside/,
  ],
  [
    'CONF-18 the development issuer beside real money',
    REAL.replace('identity:\n', 'identity:\n  development: true\n'),
    /identity\.development {2}cannot be true beside a wallet of a real rail/,
  ],
  ['nobody to be identified', GOOD.replace('development: true', ''), /identity\.issuers {2}is empty/],
  [
    'a shared-key algorithm',
    REAL.replace('audience:', 'algorithms: [HS256], audience:'),
    /algorithms\[0\] {2}must be one of/,
  ],
  [
    'an operator token in the clear',
    `${GOOD}operators: { tokens: [ { name: d, sha256: secret } ] }\n`,
    /tokens\[0\]\.sha256 {2}must be the SHA-256/,
  ],
  [
    'a fee',
    REAL.replace('networks:', 'maxFee: 1 USD, networks:'),
    /wallets\[0\]\.maxFee {2}is not in this version; take it out$/,
  ],
  ['a policy folder twice', `${GOOD}policies: [a, b, ./a]\n`, /policies\[2\] {2}is the same as item \[0\]/],
  ['no policy folder', `${GOOD}policies: []\n`, /policies {2}must not be empty$/],
  ...(
    [
      [
        'a network of another kind',
        'id: "solana:x", rpc: { env: RPC }',
        /networks\[0\]\.id {2}must be a chain such as/,
      ],
      ['a network without a node', 'id: "eip155:8453"', /networks\[0\]\.rpc {2}is required/],
      ['a node in the clear', 'id: "eip155:8453", rpc: "https://hunter2"', /rpc {2}is never written here/],
      ['three nodes', 'id: "eip155:8453", rpc: [{ env: RPC }, { env: RPC_2 }, { env: RPC }]', /rpc {2}.*at most 2/],
      [
        'one node twice',
        'id: "eip155:8453", rpc: [{ env: RPC }, { env: RPC }]',
        /rpc\[1\] {2}is the same as the first/,
      ],
      ['a plain node', 'id: "eip155:8453", rpc: { env: RPC_PLAIN }', /rpc {2}must be https/],
      ['a near node', 'id: "eip155:8453", rpc: { env: RPC_NEAR }', /rpc {2}is on loopback, which needs allowP/],
      ['a node with a password', 'id: "eip155:8453", rpc: { env: RPC_USER }', /rpc {2}must be the address of a node/],
      [
        'two of one chain',
        'id: "eip155:1", rpc: { env: RPC } }, { id: "eip155:1", rpc: { env: RPC }',
        /\[1\]\.id {2}is the s/,
      ],
    ] as [string, string, RegExp][]
  ).map(([name, network, expected]): [string, string, RegExp] => [
    name,
    `${REAL}networks: [{ ${network} }]\n`,
    expected,
  ]),
  ['probes on a port in use', `${GOOD}listen: { probes: "127.0.0.1:8403" }\n`, /listen\.probes {2}is the same as/],
  ['a proxy that is no network', `${GOOD}listen: { trustedProxies: [10.1] }\n`, /trustedProxies\[0\] {2}must be text/],
  [
    'half an address',
    `${GOOD}listen: { trustedProxies: ["10.1/8"] }\n`,
    /trustedProxies\[0\] {2}must be an address or/,
  ],
  [
    'an address inside its network',
    `${GOOD}listen: { trustedProxies: ["10.1.0.0/8"] }\n`,
    /trustedProxies\[0\] {2}names an address inside its network; write 10\.0\.0\.0\/8$/,
  ],
  [
    'sentinels',
    `${GOOD}budgets: { store: redis, redis: { url: "redis://h", key: { env: SHARED }, sentinels: [] } }\n`,
    /redis\.sentinels {2}must not be empty$/,
  ],
  ...(
    [
      ['no place for Redis', 'namespace: a', /redis\.url {2}is required, or sentinels with master, or cluster$/],
      ['sentinels without a name', 'sentinels: ["h:1"]', /redis\.master {2}is required with sentinels/],
      ['a name without sentinels', 'url: "redis://h", master: m', /redis\.master {2}is for sentinels/],
      ['two places for Redis', 'sentinels: ["h:1"], master: m, cluster: ["h:2"]', /redis\.cluster {2}contradicts/],
      ['port 0', 'cluster: ["h:0"]', /redis\.cluster\[0\] {2}must be host:port/],
      ['TLS on a plain address', 'url: "redis://h", tls: {}', /redis\.tls {2}is for TLS: write rediss:/],
      ['a database of a cluster', 'url: "redis://h/3", cluster: ["h:1"]', /redis\.url {2}names a database/],
      ['options in an address', 'url: "redis://h?family=6"', /redis\.url {2}must be an address such as/],
    ] as [string, string, RegExp][]
  ).map(([name, redis, expected]): [string, string, RegExp] => [
    name,
    `${GOOD}budgets: { store: redis, redis: { key: { env: SHARED }, ${redis} } }\n`,
    expected,
  ]),
  [
    'another rail',
    GOOD.replace('rail: sandbox', 'rail: lightning'),
    /wallets\[0\]\.rail {2}is not in this version; take it out$/,
  ],
];

test.each(mistakes)('%s is refused where it stands, with the fix', (_, text, expected) => {
  const { config, shown } = load(text);
  expect(config).toBeUndefined();
  expect(
    shown.filter((line) => expected.test(line)),
    shown.join('\n'),
  ).toHaveLength(1);
  expect(shown.join()).not.toMatch(/hunter2|not a key/);
});

const upstreams = [
  ['http://example.com', 'must be https'],
  ['http://127.0.0.1:1', 'allowPrivateNetwork'],
  ['https://127.1/', 'write 127.0.0.1'],
  ['https://u:p@example.com', 'user or password'],
  ['https://example.com/?a', 'query'],
  ['https://example.com/#a', 'fragment'],
  ['https://example.com/a/../b', 'write /b'],
  ['https://EXAMPLE.com', 'write example.com'],
  ['https://example.com./', 'dot'],
  ['ftp://example.com', 'must be an address'],
] as const;

test.each(upstreams)('CONF-11 the upstream %s is refused', (upstream, why) => {
  const { shown } = load(GOOD.replace(/upstream: .*\}/, `upstream: "${upstream}" }`));
  expect(shown[0]).toMatch(/^c\.yaml:3:\d+ {2}services\[0\]\.upstream {2}/);
  expect(shown[0]).toContain(why);
});

test('all problems of all sections are told at once, in the order of the file', () => {
  const { shown } = load(
    `${GOOD.replace('id: shop', 'id: Shop').replace('1 USD', '1 EUR')}limits: { drain: x, unsettled: 0 }\n`,
  );
  expect(shown.map((line) => line.split('  ')[1])).toEqual([
    'services[0].id',
    'assets[0].value',
    'limits.drain',
    'limits.unsettled',
  ]);
});

test('what is allowed but unwise is a warning, and the configuration stands', () => {
  const plain = GOOD.replace('http://127.0.0.1:8410', 'http://shop.test').replace('allowPrivateN', 'allowPlainHttp_');
  const unused = 'budgets: { redis: { url: "redis://h", key: { env: UNSET } } }\n';
  const text = `${plain.replace('allowPlainHttp_etwork', 'allowPlainHttp')}${unused}`;
  const { config, shown } = load(text);
  expect(config).toBeDefined();
  expect(shown.filter((line) => line.includes('warning: '))).toHaveLength(2);
});

test('an ID token that would pass is warned of', () => {
  const { config, shown } = load(REAL.replace('audience:', 'types: [JWT], audience:'));
  expect(config?.identity.issuers[0]).toMatchObject({ types: ['JWT'], maxAgeMs: 3_600_000, ca: null });
  expect(shown[0]).toContain('ID token');
});

test('an RSA key is no sandbox wallet, and its text is not shown', () => {
  const { shown } = load(GOOD, { 'sandbox.pem': String(rsa) });
  expect(shown[0]).toMatch(/wallets\[0\]\.key {2}must be an Ed25519 private key/);
  expect(shown.join()).not.toContain('BEGIN PRIVATE');
});

test('a configuration that does not exist says where to start', () => {
  const { problems } = loadConfig('/nowhere/config.yaml', { env: {}, secrets: 'read' });
  expect(problems[0]?.message).toContain('config.example.yaml');
});

test('Redis by TLS, behind sentinels and as a cluster is read, with and without its secrets', () => {
  const redis = (text: string) => `${GOOD}budgets: { store: redis, redis: { key: { env: SHARED }, ${text} } }\n`;
  const sentinels = load(redis('url: "redis://h", sentinels: ["a:1", "[::1]:2"], master: main')).config?.budgets;
  expect(sentinels).toMatchObject({
    sentinels: {
      nodes: [
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
      ],
      master: 'main',
    },
    ...{ cluster: null, tls: false, ca: null },
  });
  const cluster = load(redis('cluster: ["a:1"], tls: {}')).config?.budgets;
  expect(cluster).toMatchObject({ url: null, tls: true, sentinels: null, cluster: [{ host: 'a', port: 1 }] });
  expect(load(redis('url: "rediss://h:1/2"')).config?.budgets).toMatchObject({ tls: false, cluster: null });
});

test('several policy folders are read in their order, probes and trusted proxies as written', () => {
  const listen = 'listen: { probes: "0.0.0.0:9", trustedProxies: [10.0.0.0/8, "fd00::/8", 192.0.2.1] }\n';
  const { config, folder } = load(`${GOOD}policies: [b, /a]\n${listen}`);
  expect(config?.policies).toEqual([join(folder, 'b'), '/a']);
  expect(config?.listen.probes).toEqual({ host: '0.0.0.0', port: 9 });
  expect(config?.listen.trustedProxies).toEqual(['10.0.0.0/8', 'fd00::/8', '192.0.2.1/32']);
  expect(load(`${GOOD}listen: { trustedProxies: ["::/0"] }\n`).shown[0]).toContain('warning: believes everybody');
});

test('a chain and its nodes are read; where nobody looks, and where nobody pays, is warned of', () => {
  const networks = (text: string) => load(`${REAL}networks: ${text}\n`);
  const { config, shown } = networks('[{ id: "eip155:8453", rpc: [{ env: RPC }, { env: RPC_2 }] }]');
  expect(shown).toEqual([]);
  expect(config?.networks).toMatchObject([{ id: 'eip155:8453', allowPrivateNetwork: false, ca: null }]);
  expect(config?.networks[0]?.rpc.map((url) => url.reveal())).toEqual([ENV.RPC, ENV.RPC_2]);
  expect(JSON.stringify(config?.networks)).not.toContain('hunter2');
  const near = '[{ id: "eip155:8453", rpc: { env: RPC_NEAR }, allowPrivateNetwork: true }]';
  expect(networks(near).shown).toEqual([]);
  expect(load(REAL).shown.join()).toMatch(/wallets\[0\]\.networks\[0\] {2}warning: is not under networks/);
  const unused = networks('[{ id: "eip155:1", rpc: { env: RPC } }]').shown.join();
  expect(unused).toMatch(/networks\[0\]\.id {2}warning: is not used, since no wallet pays there/);
  const skipped = load(`${REAL}networks: [{ id: "eip155:8453", rpc: { env: UNSET } }]\n`, {}, 'skip');
  expect(skipped.shown).toEqual([]);
});
