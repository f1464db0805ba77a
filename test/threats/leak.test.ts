// LEAK-01: secrets of every kind go through a gateway process that pays, refuses, is left in doubt and meets faults.
// None of them stands in anything that it wrote, answered, sealed or stored.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { type CapturedRequest, type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { startIdp } from '../fakes/idp.ts';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { answer, demand, goods, resetAfter, type Script } from '../fakes/script.ts';
import { type GatewayProcess, policy, spawnGateway } from '../support/gateway.ts';
import { agentsOf, issuerEntry, purser, until } from './observables.ts';
import { openSweep, type Sweep } from './sweep.ts';

const folders: string[] = [];
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'purser-leak-'));
  folders.push(folder);
  return folder;
}

const canary = (name: string): string => `canary${name}${randomBytes(12).toString('hex')}`;

async function scriptedShop(wanted: () => string): Promise<HostileMerchant> {
  const is = (name: string, { target }: CapturedRequest) => target.startsWith(`/${name}`);
  const shop = await hostileMerchant({
    unpaid: (_, request): Script => {
      if (is('free', request)) return goods;
      if (is('noise', request))
        return [{ do: 'write', bytes: `HTTX/9 what ${request.target}\r\n\r\n` }, { do: 'close' }];
      if (is('dear', request)) return demand(sandboxChallenge({ request: { amount: '99999' } }));
      if (is('garbled', request)) return demand(sandboxChallenge({ request: { amount: '1e9' } }));
      return demand(wanted());
    },
    paid: (_, request): Script => {
      if (is('broken', request)) return answer(500, { body: request.raw.toString('latin1') });
      if (is('again', request)) return demand(wanted());
      if (is('reset', request)) return resetAfter();
      if (is('hang', request)) return [{ do: 'hang' }];
      return goods;
    },
  });
  closing.push(() => shop.close());
  return shop;
}

/** What the merchant was handed is money: the whole credential, and what makes it valid. */
function plantProofs(sweep: Sweep, shop: HostileMerchant): void {
  for (const { headers } of shop.requests.filter(({ paid }) => paid)) {
    const value = headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1].slice('Payment '.length) ?? '';
    sweep.plant('credential', value);
    const { payload } = JSON.parse(Buffer.from(value, 'base64url').toString('utf8'));
    sweep.plant('proof signature', payload.signature);
  }
}

/** Every way a purchase can go, with a secret in each place of each request. */
async function drive(gateway: GatewayProcess, sweep: Sweep, token: () => Promise<string>): Promise<void> {
  const secrets = { query: canary('query'), body: canary('body'), key: canary('key'), own: canary('own') };
  for (const [name, secret] of Object.entries(secrets)) sweep.plant(name, secret);
  const ask = async (path: string, init: RequestInit & { query?: string } = {}) => {
    const sent = await token();
    sweep.plant('token', sent);
    sweep.plant('token signature', sent.split('.')[2] ?? '');
    const headers = { 'purser-token': sent, cookie: `session=${secrets.own}`, ...init.headers };
    const query = init.query ?? `${path}${secrets.query}`;
    await sweep.answer('answers to agents', await gateway.ask(`/shop/${path}?q=${query}`, { ...init, headers }));
  };
  const post = { method: 'POST', body: JSON.stringify({ secret: secrets.body }) };
  const keyed = { ...post, headers: { 'idempotency-key': secrets.key } };
  for (const path of ['free', 'paid', 'dear', 'garbled', 'noise', 'broken', 'broken', 'again', 'reset', 'hang']) {
    await ask(path);
    await ask(path, { ...post, query: `post-${path}` });
  }
  await ask('paid', keyed);
  await ask('paid', keyed);
  await ask('free', keyed);
  await ask('paid', { headers: { authorization: `Bearer ${secrets.own}` } });
  await ask('paid', { headers: { authorization: `Payment ${secrets.own}` } });
  await ask('paid', { headers: { 'x-payment': secrets.own } });
  await ask('paid', { headers: { 'purser-max-price': secrets.own } });
  await ask('paid', { headers: { 'idempotency-key': `${secrets.key} with a blank` } });
  await ask('%2e%2e', {});
  await ask('paid', { headers: { 'purser-token': `${await token()}${secrets.own}` } });
  await ask('paid', { headers: { 'purser-token': `${secrets.own}.${secrets.own}.${secrets.own}` } });
  await ask('paid', { headers: { 'x-api-key': await token() } });
  for (const page of ['services', 'budgets', `purchases?key=${secrets.key}`]) {
    const headers = { 'purser-token': await token() };
    await sweep.answer('own pages', await gateway.ask(`/.purser/${page}`, { headers }));
  }
}

