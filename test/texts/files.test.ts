// What is said of configuration and policy files: every key of both is spoilt in every way, beside the mistakes that
// take two keys to make. Each text stands at its line and column, and says what is wrong and what to write.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { loadPolicies, type PolicyContext } from '../../src/policy/load.ts';
import { readCollector } from '../../src/trace/settings.ts';
import { showProblem } from '../../src/yaml/problem.ts';
import { folderWith } from '../config/folder.ts';
import { expectGood, type Told } from './told.ts';

type Tree = { readonly [key: string]: unknown } | readonly unknown[];
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

/** Values that are right almost nowhere. */
const WRONG: readonly unknown[] = [
  ...[
    null,
    '',
    'x y',
    'https://u:p@h/../a?b#c',
    '0.1234567 USD',
    '5 EUR',
    '99999999999 USD',
    '2026-02-30',
    'daily',
    '90s',
  ],
  ...[
    '999GiB',
    '0/m',
    'a*b**',
    'GET /a?b',
    'GET /a/../b',
    5,
    -1,
    true,
    [],
    {},
    { env: 'UNSET' },
    { env: '1' },
    { file: 'no' },
  ],
];
const WRONG_TREES: readonly unknown[] = [null, 'any', 5, [], {}];

let turn = 0;

/** Every tree that differs from this one in one place: a value spoilt, a key left out, misspelt or added. */
function* spoilt(tree: Tree, path = ''): Generator<{ by: string; tree: unknown }> {
  const entries = Object.entries(tree);
  const put = (key: string, value: unknown): unknown =>
    Array.isArray(tree) ? tree.map((old, index) => (String(index) === key ? value : old)) : { ...tree, [key]: value };
  for (const [key, value] of entries) {
    const at = `${path}/${key}`;
    // A third of them, another one at each place: what kinds of places say of the rest is the same.
    turn += 1;
    for (const wrong of isTree(value) ? WRONG_TREES : WRONG.filter((_, index) => (index + turn) % 3 === 0)) {
      yield { by: `${at} is ${JSON.stringify(wrong)}`, tree: put(key, wrong) };
    }
    if (Array.isArray(tree)) yield { by: `${at} twice`, tree: [...tree, value] };
    else {
      const { [key]: _, ...rest } = tree as Record<string, unknown>;
      yield { by: `${at} is left out`, tree: rest };
      yield { by: `${at} is misspelt`, tree: { ...rest, [`${key}e`]: value } };
      yield { by: `${at} has a neighbour`, tree: { ...tree, [`zz${key}`]: value } };
    }
    if (isTree(value)) {
      for (const below of spoilt(value, at)) yield { by: below.by, tree: put(key, below.tree) };
    }
  }
}

