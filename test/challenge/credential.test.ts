// Credentials against the published mppx server, which answers 402 unless each parameter comes back as it gave it, and
// settlement receipts as it and others write them.
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import { Credential, Method, Receipt, z } from 'mppx';
import { evm as evmClient } from 'mppx/client';
import { evm, Mppx } from 'mppx/server';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { expect, test } from 'vitest';
import { mppAuthorization, readPaymentReceipt } from '../../src/challenge/credential.ts';
import { readOffers } from '../../src/challenge/read-offers.ts';
import type { Offer } from '../../src/domain/offer.ts';
import { KNOWN, LIMIT, offerOf, payment, SHOP, USDC } from './demand.ts';

const secretKey = 'only for this test, and long enough for an HMAC';

/** Reads the challenge out of a 402 the way the gateway gets it: raw header lines. */
function offerIn(answer: Response): Offer {
  const headers = [...answer.headers].flat();
  const outcome = readOffers({ headers }, { nowMs: Date.now(), limitBytes: LIMIT, known: KNOWN });
  if ('kind' in outcome) throw new Error(outcome.detail);
  return outcome.offers[0] as Offer;
}

const asked = (authorization?: string) =>
  new Request('https://shop.example/v1/x', { headers: authorization === undefined ? {} : { authorization } });

function sandboxShop() {
  const sandbox = Method.from({
    name: 'sandbox',
    intent: 'charge',
    schema: {
      credential: { payload: z.object({ key: z.string(), signature: z.string() }) },
      request: z.object({ amount: z.string(), currency: z.string(), recipient: z.string() }),
    },
  });
  const method = Method.toServer(sandbox, {
    async verify({ credential }) {
      const { key, signature } = credential.payload;
      const publicKey = { key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' } as const;
      if (!verify(null, Buffer.from(credential.challenge.id), publicKey, Buffer.from(signature, 'base64url')))
        throw new Error('no');
      return Receipt.from({
        method: 'sandbox',
        reference: 'r-1',
        status: 'success',
        timestamp: new Date().toISOString(),
      });
    },
  });
  return Mppx.create({ methods: [method], realm: 'shop.example', secretKey });
}

test('the mppx server takes the credential of a custom method, with description and opaque', async () => {
  const shop = sandboxShop().charge({
    amount: '10',
    currency: 'usd',
    recipient: 'acme',
    description: 'a "day" of — data',
    meta: { order: '1', note: 'é' },
  });
  const demanded = await shop(asked());
  if (demanded.status !== 402) throw new Error('a demand');
  const { challenge } = offerIn(demanded.challenge);
  expect(challenge.description).toBe('a "day" of — data');
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const signature = sign(null, Buffer.from(challenge.id), privateKey).toString('base64url');
  const key = String(publicKey.export({ format: 'jwk' }).x);
  const paid = await shop(asked(mppAuthorization(challenge, { key, signature }, null)));
  expect(paid.status).toBe(200);
  if (paid.status !== 200) return;
  const receipt = paid.withReceipt(new Response('goods')).headers.get('Payment-Receipt') ?? '';
  expect(readPaymentReceipt(receipt)).toEqual({
    reference: 'r-1',
    hash: createHash('sha256').update(receipt).digest('hex'),
  });
});

test('the mppx server refuses it when any echoed parameter differs', async () => {
  const shop = sandboxShop().charge({ amount: '10', currency: 'usd', recipient: 'acme' });
  const demanded = await shop(asked());
  if (demanded.status !== 402) throw new Error('a demand');
  const { challenge } = offerIn(demanded.challenge);
  for (const changed of [{ realm: 'b' }, { expires: null }, { id: 'x' }, { opaque: 'e30' }]) {
    expect((await shop(asked(mppAuthorization({ ...challenge, ...changed }, {}, null)))).status).toBe(402);
  }
});

test('the mppx server takes the credential of an evm charge', async () => {
  const settled: string[] = [];
  const terms = {
    currency: USDC,
    chainId: 8453,
    decimals: 6,
    authorization: { name: 'USD Coin', version: '2' },
  } as const;
  const method = evm.charge({
    ...terms,
    recipient: SHOP,
    async settle({ payload }) {
      settled.push(payload.nonce);
      return { reference: payload.nonce };
    },
  });
  const shop = Mppx.create({ methods: [method], realm: 'shop.example', secretKey }).charge({ amount: '0.01' });
  const demanded = await shop(asked());
  if (demanded.status !== 402) throw new Error('a demand');
  const offer = offerIn(demanded.challenge);
  expect(offer).toMatchObject({ network: 'eip155:8453', atoms: 10_000n, payee: SHOP.toLowerCase() });

  // The payload is signed by the reference client; challenge and wrapping are ours.
  const account = privateKeyToAccount(generatePrivateKey());
  const client = evmClient.charge({ account, authorization: terms.authorization });
  const { challenge } = offer;
  const request = JSON.parse(Buffer.from(challenge.request, 'base64url').toString());
  const { id, realm, expires } = challenge;
  const signed = await client.createCredential({
    challenge: { id, realm, method: 'evm', intent: 'charge', request, ...(expires !== null && { expires }) },
    context: {},
  });
  const { payload, source } = Credential.deserialize<Record<string, unknown>>(signed);
  const paid = await shop(asked(mppAuthorization(challenge, payload, source ?? null)));
  expect(paid.status).toBe(200);
  expect(settled).toEqual([payload.nonce]);
});

test('a credential holds the challenge’s parameters, the payload and the source, and nothing else', () => {
  const { challenge } = offerOf(payment({ digest: null, description: 'd', opaque: 'e30', flavour: 'sweet' }));
  const decode = (value: string) =>
    JSON.parse(Buffer.from(value.replace(/^Payment /, ''), 'base64url').toString('utf8'));
  const { id, realm, method, intent, request, expires } = challenge;
  const echo = { id, realm, method, intent, request, expires, description: 'd', opaque: 'e30' };
  const value = mppAuthorization(challenge, { proof: 'é' }, 'did:example:1');
  expect(value).toMatch(/^Payment [A-Za-z0-9_-]+$/);
  expect(decode(value)).toEqual({ challenge: echo, payload: { proof: 'é' }, source: 'did:example:1' });
  expect(decode(mppAuthorization(challenge, {}, null))).toEqual({ challenge: echo, payload: {} });
});

const receipt = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');

test('a reference is cut to 256 characters, never through a surrogate pair', () => {
  const long = readPaymentReceipt(receipt({ status: 'success', reference: `a${'😀'.repeat(300)}` }));
  expect(long?.reference).toBe(`a${'😀'.repeat(255)}`);
  expect(long?.reference.isWellFormed()).toBe(true);
});

test.each([
  ['nothing', ''],
  ['padding', `${receipt({ status: 'success', reference: 'r' })}==`],
  ['no JSON', 'abcd'],
  ['another status', receipt({ status: 'failed', reference: 'r' })],
  ['no status', receipt({ reference: 'r' })],
  ['no reference', receipt({ status: 'success' })],
  ['an empty reference', receipt({ status: 'success', reference: '' })],
  ['a reference that is no text', receipt({ status: 'success', reference: { toString: 'r' } })],
  ['a list', receipt(['success'])],
  ['two receipts in one header', `${receipt({ status: 'success', reference: 'r' })}, x`],
  ['a megabyte', receipt({ status: 'success', reference: 'r'.repeat(1 << 20) })],
  ['members by prototype', Buffer.from('{"__proto__":{"status":"success","reference":"r"}}').toString('base64url')],
])('%s is no settlement receipt', (_, value) => {
  expect(readPaymentReceipt(value)).toBeUndefined();
});