async function operate(gateway: GatewayProcess, sweep: Sweep, operatorToken: string): Promise<void> {
  const wrong = canary('operator');
  sweep.plant('wrong operator token', wrong);
  sweep.plant('operator token', operatorToken);
  const call = async (path: string, authorization?: string, init: RequestInit = {}) => {
    const headers = { 'content-type': 'application/json', ...(authorization && { authorization }) };
    await sweep.answer('the operators port', await fetch(`${gateway.operators}${path}`, { ...init, headers }));
  };
  const bearer = `Bearer ${operatorToken}`;
  for (const path of ['/healthz', '/readyz', '/metrics', '/keys', `/api/${wrong.slice(0, 0)}receipts`])
    await call(path);
  for (const page of ['receipts?limit=1000', 'budgets', 'holds', 'stops', 'policy']) await call(`/api/${page}`, bearer);
  await call('/api/budgets', `Bearer ${wrong}`);
  await call('/api/budgets', `Basic ${Buffer.from(`x:${wrong}`).toString('base64')}`);
  const stop = JSON.stringify({ kind: 'wallet', id: 'play', because: 'a drill' });
  await call('/api/stops', bearer, { method: 'POST', body: stop });
  await call('/api/stops?kind=wallet&id=play', bearer, { method: 'DELETE' });
}

async function commands(gateway: GatewayProcess, sweep: Sweep, env: NodeJS.ProcessEnv): Promise<void> {
  const every = [
    ['receipts', 'list', '--json'],
    ['receipts', 'export'],
    ['receipts', 'verify'],
    ['check', '--json'],
  ];
  for (const args of every) {
    const { code, out, err } = await purser([...args, '--config', gateway.configFile], env);
    expect(code, err).toBe(0);
    sweep.text(`purser ${args.join(' ')}`, out + err);
  }
}

const KEY_FILES = ['log-key.pem', 'mask.key', 'development-issuer.pem', 'operator-token'];

describe.skipIf(!redisAvailable)('with Redis', () => {
  test('LEAK-01: no secret stands in any text, sandbox wallet, Redis and the development issuer', async () => {
    const sweep = openSweep();
    const [password, sharedKey, operatorToken] = [canary('redis'), randomBytes(32).toString('hex'), canary('boss')];
    const redis = await startRedis();
    closing.push(() => redis.stop());
    const admin = new Redis(redis.url);
    closing.push(async () => admin.disconnect());
    await admin.config('SET', 'requirepass', password);
    sweep.plant('redis password', password);
    sweep.plant('shared key', sharedKey);
    sweep.plant('shared key', Buffer.from(sharedKey, 'hex'));
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    sweep.plant('wallet key', pem.split('\n')[1] ?? '');
    sweep.plant('wallet key', Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'));

    const shop = await scriptedShop(() => sandboxChallenge());
    const folder = newFolder();
    writeFileSync(join(folder, 'sandbox.pem'), pem, { mode: 0o600 });
    const env = { REDIS_URL: redis.url.replace('redis://', `redis://:${password}@`), SHARED_KEY: sharedKey };
    const hash = createHash('sha256').update(operatorToken).digest('hex');
    const gateway = await spawnGateway({
      folder,
      env,
      upstream: shop.url,
      sections: {
        budgets: '{ store: redis, redis: { url: { env: REDIS_URL }, key: { env: SHARED_KEY } } }',
        operators: `{ tokens: [ { name: dana, sha256: "${hash}" } ] }`,
        limits: '{ paymentSettle: 300ms, diskReserve: 0B, unsettled: 1000 }',
      },
      policies: policy({ limit: '1000 USD' }),
    });
    closing.push(() => gateway.close());

    await drive(gateway, sweep, () => gateway.token('buyer-1'));
    expect(shop.books.taken.length).toBeGreaterThan(8);
    await operate(gateway, sweep, operatorToken);
    await commands(gateway, sweep, env);
    sweep.text('Redis', await contentOf(admin));
    admin.disconnect();
    await redis.stop();
    await until(async () => {
      const asked = await gateway.ask('/shop/paid?lost-store');
      await sweep.answer('answers without a store', asked);
      return asked.status === 503;
    });
    await until(() => gateway.output().includes('the budget store does not answer'));
    await gateway.close();
    plantProofs(sweep, shop);
    sweep.text('output', gateway.output());
    sweep.files(join(folder, 'var'), KEY_FILES);
    expect(sweep.has('answers to agents', 'payment_uncertain', 'state=settled', 'upstream_unreachable')).toBe(true);
    expect(sweep.found()).toEqual([]);
  });
});

const READERS: Record<string, (redis: Redis, key: string) => Promise<unknown>> = {
  hash: (redis, key) => redis.hgetall(key),
  zset: (redis, key) => redis.zrange(key, '0', '-1'),
  set: (redis, key) => redis.smembers(key),
  list: (redis, key) => redis.lrange(key, 0, -1),
};

/** Everything the store holds, as text. */
async function contentOf(redis: Redis): Promise<string> {
  const all: unknown[] = [];
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key);
    all.push([key, type in READERS ? await READERS[type]?.(redis, key) : await redis.get(key)]);
  }
  expect(all.length).toBeGreaterThan(5);
  return JSON.stringify(all);
}