const CONFIG: Tree = {
  listen: {
    ...{ agents: '0.0.0.0:8402', operators: '127.0.0.1:8403', probes: '127.0.0.1:8404' },
    ...{ tlsAhead: true, trustedProxies: ['10.0.0.0/8'] },
  },
  state: { dir: './var' },
  budgets: {
    store: 'redis',
    redis: {
      url: 'rediss://h:1',
      namespace: 'n',
      key: { env: 'KEY' },
      replicas: 0,
      tls: {},
      sentinels: ['h:1'],
      master: 'm',
    },
  },
  accounting: { currency: 'USD', timeZone: 'UTC' },
  identity: {
    development: false,
    issuers: [
      {
        ...{
          issuer: 'i',
          audience: 'a',
          keys: { url: 'https://h/k' },
          algorithms: ['ES256'],
          types: ['at+jwt'],
          maxAge: '1h',
        },
        ...{ claims: { agent: 'sub', task: 'task' }, allowPrivateNetwork: false, tls: { ca: { file: 'ca.pem' } } },
      },
    ],
  },
  services: [
    {
      ...{ id: 'shop', upstream: 'https://h', provider: 'p', allowPrivateNetwork: false, allowPlainHttp: false },
      ...{ tls: { ca: { file: 'ca.pem' } }, limits: { upstreamHeaders: '1s', paymentSettle: '1s' } },
    },
  ],
  networks: [{ id: 'eip155:8453', rpc: { env: 'RPC' } }],
  assets: [
    {
      ...{ id: 'usdc', network: 'eip155:8453', token: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913', decimals: 6 },
      ...{ value: '1 USD', eip712: { name: 'n', version: '2' } },
    },
  ],
  wallets: [
    { id: 'w', rail: 'evm', key: { env: 'EVM' }, networks: ['eip155:8453'], proofLifetime: '5m', maxFee: '0 USD' },
  ],
  operators: { tokens: [{ name: 'd', sha256: 'ab'.repeat(32), readOnly: true }] },
  policies: ['./policies'],
  limits: {
    ...{ replayBody: '1MiB', keptAnswers: '1MiB', repeatWindow: '1m', challenge: '64KiB', upstreamHeaders: '1s' },
    ...{ paymentSettle: '1s', holdLease: '1s', refusals: '1/m', unsettled: 1, diskReserve: '1MiB', drain: '1s' },
  },
};
const PLAY: Tree = {
  identity: { development: true },
  assets: [{ id: 'usd', network: 'sandbox', token: 'usd', decimals: 2, value: '1 USD' }],
  wallets: [{ id: 'w', rail: 'sandbox', key: { file: 'sandbox.pem' } }],
};
const ENV = { RPC: 'https://rpc.example', KEY: 'ab'.repeat(32), EVM: 'cd'.repeat(32) };
const CA = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';

/** Mistakes that no single spoilt place makes. */
const CONFIGS: Readonly<Record<string, string>> = {
  'no map': '- a\n',
  'not YAML': 'listen: [\n',
  tabs: 'listen:\n\tagents: x\n',
  'two documents': 'state: {}\n---\nstate: {}\n',
  'a tag': 'state: !!js/function x\n',
  'a key twice': 'state: {}\nstate: {}\n',
  'a prototype': 'state: { __proto__: 1 }\n',
  'a merge': 'a: &a { dir: x }\nstate: { <<: *a }\n',
  'an unknown alias': 'state: *a\n',
  'many aliases': `state: &a [x]\nassets: [${'*a,'.repeat(101)}]\n`,
  deep: `state: ${'['.repeat(60)}${']'.repeat(60)}\n`,
  'not UTF-8': '\u0000',
  'a control character': 'state: "\\u0007"\n',
  'off loopback': 'listen: { agents: "0.0.0.0:1", operators: "0.0.0.0:2" }\n',
  'two ways to TLS': 'listen: { tlsAhead: true, tls: { cert: { file: ca.pem }, key: { file: ca.pem } } }\n',
  'one port twice': 'listen: { agents: "127.0.0.1:1", operators: "127.0.0.1:1", probes: "127.0.0.1:1" }\n',
  'everybody is trusted': 'listen: { trustedProxies: ["0.0.0.0/0"] }\n',
  'no Redis': 'budgets: { store: redis }\n',
  'Redis beside embedded': 'budgets: { redis: { url: "redis://h", key: { env: KEY } } }\n',
  'Redis twice': 'budgets: { store: redis, redis: { key: { env: KEY }, sentinels: ["h:1"], cluster: ["h:2"] } }\n',
  'Redis nowhere': 'budgets: { store: redis, redis: { key: { env: KEY } } }\n',
  'a password': 'budgets: { store: redis, redis: { key: { env: KEY }, url: "redis://:p@h" } }\n',
  'TLS on a plain address': 'budgets: { store: redis, redis: { key: { env: KEY }, url: "redis://h", tls: {} } }\n',
  'a database of a cluster':
    'budgets: { store: redis, redis: { key: { env: KEY }, url: "redis://h/3", cluster: ["h:1"] } }\n',
  nobody: 'identity: { development: false }\n',
  'plain http': 'services: [{ id: a, upstream: "http://a.example" }]\n',
  'plain http, wanted': 'services: [{ id: a, upstream: "http://a.example", allowPlainHttp: true }]\n',
  'plain http at home': 'services: [{ id: a, upstream: "http://127.0.0.1" }]\n',
  'numbers as hosts': 'services: [{ id: a, upstream: "https://127.1" }, { id: b, upstream: "https://H./" }]\n',
  'later rails': 'wallets: [{ id: a, rail: tempo }, { id: b, rail: gold }]\nnetworks: []\n',
  'later networks': 'assets: [{ id: a, network: solana, token: x, decimals: 1, value: "1 USD" }]\n',
  'no network': 'wallets: [{ id: a, rail: evm, key: { env: EVM }, networks: ["eip155:1"] }]\n',
  'an ID token': 'identity: { issuers: [{ issuer: i, audience: a, keys: { file: k }, types: [JWT] }] }\n',
  'two key sources': 'identity: { issuers: [{ issuer: i, audience: a, keys: { file: k, url: "https://h" } }] }\n',
  'one asset twice':
    'x: &x { network: sandbox, token: usd, decimals: 1, value: 1 USD }\n' +
    'assets: [{ id: a, <<: *x }, { id: b, <<: *x }]\n',
  'a key of another kind': 'wallets: [{ id: a, rail: sandbox, key: { file: ca.pem } }]\n',
  'an open file': 'wallets: [{ id: a, rail: sandbox, key: { file: open.pem } }]\n',
  'a folder as a file': 'wallets: [{ id: a, rail: sandbox, key: { file: folder } }]\n',
  'no certificate': 'services: [{ id: a, upstream: "https://h", tls: { ca: { file: empty.pem } } }]\n',
  'a file as a folder': 'state: { dir: ca.pem }\n',
};

test('config.yaml: each problem stands at its place, says what is wrong, and what to write', async () => {
  const folder = folderWith({ 'ca.pem': CA, 'empty.pem': '', 'open.pem': CA });
  const { chmodSync, writeFileSync } = await import('node:fs');
  chmodSync(join(folder, 'open.pem'), 0o644);
  mkdirSync(join(folder, 'folder'));
  const told: Told[] = [];
  const file = join(folder, 'config.yaml');
  const load = (by: string, text: string | Uint8Array): void => {
    writeFileSync(file, text, { mode: 0o600 });
    const { problems } = loadConfig(file, { env: ENV, secrets: 'read' });
    for (const problem of problems) told.push({ by, text: showProblem(problem).replaceAll(folder, '') });
  };
  const good = stringify(CONFIG);
  load('nothing', good);
  expect(told).toEqual([]);
  for (const [section, part] of [...Object.entries(CONFIG), ...Object.entries(PLAY)]) {
    // Each section alone: a whole file would say the same, only later.
    for (const { by, tree } of spoilt({ [section]: part })) load(by, stringify(tree));
  }
  for (const [by, text] of Object.entries(CONFIGS)) load(by, text);
  load('not UTF-8', Uint8Array.of(0xff, 0xfe));
  load('large', 'x'.repeat(5 * 1024 * 1024));
  chmodSync(file, 0o666);
  for (const path of [file, join(folder, 'none.yaml'), folder]) {
    for (const problem of loadConfig(path, { env: ENV, secrets: 'read' }).problems) {
      told.push({ by: 'a file that is not there', text: showProblem(problem).replaceAll(folder, '') });
    }
  }
  expect(told.length).toBeGreaterThan(500);
  expectGood('config', told, /^[\w/.]*:\d+:\d+ {2}\S/, []);
}, 120_000);

const POLICY: Tree = {
  agents: [
    {
      ...{ id: 'research-1', issuer: 'i', subjects: ['research-1-*'], owner: 'dana', team: 'research' },
      ...{ labels: { env: 'prod' }, until: '2099-01-31', suspended: 'key leaked' },
    },
  ],
  revoked: [
    { jti: 'x', because: 'lost' },
    { agent: 'research-1', issuedBefore: '2026-11-23T10:00:00Z', because: 'rotated' },
  ],
  budgets: [
    { id: 'day', limit: '5 USD', payments: 5, window: 'day', per: 'agent' },
    { id: 'roll', limit: '5 USD', rolling: '24h', per: ['team', 'payee'] },
  ],
  entitlements: [
    {
      ...{
        id: 'buys',
        agents: { team: 'research', label: { env: 'prod' } },
        services: ['shop'],
        requests: ['GET /v1/**'],
      },
      ...{
        assets: ['usdc'],
        payees: ['0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913'],
        ceiling: '1 USD',
        budgets: ['day', 'roll'],
      },
      ...{ because: 'b', until: '2099-01-31' },
    },
  ],
  guardrails: { budgets: ['day'], deny: [{ services: ['shop'], requests: ['* /admin/**'], because: 'b' }] },
};

const AGENT = 'agents: [{ id: a, owner: o }]\n';
const TERMS = 'services: [shop], assets: [usdc], ceiling: 1 USD, budgets: [p]';
const POLICIES: Readonly<Record<string, string>> = {
  'no map': '- a\n',
  'not YAML': 'agents: [\n',
  'one agent twice': 'agents: [{ id: a, owner: o }, { id: a, owner: o }]\n',
  'one subject for two': 'agents: [{ id: a, owner: o, subjects: ["x*"] }, { id: b, owner: o, subjects: ["*y"] }]\n',
  'no such agent': `${AGENT}revoked: [{ agent: b, issuedBefore: 2026-11-23T10:00:00Z, because: x }]\n`,
  'any payee per payee': `${AGENT}budgets: [{ id: p, limit: 1 USD, window: day, per: payee }]
entitlements: [{ id: e, agents: { id: a }, payees: any, ${TERMS} }]\n`,
  'no team': `${AGENT}budgets: [{ id: p, limit: 1 USD, window: day, per: team }]
entitlements: [{ id: e, agents: { id: a }, payees: any, ${TERMS} }]\n`,
  nobody: `${AGENT}budgets: [{ id: p, limit: 1 USD, window: day, per: agent },
  { id: q, limit: 1 USD, window: day, per: all }]
entitlements: [{ id: e, agents: { id: b }, payees: any, ${TERMS} }]\n`,
  'a dead rule': `${AGENT}budgets: [{ id: p, limit: 1 USD, window: day, per: agent }]
entitlements:
  - { id: e, agents: { id: a }, payees: any, ${TERMS} }
  - { id: f, agents: { id: a }, payees: any, ${TERMS} }\n`,
  'a rule for none': `${AGENT}guardrails: { deny: [{ because: x }] }\n`,
  'a ceiling of 0': `${AGENT}budgets: [{ id: p, limit: 1 USD, window: day, per: agent }]
entitlements: [{ id: e, agents: { id: a }, services: [shop], assets: [usdc],
  payees: any, ceiling: 0 USD, budgets: [p] }]\n`,
};

const CONTEXT: PolicyContext = {
  currency: 'USD',
  timeZone: 'UTC',
  issuers: ['i'],
  services: ['shop'],
  assets: [{ id: 'usdc', network: 'eip155:8453', token: '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913' }],
} as PolicyContext;

test('policies: each problem stands at its place, says what is wrong, and what to write', async () => {
  const { chmodSync, rmSync, symlinkSync, writeFileSync } = await import('node:fs');
  const folder = folderWith({ 'p/a.yaml': '' });
  const file = join(folder, 'p', 'a.yaml');
  const told: Told[] = [];
  const look = (by: string, context = CONTEXT, at = join(folder, 'p')): void => {
    for (const problem of loadPolicies([at], context).problems) {
      told.push({ by, text: showProblem(problem).replaceAll(folder, '') });
    }
  };
  const load = (by: string, text: string, context?: PolicyContext): void => {
    writeFileSync(file, text);
    look(by, context);
  };
  load('nothing', stringify(POLICY));
  expect(told).toEqual([]);
  for (const { by, tree } of spoilt(POLICY)) load(by, stringify(tree));
  for (const [by, text] of Object.entries(POLICIES)) load(by, text);
  load('several issuers', AGENT, { ...CONTEXT, issuers: ['i', 'j'] });
  look('no folder', CONTEXT, join(folder, 'none'));
  chmodSync(file, 0o666);
  look('an open file');
  rmSync(file);
  look('an empty folder');
  writeFileSync(join(folder, 'p', 'b.yml'), AGENT);
  mkdirSync(join(folder, 'p', 'c.yaml'));
  symlinkSync('nowhere', join(folder, 'p', 'd.yaml'));
  look('other files');
  chmodSync(join(folder, 'p'), 0o777);
  look('an open folder');
  expect(told.length).toBeGreaterThan(500);
  expectGood('policies', told, /^[\w/.]*:\d+:\d+ {2}\S/, []);
}, 120_000);

test('traces: each variable is named, with what it takes', () => {
  const told = [
    ...['x', 'ftp://h', 'http://h/?q', 'http://u:p@h'].map((text) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: text })),
    ...['PROTOCOL', 'CERTIFICATE', 'CLIENT_KEY', 'CLIENT_CERTIFICATE', 'COMPRESSION'].map((name) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h',
      [`OTEL_EXPORTER_OTLP_${name}`]: 'x',
    })),
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h', OTEL_TRACES_SAMPLER: 'x' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h', OTEL_TRACES_SAMPLER: 'traceidratio' },
  ].flatMap((env) => {
    const read = readCollector(env);
    return read !== null && 'problems' in read ? read.problems.map((text) => ({ by: JSON.stringify(env), text })) : [];
  });
  expect(told.length).toBe(11);
  expectGood('traces', told, /^OTEL_\w+ /, []);
});
