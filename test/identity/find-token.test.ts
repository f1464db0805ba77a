import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { findAgentPayment, findToken } from '../../src/identity/find-token.ts';
import { goodClaims, MovedClock, makeKey, sign } from './issuing.ts';

const issuers = new Set(['https://idp.test']);
let token: string;
let foreignToken: string;

beforeAll(async () => {
  const key = await makeKey('k1');
  const claims = goodClaims(new MovedClock());
  token = await sign(key, claims);
  foreignToken = await sign(key, { ...claims, iss: 'https://somebody-else.test' });
});

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

test('a token is found in each of the five places, and its header does not go upstream', () => {
  const places: [name: string, value: string][] = [
    ['Purser-Token', token],
    ['Proxy-Authorization', `Bearer ${token}`],
    ['Authorization', `bearer  ${token} `],
    ['AUTHORIZATION', basic('agent', token)],
    ['X-Api-Key', token],
  ];
  for (const [name, value] of places) {
    const found = findToken(['Host', 'gateway', name, value], issuers);
    expect(found, name).toMatchObject({ token, serviceAuthorization: false });
    const consumed = 'consumed' in found ? found.consumed : [];
    expect(new Set(consumed)).toEqual(new Set(['purser-token', 'proxy-authorization', name.toLowerCase()]));
  }
});

test('an Authorization or key of the service passes, beside a token in a header of ours', () => {
  const own = ['Bearer sk-123', `Bearer ${foreignToken}`, basic('user', 'password'), 'Digest username="x"', 'Basic %%'];
  for (const value of own) {
    expect(findToken(['Purser-Token', token, 'Authorization', value, 'X-Api-Key', 'sk-1'], issuers), value).toEqual({
      token,
      consumed: ['purser-token', 'proxy-authorization'],
      serviceAuthorization: true,
    });
  }
  expect(findToken(['X-Api-Key', token, 'Authorization', 'Bearer sk-123'], issuers)).toMatchObject({
    token,
    serviceAuthorization: true,
  });
});

test('AUTH-39: two tokens are refused, in one header or in two, equal or not', () => {
  const headers = [
    ['Authorization', `Bearer ${token}`, 'Authorization', `Bearer ${token}x`],
    ['Authorization', `Bearer ${token}`, 'authorization', `Bearer ${token}`],
    ['Authorization', 'Bearer one', 'Authorization', 'Bearer two', 'Purser-Token', token],
    ['Purser-Token', token, 'purser-token', token],
    ['Purser-Token', token, 'Proxy-Authorization', `Bearer ${token}`],
    ['Purser-Token', token, 'Authorization', `Bearer ${token}`],
    ['X-Api-Key', token, 'Authorization', basic('agent', token)],
    ['X-Api-Key', token, 'X-Api-Key', 'sk-1'],
  ];
  for (const raw of headers) expect(findToken(raw, issuers)).toMatchObject({ code: 'token_invalid' });
});

test('AUTH-39: tokens in a query or a cookie are ignored', () => {
  const cookie = ['Cookie', `access_token=${token}`];
  expect(findToken(cookie, issuers)).toMatchObject({ code: 'token_missing' });
  expect(findToken([...cookie, 'Purser-Token', token], issuers)).toMatchObject({ token });
});

test('without a token the answer says so, and names the header that was taken for the service', () => {
  expect(findToken([], issuers)).toMatchObject({ code: 'token_missing' });
  expect(findToken(['Purser-Token', ' '], issuers)).toMatchObject({ code: 'token_missing' });
  expect(findToken(['Proxy-Authorization', basic('agent', token)], issuers)).toMatchObject({ code: 'token_missing' });
  expect(findToken(['Authorization', `Bearer ${foreignToken}`], issuers)).toMatchObject({
    code: 'token_missing',
    detail: expect.stringContaining('authorization was taken for the service'),
  });
});

test('AUTH-26, AUTH-13: a token of ours in another spelling never passes as the credential of the service', () => {
  const [header, payload, signature] = token.split('.');
  const spellings = [
    `${token}==`,
    `${header}.${payload}==.${signature}`,
    `${header}.${payload?.replaceAll('-', '+').replaceAll('_', '/')}.${signature}`,
    `${token}, Bearer sk-1`,
    `sk-1, Bearer ${token}`,
    `${foreignToken},${token}`,
    `{"token":"${token}"}`,
    `${header}.${payload}`,
  ];
  for (const spelling of spellings) {
    for (const value of [
      ['Authorization', `Bearer ${spelling}`],
      ['X-Api-Key', spelling],
    ]) {
      expect(findToken(value, issuers), spelling).toMatchObject({ token: spelling });
      expect(findToken([...value, 'Purser-Token', token], issuers)).toMatchObject({ code: 'token_invalid' });
    }
  }
});

test('a token of ours under another scheme, or none, is refused rather than passed on', () => {
  for (const value of [token, `Token ${token}`, `JWT token="${token}"`]) {
    for (const more of [[], ['Purser-Token', token]]) {
      expect(findToken(['Authorization', value, ...more], issuers)).toMatchObject({
        code: 'token_invalid',
        detail: expect.stringContaining('Bearer'),
      });
    }
  }
});

test('a token in the place of the user name is refused with the remedy', () => {
  const noColon = `Basic ${Buffer.from(token).toString('base64')}`;
  for (const value of [basic(token, ''), noColon]) {
    const refusal = findToken(['Authorization', value], issuers);
    expect(refusal).toMatchObject({ code: 'token_invalid', detail: expect.stringContaining('password') });
  }
});

test('AUTH-27: what is too long to look into is refused wherever it stands', () => {
  for (const length of [8_193, 64_000, 1_000_000]) {
    const long = '.'.repeat(length);
    const headers = [
      ['Purser-Token', long],
      ['Proxy-Authorization', `Bearer ${long}`],
      ['Authorization', `Bearer ${long}`],
      ['Authorization', basic('agent', long)],
      ['X-Api-Key', long],
    ];
    for (const raw of headers) expect(findToken(raw, issuers)).toMatchObject({ code: 'token_invalid' });
  }
});

test('whatever a service credential looks like, finding the token neither throws nor takes it', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom('Bearer ', 'Basic ', 'Digest ', ''), (text, scheme) => {
      const found = findToken(['Authorization', scheme + text, 'X-Api-Key', text, 'Purser-Token', token], issuers);
      expect(found).toMatchObject({ token, consumed: ['purser-token', 'proxy-authorization'] });
    }),
    { numRuns: 2_000 },
  );
});

test('a payment credential of the agent is refused by scheme and by header', () => {
  const payments = [
    ['Authorization', 'Payment eyJ4'],
    ['authorization', 'PAYMENT eyJ4'],
    ['Authorization', 'L402 mac:pre'],
    ['Authorization', 'lsat\tmac:pre'],
    ['Authorization', 'Payment'],
    ['Authorization', 'Bearer sk-1, Payment eyJ4'],
    ['Authorization', 'Bearer sk-1', 'Authorization', 'Payment eyJ4'],
    ['X-PAYMENT', 'e30='],
    ['Payment-Signature', ''],
  ];
  for (const raw of payments) expect(findAgentPayment(raw)).toMatchObject({ code: 'agent_payment_forbidden' });
  const others = [
    ['Authorization', 'Bearer payment'],
    ['Authorization', 'Payments x'],
    ['Authorization', 'Digest a=1, payment="x"'],
    ['X-Payment-Id', '1'],
  ];
  for (const raw of others) expect(findAgentPayment(raw)).toBeUndefined();
});