const TOKEN_CONTRACT = '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913';
const SIGNING = 'value: "1 USD", eip712: { name: "USD Coin", version: "2" }';
const ASSET = `network: "eip155:8453", token: "${TOKEN_CONTRACT}", decimals: 6, ${SIGNING}`;

test('LEAK-01: no secret stands in any text, evm wallet, embedded store and an issuer by URL', async () => {
  const sweep = openSweep();
  const key = randomBytes(32);
  sweep.plant('wallet key', key);
  sweep.plant('wallet key', BigInt(`0x${key.toString('hex')}`).toString());
  const idp = await startIdp();
  closing.push(() => idp.close());
  const request = JSON.stringify({
    amount: '10000',
    currency: TOKEN_CONTRACT,
    methodDetails: { chainId: 8453, credentialTypes: ['authorization'] },
    recipient: `0x${'12'.repeat(20)}`,
  });
  const shop = await scriptedShop(() => sandboxChallenge({ requestText: request, params: { method: 'evm' } }));
  const folder = newFolder();
  const gateway = await spawnGateway({
    folder,
    env: { EVM_KEY: key.toString('hex') },
    upstream: shop.url,
    sections: {
      identity: `{ issuers: [ ${issuerEntry(idp)} ] }`,
      assets: `\n  - { id: usd.sandbox, ${ASSET} }`,
      wallets: '\n  - { id: play, rail: evm, key: { env: EVM_KEY }, networks: ["eip155:8453"] }',
      limits: '{ paymentSettle: 300ms, diskReserve: 0B, unsettled: 1000 }',
    },
    policies: policy({ agents: agentsOf(idp.issuer, ['buyer-1']), payees: `["0x${'12'.repeat(20)}"]` }),
  });
  closing.push(() => gateway.close());
  const { readOperatorToken } = await import('../../src/operators/operator-token.ts');
  await drive(gateway, sweep, () => idp.token({ claims: { sub: 'buyer-1' } }));
  expect(shop.requests.filter(({ paid }) => paid).length).toBeGreaterThan(8);
  await operate(gateway, sweep, (await readOperatorToken(join(folder, 'var'))) ?? '');
  await gateway.close();
  await commands(gateway, sweep, { EVM_KEY: key.toString('hex') });
  plantProofs(sweep, shop);
  sweep.text('output', gateway.output());
  sweep.files(join(folder, 'var'), KEY_FILES);
  expect(sweep.has('answers to agents', 'payment_uncertain', 'state=settled', 'upstream_unreachable')).toBe(true);
  expect(sweep.found()).toEqual([]);
});
