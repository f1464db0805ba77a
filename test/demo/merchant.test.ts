import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import { openSandboxWallet } from '../../src/rail/sandbox.ts';
import { authorization, challengeOf, sandboxOffer, usd } from '../rail/support.ts';

const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const random = { bytes: (length: number) => randomBytes(length) };
const wallet = openSandboxWallet({ id: 'play', pem, proofLifetimeMs: 60_000, random });
let shop: Merchant;

beforeEach(async () => {
  const json = { kind: 'json', body: { ok: true } } as const;
  shop = await sandboxMerchant({
    account: 'weather-inc',
    routes: [
      { method: 'GET', path: '/free', price: null, goods: json },
      { method: 'GET', path: '/other', price: '3', payee: 'somebody', goods: json },
      { method: 'GET', path: '/tampered', price: '3', goods: json, tamper: (value) => value.replace('id="', 'id="x') },
      { method: 'GET', path: '/hang', price: '4', goods: { kind: 'hang' } },
      { method: 'POST', path: '/talk', price: '5', goods: { kind: 'stream', events: ['a', 'b', 'c'], everyMs: 5 } },
    ],
  });
});
afterEach(() => shop.close());

async function buy(path: string, init: RequestInit = {}): Promise<Response> {
  const challenge = challengeOf(await fetch(`${shop.url}${path}`, init));
  const proof = await wallet.prove(wallet.plan(sandboxOffer({ challenge }), Date.now()), usd);
  return fetch(`${shop.url}${path}`, { ...init, headers: { authorization: authorization(challenge, proof) } });
}

test('a streamed answer to a POST comes event by event, with the merchant’s receipt', async () => {
  const answered = await buy('/talk?session=1', { method: 'POST', body: 'x'.repeat(200_000) });
  expect(answered.headers.get('content-type')).toBe('text/event-stream');
  expect(answered.headers.get('payment-receipt')).toBeTruthy();
  expect(await answered.text()).toBe('data: a\n\ndata: b\n\ndata: c\n\n');
  expect(shop.books).toMatchObject([{ amount: '5', recipient: 'weather-inc' }]);
  expect(shop.requests).toEqual(['POST /talk', 'POST /talk']);
});

test('what is free costs nothing, and what is not sold is not found', async () => {
  expect(await (await fetch(`${shop.url}/free`)).json()).toEqual({ ok: true });
  expect((await fetch(`${shop.url}/nothing`)).status).toBe(404);
  expect(shop.books).toEqual([]);
});

test('a route may pay somebody else', async () => {
  expect((await buy('/other')).status).toBe(200);
  expect(shop.books).toMatchObject([{ recipient: 'somebody' }]);
});

test('a hanging route takes the money and never answers', async () => {
  await expect(buy('/hang', { signal: AbortSignal.timeout(300) })).rejects.toThrow();
  expect(shop.books).toMatchObject([{ amount: '4' }]);
});

test('a tampered demand is worth nothing at the shop', async () => {
  expect((await buy('/tampered')).status).toBe(402);
  expect(shop.books).toEqual([]);
});
