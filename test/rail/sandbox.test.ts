import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import { GatewayFault } from '../../src/domain/fault.ts';
import type { Wallet } from '../../src/rail/rail.ts';
import { generateSandboxKey, openSandboxWallet } from '../../src/rail/sandbox.ts';
import { challenge, challengeOf, pay, sandboxOffer, usd } from './support.ts';

const MINUTE = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'purser-rail-'));
const random = { bytes: (length: number) => randomBytes(length) };
const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
let shop: Merchant;
let wallet: Wallet;

beforeAll(() => {
  wallet = openSandboxWallet({ id: 'play', pem, proofLifetimeMs: 5 * MINUTE, random });
});
beforeEach(async () => {
  shop = await sandboxMerchant({
    routes: [
      { method: 'GET', path: '/forecast', price: '10', goods: { kind: 'json', body: { sunny: true } } },
      { method: 'GET', path: '/dear', price: '5000', goods: { kind: 'json', body: {} } },
    ],
  });
});
afterEach(() => shop.close());
afterAll(() => rmSync(folder, { recursive: true }));

/** A proof for the shop's own demand, made at `nowMs`. */
async function proofFor(path: string, nowMs = Date.now(), from = wallet) {
  const demanded = challengeOf(await fetch(`${shop.url}${path}`));
  const planned = from.plan(sandboxOffer({ challenge: demanded }), nowMs);
  return { demanded, planned, proof: await from.prove(planned, usd) };
}

test('the published merchant takes the proof and books exactly its payment', async () => {
  const { demanded, planned, proof } = await proofFor('/forecast');
  const paid = await pay(`${shop.url}/forecast`, demanded, proof);
  expect(paid.status).toBe(200);
  expect(await paid.json()).toEqual({ sunny: true });
  expect(shop.books).toMatchObject([{ nonce: planned.nonce, amount: '10', currency: 'usd', recipient: 'acme' }]);
  expect(planned.identity).toBe(`${shop.books[0]?.payer}:${planned.nonce}`);
});

test('a proof is taken once', async () => {
  const { demanded, proof } = await proofFor('/forecast');
  expect((await pay(`${shop.url}/forecast`, demanded, proof)).status).toBe(200);
  expect((await pay(`${shop.url}/forecast`, demanded, proof)).status).toBe(402);
  expect(shop.books).toHaveLength(1);
});

test('a proof is refused after its until, though its challenge still stands', async () => {
  const brief = openSandboxWallet({ id: 'brief', pem, proofLifetimeMs: 1000, random });
  const { demanded, planned, proof } = await proofFor('/forecast', Date.now(), brief);
  await sleep(planned.redeemableUntil - Date.now() + 20);
  expect((await pay(`${shop.url}/forecast`, demanded, proof)).status).toBe(402);
  expect(shop.books).toEqual([]);
});

test('a proof does not fit another price, another payee or another expiry', async () => {
  const { demanded, proof } = await proofFor('/forecast');
  const asked = JSON.parse(Buffer.from(demanded.request, 'base64url').toString());
  const rewritten = (changes: object) => Buffer.from(JSON.stringify({ ...asked, ...changes })).toString('base64url');
  const later = new Date(Date.now() + 60 * MINUTE).toISOString();
  const tampered = [
    { request: rewritten({ amount: '1' }) },
    { request: rewritten({ recipient: 'mallory' }) },
    { expires: later },
    { realm: 'elsewhere.test' },
  ];
  for (const changes of tampered) {
    expect((await pay(`${shop.url}/forecast`, { ...demanded, ...changes }, proof)).status).toBe(402);
  }
  expect((await pay(`${shop.url}/dear`, demanded, proof)).status).toBe(402);
  expect(shop.books).toEqual([]);
});

test('each signed field counts: a proof for one demand is worth nothing for another of equal terms', async () => {
  const first = await proofFor('/forecast');
  await sleep(5);
  const second = challengeOf(await fetch(`${shop.url}/forecast`));
  expect(second.id).not.toBe(first.demanded.id);
  expect((await pay(`${shop.url}/forecast`, second, first.proof)).status).toBe(402);
  const postponed = { ...first.proof, payload: { ...first.proof.payload, until: 4_000_000_000 } };
  expect((await pay(`${shop.url}/forecast`, first.demanded, postponed)).status).toBe(402);
  expect(shop.books).toEqual([]);
});

