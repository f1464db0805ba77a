// Demands for a token on a chain whose chain, token, decimals or addresses lie (MPP, evm charge). The wallet signs
// offline, so no chain is needed: a proof that reached the merchant is money, and nothing else is.
import { randomBytes } from 'node:crypto';
import { getAddress, type Hex, recoverTypedDataAddress } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canonicalJson } from '../../src/domain/canonical.ts';
import { type Idp, startIdp } from '../fakes/idp.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import * as script from '../fakes/script.ts';
import { expectNoMoney, type Stand, startStand, watch } from '../support/stand.ts';

const KEY: Hex = `0x${randomBytes(32).toString('hex')}`;
const WALLET = privateKeyToAccount(KEY).address;
const TOKEN = '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913';
const PAYEE = `0x${'ab'.repeat(20)}`;
const DOMAIN = { name: 'USD Coin', version: '2' };

let idp: Idp;
let stand: Stand;
beforeAll(async () => {
  idp = await startIdp();
  const keys = `keys: { url: "${idp.keysUrl}" }`;
  const eip712 = `eip712: { name: "${DOMAIN.name}", version: "${DOMAIN.version}" }`;
  const service = (id: string) => `\n  - { id: ${id}, upstream: "UPSTREAM", allowPrivateNetwork: true }`;
  stand = await startStand({
    env: { EVM_KEY: KEY },
    sections: {
      identity: `\n  issuers: [{ issuer: "${idp.issuer}", audience: purser, allowPrivateNetwork: true, ${keys} }]`,
      services: service('shop') + service('twin'),
      assets: `\n  - { id: usdc, network: "eip155:8453", token: "${TOKEN}", decimals: 6, value: "1 USD", ${eip712} }`,
      wallets: '\n  - { id: treasury, rail: evm, key: { env: EVM_KEY }, networks: ["eip155:8453"] }',
    },
    policies: `agents: [{ id: buyer-1, owner: dana@example.com }]
budgets: [{ id: purse, limit: 100.00 USD, window: day, per: agent }]
entitlements:
  - id: everybody-buys
    agents: { id: "*" }
    services: [shop, twin]
    assets: [usdc]
    payees: ["${PAYEE}", "${WALLET}"]
    ceiling: 1.00 USD
    budgets: [purse]
`,
  });
});
afterAll(async () => {
  await stand.close();
  await idp.close();
});

