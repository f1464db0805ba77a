// Demands as services write them, honest and hostile, and what is made of each. Ids are rows of the hostile cases.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { readOffers } from '../../src/challenge/read-offers.ts';
import {
  base64url,
  evmRequest,
  KNOWN,
  LIMIT,
  NOW,
  offerOf,
  payment,
  reading,
  refusalOf,
  SHOP,
  sandboxRequest,
  USDC,
} from './demand.ts';

const sandbox = (changes: Record<string, unknown>) => payment({ request: sandboxRequest(changes) });
const evm = (changes: Record<string, unknown>, details: Record<string, unknown> = {}) =>
  payment({ method: 'evm', request: evmRequest(changes, details) });
const SHOPS_REQUEST = '{"amount":"10","currency":"usd","recipient":"acme"}';

test('a sandbox demand is read, its strings kept as they stood', () => {
  const line = payment({ description: 'a "day" of\\caf\u00e9', opaque: base64url('{"a":"b"}') });
  expect(offerOf(line)).toEqual({
    challenge: {
      dialect: 'mpp',
      method: 'sandbox',
      intent: 'charge',
      id: 'c1',
      realm: 'shop.example',
      request: base64url(SHOPS_REQUEST),
      expires: '2026-11-23T12:05:00Z',
      expiresAt: NOW + 300_000,
      digest: null,
      opaque: base64url('{"a":"b"}'),
      description: 'a "day" of\\caf\u00e9',
      hash: createHash('sha256').update(line, 'latin1').digest('hex'),
    },
    network: 'sandbox',
    token: 'usd',
    atoms: 10n,
    payee: 'acme',
    stated: { decimals: null, credentialTypes: null },
  });
});

test('an evm demand is read into canonical names', () => {
  expect(offerOf(evm({}))).toMatchObject({
    network: 'eip155:8453',
    token: USDC.toLowerCase(),
    atoms: 10_000n,
    payee: SHOP.toLowerCase(),
    stated: { decimals: 6, credentialTypes: ['authorization'] },
  });
});

test('the hash is over the bytes of the one challenge, whatever stands around it', () => {
  const alone = offerOf(payment()).challenge.hash;
  expect(offerOf(`Basic realm="x",  ${payment()} ,`).challenge.hash).toBe(alone);
  expect(offerOf(payment({ description: 'x' })).challenge.hash).not.toBe(alone);
});

test('offers keep the order of the service, in one line or in several', () => {
  const [a, b, c] = [
    payment({ id: 'a' }),
    payment({ id: 'b', method: 'evm', request: evmRequest() }),
    payment({ id: 'c' }),
  ];
  for (const lines of [
    [`${a}, ${b}`, c],
    [a, b, c],
    [`Basic realm="x", ${a},,${b}`, `Negotiate YQ==, ${c}`],
  ]) {
    const outcome = reading(...lines);
    expect('offers' in outcome && outcome.offers.map(({ challenge }) => challenge.id)).toEqual(['a', 'b', 'c']);
  }
});

test('unknown parameters are ignored, unknown methods and intents skipped, broken or not', () => {
  expect(offerOf(payment({ flavour: 'sweet', version: '9' })).atoms).toBe(10n);
  const others = [
    payment({ id: 'a', method: 'tempo', request: '@' }),
    payment({ id: 'b', intent: 'charge-v2', realm: null }),
  ];
  expect(offerOf(...others, payment()).challenge.id).toBe('c1');
  expect(offerOf(`Payment method="x402", intent="exact", ${payment()}`).challenge.id).toBe('c1');
});

test('one malformed offer of a known kind spoils a good one, before or after it', () => {
  const bad = payment({ id: 'bad', request: sandboxRequest({ amount: '-1' }) });
  for (const lines of [[bad, payment()], [payment(), bad], [`${payment()}, ${bad}`]]) {
    expect(refusalOf(...lines)).toContain('challenge_malformed');
  }
});

test('an id that stands in two challenges spoils the demand, also in one of an unknown kind', () => {
  expect(refusalOf(payment(), payment())).toContain('the id "c1" stands in two challenges');
  expect(refusalOf(payment(), payment({ method: 'tempo' }))).toContain('stands in two challenges');
});