test('a proof lives until the earlier of expiry and lifetime, on a whole second', () => {
  const at = (expiresAt: number | null, nowMs: number) =>
    wallet.plan(sandboxOffer({ challenge: challenge({ expiresAt }) }), nowMs).redeemableUntil;
  expect(at(null, 1_000_999)).toBe(1_300_000);
  expect(at(2_000_999, 1_000_999)).toBe(1_300_000);
  expect(at(1_100_999, 1_000_999)).toBe(1_100_000);
  expect(at(1_000_999, 1_000_500)).toBe(1_000_000);
  expect(() => at(Number.NaN, 1_000_000)).toThrow(RangeError);
});

test('every plan has a nonce of its own', () => {
  const nonces = new Set(Array.from({ length: 100 }, () => wallet.plan(sandboxOffer(), 0).nonce));
  expect(nonces.size).toBe(100);
  for (const nonce of nonces) expect(Buffer.from(nonce, 'base64url')).toHaveLength(16);
});

test('what is not a sandbox charge in the asset of the table is not payable, and not proved either', async () => {
  const others = [
    sandboxOffer({ network: 'eip155:1' }),
    sandboxOffer({ token: 'eur' }),
    sandboxOffer({ challenge: challenge({ method: 'evm' }) }),
    sandboxOffer({ challenge: challenge({ intent: 'session' }) }),
  ];
  expect(wallet.payable(sandboxOffer(), usd)).toBe(true);
  for (const offer of others) {
    expect(wallet.payable(offer, usd)).toMatchObject({ code: 'rail_unavailable' });
    await expect(wallet.prove(wallet.plan(offer, 0), usd)).rejects.toMatchObject({ code: 'rail_unavailable' });
  }
});

test('1,000 demands at one moment share challenge ids, and a shared one is still paid once per proof', async () => {
  const demands = await Promise.all(Array.from({ length: 1000 }, () => fetch(`${shop.url}/forecast`)));
  const challenges = demands.map(challengeOf);
  const ids = new Set(challenges.map(({ id }) => id));
  expect(ids.size).toBeLessThan(1000);
  const shared = challenges.find(({ id }, n) => challenges.findIndex((other) => other.id === id) !== n);
  expect(shared).toBeDefined();
  if (shared === undefined) return;
  const offer = sandboxOffer({ challenge: shared });
  const proofs = [wallet.plan(offer, Date.now()), wallet.plan(offer, Date.now())];
  for (const planned of proofs) await pay(`${shop.url}/forecast`, shared, await wallet.prove(planned, usd));
  expect(shop.books.map(({ nonce }) => nonce)).toEqual(proofs.map(({ nonce }) => nonce));
});

test('a generated key opens a wallet, is the owner’s alone, and replaces nothing', () => {
  const path = join(folder, 'sandbox.pem');
  generateSandboxKey(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const written = readFileSync(path, 'utf8');
  openSandboxWallet({ id: 'play', pem: written, proofLifetimeMs: MINUTE, random });
  expect(() => generateSandboxKey(path)).toThrow();
  expect(readFileSync(path, 'utf8')).toBe(written);
  writeFileSync(join(folder, 'empty.pem'), '');
  expect(() => generateSandboxKey(join(folder, 'empty.pem'))).toThrow();
});

test('a key of another kind is refused by the wallet’s name, without a word of the key', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const ed25519 = generateKeyPairSync('ed25519');
  const wrong = [
    rsa.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ed25519.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    pem.replace(/[A-Z]{5}/g, 'AAAAA').slice(0, 60),
    'c0ffee',
    '',
  ];
  for (const key of wrong) {
    const open = () => openSandboxWallet({ id: 'play', pem: key, proofLifetimeMs: MINUTE, random });
    expect(open).toThrow(GatewayFault);
    expect(open).toThrow(/wallet "play"/);
    if (key !== '') expect(open).not.toThrow(key);
  }
});