interface Demand {
  readonly amount?: unknown;
  readonly currency?: unknown;
  readonly recipient?: unknown;
  /** Merged into `methodDetails`; undefined leaves a member out. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly params?: Readonly<Record<string, string>>;
}

function evmChallenge({ details, params, ...request }: Demand = {}): string {
  const methodDetails = { chainId: 8453, credentialTypes: ['authorization'], decimals: 6, ...details };
  const whole = { amount: '250000', currency: TOKEN, recipient: PAYEE, ...request, methodDetails };
  const requestText = canonicalJson(JSON.parse(JSON.stringify(whole)));
  return sandboxChallenge({ requestText, params: { method: 'evm', ...params } });
}

let asked = 0;
const ask = async (service = 'shop') => {
  const token = await idp.token({ claims: { sub: 'buyer-1' } });
  return stand.gateway.ask(`/${service}/${++asked}`, { headers: { 'purser-token': token } });
};

async function refuses(code: string, demand: Demand) {
  stand.demands(evmChallenge(demand));
  return expectNoMoney(stand, code, () => ask());
}

interface Authorisation {
  readonly type: string;
  readonly from: Hex;
  readonly to: Hex;
  readonly value: string;
  readonly validAfter: string;
  readonly validBefore: string;
  readonly nonce: Hex;
  readonly signature: Hex;
}

/** Asks, and answers with the authorisation that the merchant got. */
async function pays(challenge: string, service = 'shop'): Promise<Authorisation> {
  stand.demands(challenge);
  const outcome = await watch(stand, () => ask(service));
  expect(outcome).toMatchObject({ settled: 250_000n, held: 0n });
  const paid = outcome.requests.filter((request) => request.paid);
  expect(paid).toHaveLength(1);
  const [, value = ''] = paid[0]?.headers.find(([name]) => name.toLowerCase() === 'authorization') ?? [];
  return JSON.parse(Buffer.from(value.slice('Payment '.length), 'base64url').toString()).payload;
}

const TYPES = {
  TransferWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const;

const signer = (paid: Authorisation, domain: { name: string; version: string }) =>
  recoverTypedDataAddress({
    domain: { ...domain, chainId: 8453, verifyingContract: getAddress(TOKEN) },
    types: TYPES,
    primaryType: 'TransferWithAuthorization',
    message: {
      ...paid,
      value: BigInt(paid.value),
      validAfter: BigInt(paid.validAfter),
      validBefore: BigInt(paid.validBefore),
    },
    signature: paid.signature,
  });

test('CHAL-24: a token is known by chain and address alone; names and symbols are never used', async () => {
  for (const currency of ['USDC', 'usdc', 'usd', 'U\u0405DC', 5, undefined]) {
    await refuses('challenge_malformed', { currency });
  }
  await refuses('asset_unknown', { currency: `0x${'11'.repeat(20)}`, details: { symbol: 'USDC' } });
});

test('CHAL-25: decimals come from the operator’s table; a demand that states others is a mismatch', async () => {
  for (const decimals of [18, 0, 7]) await refuses('challenge_mismatch', { details: { decimals } });
  for (const decimals of [-1, 6.5, '6', 256, null]) await refuses('challenge_malformed', { details: { decimals } });
  await pays(evmChallenge({ details: { decimals: undefined } }));
});

test('CHAL-26: another chain, or one that is not a whole number, is never paid', async () => {
  for (const chainId of [84_532, 1, 84_530]) await refuses('asset_unknown', { details: { chainId } });
  for (const chainId of ['8453', '0x2105', 8453.5, 0, -8453, 1e300, null, undefined, [8453]]) {
    await refuses('challenge_malformed', { details: { chainId } });
  }
});

test('CHAL-29: a recipient is its twenty bytes: other spellings, nobody and ourselves are refused', async () => {
  const wrongChecksum = `0x${'aB'.repeat(20)}`;
  const lengths = [`0x${'ab'.repeat(19)}`, `0x${'ab'.repeat(21)}`, `0x${'ab'.repeat(19)}a`];
  const others = [`0X${'ab'.repeat(20)}`, 'ab'.repeat(20), 'acme.eth', '', ` ${PAYEE}`, `0x${'0'.repeat(40)}`, TOKEN];
  for (const recipient of [wrongChecksum, ...lengths, ...others, 7, null, undefined]) {
    await refuses('challenge_malformed', { recipient });
  }
  await refuses('challenge_unsupported', { recipient: WALLET });
  await refuses('payee_forbidden', { recipient: `0x${'ac'.repeat(20)}` });
  for (const recipient of [getAddress(PAYEE), `0x${'AB'.repeat(20)}`]) {
    expect((await pays(evmChallenge({ recipient }))).to).toBe(getAddress(PAYEE));
  }
});

test('CHAL-30: a payment that is split is refused, within the bounds of the draft and beyond them', async () => {
  const split = (amount: string, recipient = PAYEE) => ({ amount, recipient });
  await refuses('challenge_unsupported', { details: { splits: [split('1')] } });
  const eleven = Array.from({ length: 11 }, () => split('1'));
  const odd = [[split('250000')], [split('250001')], [split('-1')], eleven, [], 'x', [split('1', 'acme')], [{}]];
  for (const splits of odd) await refuses('challenge_malformed', { details: { splits } });
});

test('CHAL-42: the signing domain is the operator’s own, whatever the demand says of it', async () => {
  const lie = { name: 'USDC', version: '1' };
  const verifyingContract = `0x${'22'.repeat(20)}`;
  const paid = await pays(evmChallenge({ details: { ...lie, authorization: lie, domain: lie, verifyingContract } }));
  expect(await signer(paid, DOMAIN)).toBe(WALLET);
  expect(await signer(paid, lie)).not.toBe(WALLET);
});

test('CHAL-09: an amount beyond 2^256 is unreadable, one below it is over the ceiling to the last atom', async () => {
  await refuses('challenge_malformed', { amount: `${2n ** 256n}` });
  const { receipt } = await refuses('over_ceiling', { amount: `${2n ** 256n - 1n}` });
  expect(receipt.offer?.atoms).toBe(`${2n ** 256n - 1n}`);
});

test('CHAL-39: a nonce that was paid is not paid again, also through another service', async () => {
  const [id, realm] = [randomBytes(8).toString('hex'), 'evm.test'];
  const first = await pays(evmChallenge({ params: { id, realm } }));
  // The nonce is a hash over both written one after the other: moving a letter makes another id of the same nonce.
  const moved = { id: id.slice(0, -1), realm: `${id.slice(-1)}${realm}` };
  const demands = [{ id, realm }, moved].map((params) => script.demand(evmChallenge({ params, amount: '3' })));
  stand.behave({ unpaid: (_, { target }) => demands[Number(target.slice(1)) % 2] ?? script.hang });
  const [before, read] = [await stand.money(), stand.merchant.requests.length];
  const answers = await Promise.all([ask('twin'), ask('twin')]);
  for (const answer of answers) expect(await answer.json()).toMatchObject({ code: 'challenge_reused' });
  expect(await stand.money()).toEqual(before);
  expect(stand.merchant.requests.slice(read).filter(({ paid }) => paid)).toEqual([]);
  const other = await pays(evmChallenge({ params: { id, realm: 'other.test' } }), 'twin');
  expect(other.nonce).not.toBe(first.nonce);
});

test('FLOW-24: an approval or a standing permission is never signed, only one exact transfer that ends', async () => {
  for (const credentialTypes of [['permit2'], ['transaction', 'hash'], undefined]) {
    await refuses('challenge_unsupported', { details: { credentialTypes } });
  }
  const credentialTypes = ['permit2', 'authorization'];
  const before = Math.floor(Date.now() / 1_000);
  const paid = await pays(evmChallenge({ details: { credentialTypes, allowance: `${2n ** 256n - 1n}` } }));
  expect(paid).toMatchObject({ type: 'authorization', from: WALLET, to: getAddress(PAYEE), value: '250000' });
  expect(Number(paid.validBefore)).toBeGreaterThan(before);
  expect(Number(paid.validBefore)).toBeLessThanOrEqual(Math.floor(Date.now() / 1_000) + 300);
});