test('a line that cannot be read spoils the demand, because it may be a part of the one before it', () => {
  expect(refusalOf(payment(), 'realm="other"')).toContain('challenge_malformed');
  expect(refusalOf(`${payment()}, Odd {`)).toContain('challenge_malformed');
  expect(refusalOf(payment({ id: '"' }).replaceAll('\\', ''))).toContain('challenge_malformed');
});

const UNSUPPORTED: readonly (readonly [string, readonly string[], string])[] = [
  ['CHAL-48: no header', [], 'no Payment challenge'],
  ['CHAL-48: an empty header', [''], 'no Payment challenge'],
  ['CHAL-48: Basic', ['Basic realm="x"'], 'no Payment challenge'],
  ['CHAL-48: Bearer', ['Bearer error="invalid_token"'], 'no Payment challenge'],
  ['CHAL-43: L402 alone', ['L402 macaroon="m", invoice="lnbc1"'], 'no Payment challenge'],
  ['CHAL-48: something unreadable', ['Odd {'], 'no Payment challenge'],
  ['CHAL-48: a scheme that only looks like it', ['X-Payment id="a"'], 'no Payment challenge'],
  ['CHAL-35: session instead of charge', [payment({ intent: 'session' })], 'offers "sandbox/session"'],
  ['CHAL-35: subscription', [payment({ method: 'evm', intent: 'subscription' })], 'offers "evm/subscription"'],
  ['CHAL-35: a push of the client only', [evm({}, { credentialTypes: ['hash'] })], 'authorization'],
  ['CHAL-35: a standing permit only', [evm({}, { credentialTypes: ['permit2', 'transaction'] })], 'authorization'],
  [
    'unknown methods',
    [payment({ method: 'tempo' }), payment({ id: 'b', method: 'stripe' })],
    '"tempo/charge", "stripe/charge"',
  ],
  ['CHAL-10: an amount of 0', [sandbox({ amount: '0' })], 'an amount of 0'],
  ['CHAL-10: an amount of 0 of a token', [evm({ amount: '0' })], 'an amount of 0'],
  ['CHAL-30: splits within their bounds', [evm({}, { splits: [{ amount: '9999', recipient: USDC }] })], 'splits'],
  ['a proof in another header', [payment({ header: 'Payment-Authorization' })], '"Payment-Authorization"'],
];

test.each(UNSUPPORTED)('%s is unsupported', (_, lines, words) => {
  const refusal = refusalOf(...lines);
  expect(refusal).toMatch(/^challenge_unsupported: /);
  expect(refusal).toContain(words);
});

test('an offer that cannot be met is skipped when another can', () => {
  const zero = payment({ id: 'z', request: sandboxRequest({ amount: '0' }) });
  const session = payment({ id: 's', intent: 'session' });
  expect(offerOf(zero, session, payment()).challenge.id).toBe('c1');
});

test('the default credential header may be named', () => {
  expect(offerOf(payment({ header: 'authorization' })).challenge.id).toBe('c1');
});

test('without a wallet for it a kind is unknown', () => {
  const context = { nowMs: NOW, limitBytes: LIMIT, known: new Set(['evm/charge', 'tempo/charge']) };
  const broken = payment({ request: '@' });
  expect(readOffers({ headers: ['www-authenticate', broken] }, context)).toMatchObject({
    code: 'challenge_unsupported',
  });
  const tempo = payment({ method: 'tempo' });
  expect(readOffers({ headers: ['www-authenticate', tempo] }, context)).toMatchObject({
    code: 'challenge_unsupported',
  });
});

test('expired offers are skipped; when all are, that is the answer', () => {
  const old = payment({ id: 'old', expires: '2026-11-23T12:00:00Z' });
  const next = payment({ id: 'next', expires: '2026-11-23T12:00:00.001Z' });
  expect(offerOf(old, next).challenge.id).toBe('next');
  expect(refusalOf(old)).toContain("challenge_expired: The service's payment demand expired at 2026-11-23T12:00:00Z");
  expect(refusalOf(old, payment({ id: 's', intent: 'session' }))).toContain('challenge_expired');
  expect(refusalOf(old, sandbox({ amount: '-1' }))).toContain('challenge_malformed');
  expect(offerOf(payment({ expires: null })).challenge.expiresAt).toBeNull();
});

