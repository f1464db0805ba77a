import { afterAll, beforeAll, expect, test } from 'vitest';
import { GatewayFault } from '../../src/domain/fault.ts';
import type { Offer } from '../../src/domain/offer.ts';
import { openEvmWallet } from '../../src/rail/evm.ts';
import type { RailAsset, Wallet } from '../../src/rail/rail.ts';
import { type Authorisation, type Chain, startChain } from '../fakes/chain.ts';
import { type EvmMerchant, evmMerchant } from '../fakes/evm-merchant.ts';
import { challenge, challengeOf, pay } from './support.ts';

const MINUTE = 60_000;
const FUNDS = 10_000_000n;
let chain: Chain;
let shop: EvmMerchant;
let asset: RailAsset;
let key: string;
let payer: string;
let wallet: Wallet;

beforeAll(async () => {
  chain = await startChain();
  shop = await evmMerchant(chain, { price: '0.25' });
  const { network, eip712 } = chain;
  asset = { id: 'usd.local', network, token: chain.token.toLowerCase(), decimals: 6, eip712 };
  ({ key, address: payer } = await chain.fund(FUNDS));
  wallet = openEvmWallet({ id: 'treasury', key, networks: [network], proofLifetimeMs: 5 * MINUTE });
});
afterAll(async () => {
  await shop?.close();
  await chain?.close();
});

/** An offer of 0.25 to the shop, on a hand-made challenge. */
function offer(changes: Partial<Offer> = {}): Offer {
  return {
    challenge: challenge({ method: 'evm' }),
    network: chain.network,
    token: asset.token,
    atoms: 250_000n,
    payee: shop.recipient.toLowerCase(),
    stated: { decimals: 6, credentialTypes: ['authorization'] },
    ...changes,
  };
}

/** The terms that were signed. */
async function authorised(paying: Wallet, paid: Offer, nowMs = Date.now()): Promise<Authorisation> {
  const { payload } = await paying.prove(paying.plan(paid, nowMs), asset);
  const term = (name: string) => String(payload[name]);
  const times = { validAfter: term('validAfter'), validBefore: term('validBefore') };
  const terms = { from: term('from'), to: term('to'), value: term('value'), nonce: term('nonce') };
  return { ...terms, ...times, signature: term('signature') };
}

test('the published merchant settles the authorisation on chain, once, for exactly the amount', async () => {
  const demanded = challengeOf(await fetch(shop.url));
  const planned = wallet.plan(offer({ challenge: demanded }), Date.now());
  expect(planned.identity).toBe(`${chain.network}:${asset.token}:${payer.toLowerCase()}:${planned.nonce}`);
  expect(await chain.used(payer, planned.nonce)).toBe(false);

  const proof = await wallet.prove(planned, asset);
  expect(proof.source).toBe(`did:pkh:${chain.network}:${payer}`);
  expect((await pay(shop.url, demanded, proof)).status).toBe(200);
  expect(await chain.used(payer, planned.nonce)).toBe(true);
  expect(await chain.balanceOf(shop.recipient)).toBe(250_000n);
  expect(await chain.balanceOf(payer)).toBe(FUNDS - 250_000n);

  expect((await pay(shop.url, demanded, proof)).status).not.toBe(200);
  expect(await chain.balanceOf(payer)).toBe(FUNDS - 250_000n);
  expect(shop.settled).toHaveLength(1);
});

test('one challenge has one name on the rail, so a second proof for it can move nothing more', async () => {
  const paid = offer({ challenge: challenge({ method: 'evm', id: 'twice' }) });
  const before = await chain.balanceOf(payer);
  expect(wallet.plan(paid, 0).identity).toBe(wallet.plan(paid, MINUTE).identity);
  await chain.settle(await authorised(wallet, paid));
  await expect(chain.settle(await authorised(wallet, paid, Date.now() + MINUTE))).rejects.toThrow(/used/);
  expect(await chain.balanceOf(payer)).toBe(before - 250_000n);
});

test('an authorisation ends with the challenge or the wallet’s proof lifetime, whichever is earlier', async () => {
  const now = 1_700_000_000_500;
  const until = async (expiresAt: number | null) => {
    const { validAfter, validBefore } = await authorised(
      wallet,
      offer({ challenge: challenge({ method: 'evm', expiresAt }) }),
      now,
    );
    expect(validAfter).toBe('0');
    return Number(validBefore);
  };
  expect(await until(null)).toBe(1_700_000_300);
  expect(await until(now + 60 * MINUTE)).toBe(1_700_000_300);
  expect(await until(now + MINUTE)).toBe(1_700_000_060);
});

