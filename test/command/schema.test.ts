// The generated references: what editors are told is what the gateway reads, and what clients are told is what the
// running operators' API answers.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { schemaText } from '../../src/command/schema.ts';
import { SECTIONS } from '../../src/config/sections.ts';
import { PAGES } from '../../src/operators/pages.ts';
import { SECTIONS as POLICY_SECTIONS } from '../../src/policy/schema.ts';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { answer } from '../fakes/script.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const read = (file: string): string => readFileSync(`${ROOT}${file}`, 'utf8');
/** Takes the patterns of Unicode classes out: the validator compiles them without the flag that they need. */
const validator = (schema: object): z.ZodType =>
  z.fromJSONSchema(
    JSON.parse(JSON.stringify(schema, (key, value) => (key === 'pattern' && /\\p/.test(value) ? undefined : value))),
  );

const config = validator(JSON.parse(schemaText('config')));
const policies = validator(JSON.parse(schemaText('policies')));
const EXAMPLES = ['config.example.yaml', 'policies/agents.yaml', 'policies/spending.yaml'] as const;

test.each(['config', 'policies'] as const)('schema/%s.json is what `purser schema` prints', (name) => {
  expect(read(`schema/${name}.json`)).toBe(schemaText(name));
});

test('the schemas have every section that is read, and no other', () => {
  const sections = (name: 'config' | 'policies') => Object.keys(JSON.parse(schemaText(name)).properties);
  const later: string[] = [];
  expect(sections('config')).toEqual(SECTIONS.filter((section) => !later.includes(section)));
  expect(sections('policies')).toEqual([...POLICY_SECTIONS]);
});

test.each(EXAMPLES)('%s names its schema for editors and fits it', (file) => {
  const named = /^# yaml-language-server: \$schema=(\S+)\n/.exec(read(file))?.[1] ?? '';
  const path = new URL(named, new URL(file, 'file:///')).pathname.slice(1);
  expect(['schema/config.json', 'schema/policies.json']).toContain(path);
  const schema = path === 'schema/config.json' ? config : policies;
  expect(schema.safeParse(parse(read(file))).error?.issues ?? []).toEqual([]);
});

/** What stands in the example commented out, with its comment signs taken away. */
const EVERYTHING = {
  listen: { agents: '0.0.0.0:8402', tls: { cert: { file: 'c' }, key: { env: 'K' } }, probes: '0.0.0.0:8404' },
  budgets: { store: 'redis', redis: { url: { env: 'REDIS_URL' }, key: { env: 'KEY' }, replicas: 1 } },
  identity: { issuers: [{ issuer: 'https://i', audience: 'purser', keys: { url: 'https://i/k' }, maxAge: '1h' }] },
  services: [{ id: 's', upstream: 'https://s', limits: { paymentSettle: '2s' }, tls: { ca: { file: 'ca.pem' } } }],
  assets: [
    { id: 'u', network: 'eip155:8453', token: '0x1', decimals: 6, value: '1 USD', eip712: { name: 'n', version: '2' } },
  ],
  wallets: [{ id: 't', rail: 'evm', key: { env: 'E' }, networks: ['eip155:8453'], maxFee: '0 USD' }],
  operators: { tokens: [{ name: 'dana', sha256: 'a'.repeat(64), readOnly: true }] },
  policies: ['./a', './b'],
  limits: { replayBody: '2MiB', refusals: '10/s', drain: '5s' },
};

test('everything that a configuration may hold fits', () => {
  expect(config.safeParse(EVERYTHING).error?.issues ?? []).toEqual([]);
});

test.each([
  ['a section that is not known', { listens: {} }],
  ['a key that is not known', { listen: { agent: '127.0.0.1:1' } }],
  ['a number for a duration', { limits: { drain: 25 } }],
  ['a duration without unit', { limits: { drain: '25' } }],
  ['a size without unit', { limits: { replayBody: '1000' } }],
  ['a secret that is written', { wallets: [{ id: 'w', rail: 'evm', key: '0x1', networks: ['eip155:1'] }] }],
  ['a rail that comes later', { wallets: [{ id: 'w', rail: 'tempo' }] }],
  ['a service without an upstream', { services: [{ id: 's' }] }],
  ['a store that is not known', { budgets: { store: 'memory' } }],
])('an editor marks %s', (_what, written) => {
  expect(config.safeParse(written).success).toBe(false);
});

test.each([
  ['money without currency', { budgets: [{ id: 'b', limit: '5', window: 'day', per: 'agent' }] }],
  ['a window that is not known', { budgets: [{ id: 'b', limit: '5 USD', window: 'daily', per: 'agent' }] }],
  ['a partition that is not known', { budgets: [{ id: 'b', limit: '5 USD', window: 'day', per: ['agents'] }] }],
  ['an agent without an owner', { agents: [{ id: 'a' }] }],
  ['a date that is none', { agents: [{ id: 'a', owner: 'o', until: 'soon' }] }],
  [
    'an entitlement without a ceiling',
    { entitlements: [{ id: 'e', agents: { id: '*' }, services: ['s'], assets: ['a'], payees: 'any', budgets: ['b'] }] },
  ],
])('an editor marks %s in a policy', (_what, written) => {
  expect(policies.safeParse(written).success).toBe(false);
});

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}
const api: {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: { Problem: object } };
} = JSON.parse(schemaText('openapi'));