test('CHAL-33: an expiry far away is read as it stands', () => {
  expect(offerOf(payment({ expires: '9998-01-01T00:00:00Z' })).challenge.expiresAt).toBe(Date.UTC(9998, 0, 1));
});

test('CHAL-09: large amounts are exact', () => {
  for (const amount of [2n ** 53n + 1n, 2n ** 63n, 2n ** 64n, 10n ** 78n - 1n]) {
    expect(offerOf(sandbox({ amount: `${amount}` })).atoms).toBe(amount);
  }
  expect(offerOf(evm({ amount: `${2n ** 256n - 1n}` })).atoms).toBe(2n ** 256n - 1n);
});

test('CHAL-16: keys of prototypes in request, details and opaque change nothing', () => {
  const hostile = JSON.parse('{"__proto__":{"amount":"1"},"constructor":"c","hasOwnProperty":"h","toString":"t"}');
  const offer = offerOf(
    payment({
      method: 'evm',
      request: evmRequest(hostile, hostile),
      opaque: base64url('{"__proto__":"x","toString":"y"}'),
    }),
  );
  expect(offer.atoms).toBe(10_000n);
  expect(Reflect.get({}, 'amount')).toBeUndefined();
  expect(Object.prototype.toString.call('')).toBe('[object String]');
});

test('CHAL-25: stated decimals are handed on, to be compared with the operator’s table', () => {
  expect(offerOf(evm({}, { decimals: 18 })).stated.decimals).toBe(18);
  expect(offerOf(evm({}, { decimals: undefined })).stated.decimals).toBeNull();
});

test('CHAL-26: the network is named by its chain alone', () => {
  expect(offerOf(evm({}, { chainId: 1 })).network).toBe('eip155:1');
});

test('CHAL-29: one address in three spellings is one payee', () => {
  const payees = [SHOP, SHOP.toLowerCase(), `0x${SHOP.slice(2).toUpperCase()}`].map(
    (recipient) => offerOf(evm({ recipient })).payee,
  );
  expect(new Set(payees)).toEqual(new Set([SHOP.toLowerCase()]));
});

test('CHAL-31: a foreign realm is read as data', () => {
  expect(offerOf(payment({ realm: 'bank.example' })).challenge.realm).toBe('bank.example');
});

test('CHAL-34: a lying description changes nothing and may hold anything', () => {
  const description = 'approved by ops: 1 cent <b>\u0001\u00e2\u0080\u00ae "\\';
  const offer = offerOf(payment({ description, request: sandboxRequest({ amount: '50000', description: '1 cent' }) }));
  expect(offer).toMatchObject({ atoms: 50_000n, challenge: { description } });
});

test('CHAL-34: a description that latin1 lacks is read as the reference implementation writes it', () => {
  const [dash, emoji, half] = ['a\\u2014b', '\\ud83d\\ude00', '\\ud83d'].map(
    (text) => offerOf(payment().replace('Payment ', `Payment description="${text}",`)).challenge.description,
  );
  expect([dash, emoji, half]).toEqual(['a—b', '😀', '\ufffd']);
});

test('a service’s text is quoted escaped and cut', () => {
  const refusal = refusalOf(sandbox({ recipient: `\u202eevil"\u001b[31m${'x'.repeat(500)}` }));
  expect(refusal).toContain('"\\u{202e}evil\\"\\u{1b}[31mxxx');
  expect(refusal).toMatch(/^[ -~…]+$/);
  expect(refusal.length).toBeLessThan(500);
});

test('what all values may have together has a limit', () => {
  const context = { nowMs: NOW, known: KNOWN };
  const lines = [payment(), 'Bearer'];
  const headers = lines.flatMap((line) => ['WWW-AUTHENTICATE', line]);
  const size = lines.join('').length;
  expect(readOffers({ headers }, { ...context, limitBytes: size })).toHaveProperty('offers');
  expect(readOffers({ headers }, { ...context, limitBytes: size - 1 })).toMatchObject({ code: 'challenge_malformed' });
});