test('a demand the wallet cannot answer exactly is refused before anything is signed', async () => {
  const self = payer.toLowerCase();
  const refused: [string, Offer, RailAsset][] = [
    ['challenge_mismatch', offer({ stated: { decimals: 18, credentialTypes: ['authorization'] } }), asset],
    ['challenge_unsupported', offer({ stated: { decimals: 6, credentialTypes: ['permit2', 'hash'] } }), asset],
    ['challenge_unsupported', offer({ stated: { decimals: 6, credentialTypes: null } }), asset],
    ['challenge_unsupported', offer({ payee: self }), asset],
    ['challenge_unsupported', offer({ payee: asset.token }), asset],
    ['challenge_unsupported', offer({ payee: `0x${'0'.repeat(40)}` }), asset],
    ['challenge_unsupported', offer({ payee: 'vitalik.eth' }), asset],
    ['challenge_unsupported', offer({ atoms: 2n ** 256n }), asset],
    ['rail_unavailable', offer({ network: 'eip155:1' }), asset],
    ['rail_unavailable', offer({ network: 'eip155:1' }), { ...asset, network: 'eip155:1' }],
    ['rail_unavailable', offer(), { ...asset, network: 'eip155:1' }],
    ['rail_unavailable', offer({ network: 'sandbox' }), asset],
    ['rail_unavailable', offer({ token: `0x${'1'.repeat(40)}` }), asset],
    ['rail_unavailable', offer(), { ...asset, eip712: null }],
    ['rail_unavailable', offer({ challenge: challenge({ method: 'evm', intent: 'session' }) }), asset],
  ];
  expect(wallet.payable(offer(), asset)).toBe(true);
  expect(wallet.payable(offer({ stated: { decimals: null, credentialTypes: ['authorization'] } }), asset)).toBe(true);
  expect(wallet.payable(offer(), { ...asset, token: chain.token })).toBe(true);
  for (const [code, demand, table] of refused) {
    expect(wallet.payable(demand, table)).toMatchObject({ code });
    await expect(wallet.prove(wallet.plan(demand, 0), table)).rejects.toMatchObject({
      code: 'rail_unavailable',
      money: 'exposed',
    });
  }
});

test('what is signed is worth nothing under another domain', async () => {
  const paid = offer({ challenge: challenge({ method: 'evm', id: 'domain' }) });
  const elsewhere = { ...asset, eip712: { name: chain.eip712.name, version: '1' } };
  const { payload } = await wallet.prove(wallet.plan(paid, Date.now()), elsewhere);
  const right = await authorised(wallet, paid);
  expect(payload.signature).not.toBe(right.signature);
  await expect(chain.settle({ ...right, signature: String(payload.signature) })).rejects.toThrow(/bad signature/);
  await chain.settle(right);
});

test('a key that is none is refused by the wallet’s name, without a word of the key', () => {
  const beyond = 'f'.repeat(64);
  for (const wrong of ['', 'secret', `0x${'0'.repeat(64)}`, beyond, key.slice(0, -2), `${key}00`]) {
    const open = () => openEvmWallet({ id: 'treasury', key: wrong, networks: [], proofLifetimeMs: MINUTE });
    expect(open).toThrow(GatewayFault);
    expect(open).toThrow(/wallet "treasury"/);
    if (wrong !== '') expect(open).not.toThrow(wrong);
  }
  openEvmWallet({ id: 'treasury', key: `${key.slice(2)}\n`, networks: [], proofLifetimeMs: MINUTE });
});

// Last: it moves the chain's clock for good.
test('an authorisation that was not redeemed by validBefore never can be', async () => {
  const paid = await authorised(wallet, offer({ challenge: challenge({ method: 'evm', id: 'late' }) }));
  const before = await chain.balanceOf(payer);
  await chain.advance(Number(paid.validBefore) - Math.floor(Date.now() / 1000) + 1);
  await expect(chain.settle(paid)).rejects.toThrow(/expired/);
  expect(await chain.balanceOf(payer)).toBe(before);
  expect(await chain.used(payer, paid.nonce)).toBe(false);
});
