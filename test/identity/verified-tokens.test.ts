import { beforeEach, expect, test } from 'vitest';
import type { Identity } from '../../src/domain/agent.ts';
import { createIdentifier } from '../../src/identity/identify.ts';
import { VerifiedTokens } from '../../src/identity/verified-tokens.ts';
import { goodClaims, issuerOptions, MovedClock, makeKey, type SigningKey, sign, startKeyServer } from './issuing.ts';

let clock: MovedClock;
let key: SigningKey;

beforeEach(async () => {
  clock = new MovedClock();
  key = await makeKey('k1');
});

const identifierOf = (cacheCapacity = 10) =>
  createIdentifier({
    issuers: [issuerOptions({ keys: { kind: 'memory', jwks: { keys: [key.jwk] } } })],
    clock,
    report: () => {},
    cacheCapacity,
  });

test('a token seen again is answered at once with the very identity that was verified', async () => {
  const identifier = identifierOf();
  const token = await sign(key, goodClaims(clock));
  const first = identifier.identify(token);
  expect(first).toBeInstanceOf(Promise);
  const identity = await first;
  expect(identifier.identify(token)).toBe(identity);
  expect(Object.isFrozen(identity)).toBe(true);
});

test('a refused token is not remembered', async () => {
  const identifier = identifierOf();
  const token = await sign(key, { ...goodClaims(clock), nbf: clock.seconds() + 20 });
  expect(await identifier.identify(token)).toMatchObject({ code: 'token_invalid' });
  clock.forward(20_000);
  expect(await identifier.identify(token)).toMatchObject({ subject: 'research-1' });
});

test('a remembered token ends exactly when verification would end it, by exp and by maximum age', async () => {
  const iat = clock.seconds();
  const ends: [claims: object, options: object, lastsSeconds: number][] = [
    [{ exp: iat + 60 }, {}, 65],
    [{ exp: iat + 60, iat: iat - 40 }, { maxAgeMs: 100_000 }, 65],
    [{ exp: iat + 5, iat: iat - 97 }, { maxAgeMs: 102_000 }, 10],
    [{ exp: iat + 4, iat: iat - 97 }, { maxAgeMs: 101_000 }, 9],
  ];
  for (const [claims, options, lastsSeconds] of ends) {
    clock = new MovedClock(iat * 1_000);
    const issuers = [issuerOptions({ keys: { kind: 'memory', jwks: { keys: [key.jwk] } }, ...options })];
    const open = () => createIdentifier({ issuers, clock, report: () => {} });
    const remembering = open();
    const token = await sign(key, { ...goodClaims(clock), ...claims });
    expect(await remembering.identify(token)).toMatchObject({ subject: 'research-1' });
    clock.forward(lastsSeconds * 1_000 - 1);
    expect(remembering.identify(token)).toMatchObject({ subject: 'research-1' });
    expect(await open().identify(token)).toMatchObject({ subject: 'research-1' });
    clock.forward(1);
    expect(await remembering.identify(token)).toMatchObject({ code: 'token_expired' });
    expect(await open().identify(token)).toMatchObject({ code: 'token_expired' });
  }
});

test('a change of keys that happens while a token is verified is not missed', async () => {
  const tokens = new VerifiedTokens(10);
  let generation: number | undefined = 1;
  const keys = { generation: () => generation, find: async () => 'unknown' as const };
  tokens.keep('t', { identity: identityOf('a'), endsAt: 1_000, keys, generation: 1 });
  expect(tokens.find('t', 999)).toMatchObject({ subject: 'a' });
  generation = 2;
  expect(tokens.find('t', 999)).toBeUndefined();
  generation = 1;
  expect(tokens.find('t', 999), 'what was dropped stays dropped').toBeUndefined();
});

test('the memory is bounded, and the oldest makes room', () => {
  const tokens = new VerifiedTokens(3);
  const keys = { generation: () => 1, find: async () => 'unknown' as const };
  for (const name of ['a', 'b', 'c', 'a', 'd']) {
    tokens.keep(name, { identity: identityOf(name), endsAt: 1_000, keys, generation: 1 });
  }
  expect(tokens.size).toBe(3);
  expect(['a', 'b', 'c', 'd'].filter((name) => tokens.find(name, 0))).toEqual(['a', 'c', 'd']);
});

test('AUTH-26: other spellings of a remembered token are judged anew and refused', async () => {
  const identifier = identifierOf();
  const token = await sign(key, goodClaims(clock));
  await identifier.identify(token);
  for (const other of [`${token}=`, `${token}\n`, token.slice(0, -1)]) {
    expect(await identifier.identify(other)).toMatchObject({ code: 'token_invalid' });
  }
});

test('a key change of one issuer leaves the tokens of another alone', async () => {
  const server = await startKeyServer(key.jwk);
  const otherKey = await makeKey('o1');
  const fetch = async () => ({ status: 200, body: Buffer.from(JSON.stringify({ keys: [key.jwk] })) });
  const identifier = createIdentifier({
    issuers: [
      issuerOptions({ keys: { kind: 'url', url: server.url, fetch } }),
      issuerOptions({ issuer: 'https://other.test', keys: { kind: 'memory', jwks: { keys: [otherKey.jwk] } } }),
    ],
    clock,
    report: () => {},
  });
  await server.close();
  const one = await sign(key, goodClaims(clock));
  const other = await sign(otherKey, { ...goodClaims(clock), iss: 'https://other.test' });
  await Promise.all([identifier.identify(one), identifier.identify(other)]);
  clock.forward(300_000);
  expect(identifier.identify(other)).not.toBeInstanceOf(Promise);
  expect(identifier.identify(one)).toBeInstanceOf(Promise);
});

function identityOf(subject: string): Identity {
  return { issuer: 'i', subject, jti: null, issuedAt: 0, expiresAt: 1, task: null, actors: [] };
}