let merchant: HostileMerchant;
let gateway: TestGateway;
beforeAll(async () => {
  merchant = await hostileMerchant({ paid: answer(500) });
  gateway = await startGateway({
    upstream: merchant.url,
    sections: { limits: '{ paymentSettle: 2s, diskReserve: 0B }' },
  });
  for (const path of ['/shop/a', '/nowhere/b']) await (await gateway.ask(path)).text();
});
afterAll(async () => {
  await gateway.close();
  await merchant.close();
});

/** Asks the running API and reads the answer by what the document says of it, unknown members refused. */
async function asked(path: string, method: string, target: string, body?: object): Promise<unknown> {
  const operation = api.paths[path]?.[method];
  const schema = operation?.responses['200']?.content['application/json']?.schema;
  if (!schema) throw new Error(`${method} ${path} is not in the document`);
  const value = await gateway.api<unknown>(target, {
    method: method.toUpperCase(),
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const judged = validator(schema).safeParse(value);
  expect(judged.error?.issues ?? [], JSON.stringify(value)).toEqual([]);
  return value;
}

test('every page of the running API answers as its document says', async () => {
  const { receipts } = (await asked('/api/receipts', 'get', 'receipts?limit=50')) as {
    receipts: { receipt: { id: string } }[];
  };
  expect(receipts.length).toBeGreaterThan(3);
  await asked('/api/receipts/{id}', 'get', `receipts/${receipts[0]?.receipt.id}`);
  const { budgets } = (await asked('/api/budgets', 'get', 'budgets')) as { budgets: { scopes: unknown[] }[] };
  expect(budgets[0]?.scopes).toHaveLength(1);
  const { holds } = (await asked('/api/holds', 'get', 'holds')) as { holds: { id: string }[] };
  expect(holds).toHaveLength(1);
  await asked('/api/holds/{id}/resolve', 'post', `holds/${holds[0]?.id}/resolve`, { as: 'settled', because: 'seen' });
  await asked('/api/stops', 'post', 'stops', { kind: 'agent', id: 'nobody', because: 'a test' });
  const { stops } = (await asked('/api/stops', 'get', 'stops')) as { stops: unknown[] };
  expect(stops).toHaveLength(1);
  await asked('/api/stops', 'delete', 'stops?kind=agent&id=nobody');
  await asked('/api/policy', 'get', 'policy');
  await asked('/api/explain', 'get', 'explain?agent=buyer-1&service=shop&request=GET%20%2Fa&price=9%20USD');
});

test('a problem of the running API is as its document says, on every path and method of it', async () => {
  const problem = validator(api.components.schemas.Problem);
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of Object.keys(methods)) {
      const url = `${gateway.operators}${path.replace('{id}', 'x.1')}`;
      const refused = await fetch(url, { method: method.toUpperCase() });
      expect([path, refused.status]).toEqual([path, 401]);
      expect(problem.safeParse(await refused.json()).error?.issues ?? []).toEqual([]);
    }
  }
});

test('the document has every path that the API says there is', async () => {
  const { detail } = await gateway.api<{ detail: string }>('nothing-of-that-name');
  const there = detail
    .replace(/^Choose one of |\.$/g, '')
    .split(', ')
    .map((path) => `/api/${path}`);
  expect(Object.keys(api.paths).sort()).toEqual(there.sort());
  for (const path of Object.keys(api.paths)) expect(PAGES.has(path)).toBe(false);
});

test('queries that the document calls required are, and the others are not', async () => {
  const required = (path: string, method: string) =>
    api.paths[path]?.[method]?.parameters?.filter((parameter) => parameter.required).map(({ name }) => name);
  expect(required('/api/receipts', 'get')).toEqual([]);
  expect(required('/api/explain', 'get')).toEqual(['agent', 'service', 'request']);
  expect(required('/api/stops', 'delete')).toEqual(['kind', 'id']);
  expect(required('/api/receipts/{id}', 'get')).toEqual(['id']);
});

test('an order that the document forbids is refused by the running API', async () => {
  const form = api.paths['/api/stops']?.post?.requestBody?.content['application/json']?.schema ?? {};
  for (const order of [
    { kind: 'agent', id: 'a' },
    { kind: 'agents', id: 'a', because: 'b' },
    { kind: 'all', id: '*', because: 'b', more: 1 },
  ]) {
    expect(validator(form).safeParse(order).success).toBe(false);
    expect(await gateway.api('stops', { method: 'POST', body: JSON.stringify(order) })).toMatchObject({
      code: 'body_invalid',
    });
  }
});
