import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Identity } from '../../src/domain/agent.ts';
import type { Refusal } from '../../src/domain/refusal.ts';
import { createIdentifier, type Identifier } from '../../src/identity/identify.ts';
import type { IssuerOptions } from '../../src/identity/issuer.ts';
import {
  fetchPlainly,
  goodClaims,
  issuerOptions,
  type KeyServer,
  MovedClock,
  makeKey,
  type SigningKey,
  sign,
  signRaw,
  startKeyServer,
} from './issuing.ts';

let key: SigningKey;
let ecKey: SigningKey;
let foreignKey: SigningKey;
let keyServer: KeyServer;
let evilServer: KeyServer;

beforeAll(async () => {
  [key, ecKey, foreignKey] = await Promise.all([makeKey('k1'), makeKey('ec', 'ES256'), makeKey('evil')]);
  keyServer = await startKeyServer(key.jwk, ecKey.jwk);
  evilServer = await startKeyServer(foreignKey.jwk);
});

afterAll(async () => {
  await Promise.all([keyServer.close(), evilServer.close()]);
});

const clock = new MovedClock();

function identifierFor(...issuers: readonly Partial<IssuerOptions>[]): Identifier {
  return createIdentifier({
    issuers: issuers.map((changes) =>
      issuerOptions({ keys: { kind: 'url', url: keyServer.url, fetch: fetchPlainly }, ...changes }),
    ),
    clock,
    report: () => {},
  });
}

/** What the default issuer's identifier makes of a token: the subject, or the refusal's code. */
async function verdict(token: string, identifier = identifierFor({})): Promise<string> {
  const result = await identifier.identify(token);
  if ('kind' in result) {
    expect(result.detail, 'a detail is visible ASCII and short').toMatch(/^[\x20-\x7e…]{1,400}$/);
    return result.code;
  }
  return result.subject;
}

function detailOf(result: Identity | Refusal): string {
  return 'kind' in result ? result.detail : 'accepted';
}

test('a good token gives its subject, times, id, task and chain of actors', async () => {
  const claims = { ...goodClaims(clock), task: 'T-1', act: { sub: 'planner', act: { sub: 'dana' } } };
  const identity = await identifierFor({}).identify(await sign(key, claims));
  expect(identity).toEqual({
    issuer: 'https://idp.test',
    subject: 'research-1',
    jti: 'token-1',
    issuedAt: claims.iat,
    expiresAt: claims.exp,
    task: 'T-1',
    actors: ['planner', 'dana'],
  });
});

test('AUTH-01: no spelling of alg none is accepted, with or without a signature', async () => {
  for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
    const good = (await sign(key, goodClaims(clock))).split('.');
    const header = Buffer.from(JSON.stringify({ alg, typ: 'agent+jwt', kid: 'k1' })).toString('base64url');
    expect(await verdict(`${header}.${good[1]}.`)).toBe('token_invalid');
    expect(await verdict(`${header}.${good[1]}.${good[2]}`)).toBe('token_invalid');
    expect(await verdict(`${header}.${good[1]}.`, identifierFor({ algorithms: ['none', alg] }))).toBe('token_invalid');
  }
});

test('AUTH-01: a MAC under the public key is not accepted, even when an operator lists HS256', async () => {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'agent+jwt', kid: 'k1' })).toString('base64url');
  const payload = Buffer.from(JSON.stringify(goodClaims(clock))).toString('base64url');
  const secret = Buffer.from(String(key.jwk.x), 'base64url');
  const hmac = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const mac = await crypto.subtle.sign('HMAC', hmac, Buffer.from(`${header}.${payload}`));
  const token = `${header}.${payload}.${Buffer.from(mac).toString('base64url')}`;
  expect(await verdict(token, identifierFor({ algorithms: ['HS256', 'EdDSA'] }))).toBe('token_invalid');
});

test('AUTH-03: a genuine key of an algorithm that the issuer is not configured for is refused', async () => {
  const token = await sign(ecKey, goodClaims(clock));
  expect(await verdict(token)).toBe('research-1');
  expect(await verdict(token, identifierFor({ algorithms: ['RS256', 'EdDSA'] }))).toBe('token_invalid');
});

test('AUTH-04, AUTH-05, AUTH-07: keys and addresses in the token are never used', async () => {
  const { kid: _, ...jwk } = foreignKey.jwk;
  const headers = [
    { jwk },
    { jwk, kid: 'k1' },
    { jku: evilServer.url, kid: 'evil' },
    { x5u: evilServer.url, kid: 'evil' },
    { x5c: ['MIIB'], x5u: evilServer.url, kid: 'k1' },
  ];
  for (const header of headers) {
    expect(await verdict(await sign(foreignKey, goodClaims(clock), header))).toBe('token_invalid');
  }
  expect(evilServer.requests).toBe(0);
});

test('AUTH-08: a key id is compared and nothing else, and never shows in a detail', async () => {
  const identifier = identifierFor({});
  for (const kid of ['../../../../dev/null', "' OR 1=1--", 'key\n{"alg":', 'k'.repeat(4_000), '__proto__', '']) {
    const result = await identifier.identify(await sign(key, goodClaims(clock), { kid }));
    expect(result).toMatchObject({ code: 'token_invalid' });
    expect(detailOf(result)).not.toMatch(/dev|OR 1|\n|kkkk|proto/);
  }
  const numeric = await signRaw(key, JSON.stringify(goodClaims(clock)), '{"alg":"EdDSA","typ":"agent+jwt","kid":1}');
  expect(await verdict(numeric)).toBe('token_invalid');
});

test('AUTH-13: JSON serialisations are not tokens', async () => {
  const [header, payload, signature] = (await sign(key, goodClaims(clock))).split('.');
  const flattened = { protected: header, header: { alg: 'EdDSA' }, payload, signature };
  const general = { payload, signatures: [{ protected: header, signature }] };
  expect(await verdict(JSON.stringify(flattened))).toBe('token_invalid');
  expect(await verdict(JSON.stringify(general))).toBe('token_invalid');
});

test('AUTH-17: times that are far off, no whole numbers or no numbers are refused', async () => {
  const base = goodClaims(clock);
  expect(await verdict(await sign(key, { ...base, exp: 253_402_300_799 }))).toBe('token_invalid');
  expect(await verdict(await sign(key, { ...base, exp: Number(base.iat) + 3_601 }))).toBe('token_invalid');
  expect(await verdict(await sign(key, { ...base, exp: Number(base.iat) + 3_600 }))).toBe('research-1');
  const rest = JSON.stringify({ ...base, exp: undefined }).slice(1);
  for (const exp of ['"1700000000"', `"${base.exp}"`, '1e400', 'null', `${base.exp}.5`, 'true', '[1]']) {
    expect(await verdict(await signRaw(key, `{"exp":${exp},${rest}`)), exp).toBe('token_invalid');
  }
  for (const name of ['exp', 'iat', 'sub']) {
    expect(await verdict(await sign(key, { ...base, [name]: undefined })), name).toBe('token_invalid');
  }
  for (const nbf of ['"1"', 'null', '0.5']) {
    expect(await verdict(await signRaw(key, `{"nbf":${nbf},${JSON.stringify(base).slice(1)}`)), nbf).toBe(
      'token_invalid',
    );
  }
});

test('AUTH-18: a token from the future is refused beyond 5 s of tolerance', async () => {
  const now = clock.seconds();
  const base = goodClaims(clock);
  expect(await verdict(await sign(key, { ...base, iat: now + 3_600, exp: now + 7_200 }))).toBe('token_invalid');
  expect(await verdict(await sign(key, { ...base, nbf: now + 60 }))).toBe('token_invalid');
  expect(await verdict(await sign(key, { ...base, nbf: now + 6 }))).toBe('token_invalid');
  expect(await verdict(await sign(key, { ...base, iat: now + 5, nbf: now + 5 }))).toBe('research-1');
});

test('AUTH-19: a token older than the maximum age is expired, whatever its exp says', async () => {
  const now = clock.seconds();
  const old = { ...goodClaims(clock), iat: now - 7_200, exp: now + 79_200 };
  expect(await verdict(await sign(key, old))).toBe('token_expired');
  expect(await verdict(await sign(key, { ...goodClaims(clock), iat: now - 900, exp: now - 6 }))).toBe('token_expired');
});

test('AUTH-20: the one audience is ours', async () => {
  const base = goodClaims(clock);
  const wrong = ['other', '', 'purse', 'purser2', 'PURSER', ['purser', 'other'], ['purser', 'purser'], [], undefined];
  for (const aud of wrong) {
    expect(await verdict(await sign(key, { ...base, aud })), JSON.stringify(aud)).toBe('token_invalid');
  }
  expect(await verdict(await sign(key, { ...base, aud: ['purser'] }))).toBe('research-1');
});

test('AUTH-22: a token signed by one issuer cannot name another', async () => {
  const foreignKeys = { kind: 'memory' as const, jwks: { keys: [foreignKey.jwk] } };
  const identifier = identifierFor({}, { issuer: 'https://other.test', keys: foreignKeys });
  const claims = goodClaims(clock);
  expect(await verdict(await sign(foreignKey, claims), identifier)).toBe('token_invalid');
  expect(await verdict(await sign(foreignKey, claims, { kid: 'k1' }), identifier)).toBe('token_invalid');
  expect(await verdict(await sign(foreignKey, { ...claims, iss: 'https://other.test' }), identifier)).toBe(
    'research-1',
  );
  for (const iss of ['https://unknown.test', '', undefined]) {
    expect(await verdict(await sign(key, { ...claims, iss }), identifier)).toBe('token_invalid');
  }
  const noText = JSON.stringify({ ...claims, iss: { toString: 1 } });
  expect(await verdict(await signRaw(key, noText), identifier)).toBe('token_invalid');
});

test('AUTH-23: only the listed types are identity tokens', async () => {
  const claims = goodClaims(clock);
  for (const typ of ['JWT', 'logout+jwt', 'purser-receipt+jws', 'id_token', 'absent', 'application/absent', '']) {
    expect(await verdict(await sign(key, claims, { typ })), typ).toBe('token_invalid');
    expect(await verdict(await sign(key, claims, { typ }), identifierFor({ types: ['absent'] }))).toBe('token_invalid');
  }
  for (const typ of ['agent+jwt', 'AGENT+JWT', 'application/agent+jwt', 'at+jwt']) {
    expect(await verdict(await sign(key, claims, { typ })), typ).toBe('research-1');
  }
  const untyped = await signRaw(key, JSON.stringify(claims), '{"alg":"EdDSA","kid":"k1"}');
  expect(await verdict(untyped)).toBe('token_invalid');
  expect(await verdict(untyped, identifierFor({ types: ['absent'] }))).toBe('research-1');
});

test('AUTH-26: a token has one spelling', async () => {
  const identifier = identifierFor({});
  const token = await sign(key, goodClaims(clock));
  expect(await verdict(token, identifier)).toBe('research-1');
  const [header, payload, signature = ''] = token.split('.');
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  // 64 bytes of signature leave 4 spare bits in the last character.
  const last = alphabet[alphabet.indexOf(signature.slice(-1)) + 1];
  const others = [
    `${token}=`,
    `${token}==`,
    `${token}\n`,
    ` ${token}`,
    `${header}.${payload}.${signature.slice(0, 20)}\n${signature.slice(20)}`,
    `${header}.${payload}.${signature.slice(0, -1)}${last}`,
    `${header}=.${payload}.${signature}`,
    `${token}.`,
    `.${token}`,
    `${header}.${payload}.${signature}.${signature}`,
    `${header}.${payload}`,
  ];
  for (const other of others) expect(await verdict(other, identifier), JSON.stringify(other)).toBe('token_invalid');
  const standard = `${header}.${payload}.${signature.replaceAll('-', '+').replaceAll('_', '/')}`;
  if (standard !== token) expect(await verdict(standard, identifier)).toBe('token_invalid');
});

test('a member that is named twice makes a token unreadable, at any depth', async () => {
  const base = JSON.stringify(goodClaims(clock)).slice(1);
  expect(await verdict(await signRaw(key, `{"sub":"other",${base}`))).toBe('token_invalid');
  expect(await verdict(await signRaw(key, `{"\\u0073ub":"other",${base}`))).toBe('token_invalid');
  expect(await verdict(await signRaw(key, `{"x":[{"a":1,"a":2}],${base}`))).toBe('token_invalid');
  expect(await verdict(await signRaw(key, `{"x":[{"a":1},{"a":2}],"y":"sub","z":"{\\"sub\\":1",${base}`))).toBe(
    'research-1',
  );
  const twice = '{"alg":"none","alg":"EdDSA","typ":"agent+jwt","kid":"k1"}';
  expect(await verdict(await signRaw(key, `{${base}`, twice))).toBe('token_invalid');
});

test('AUTH-27: a token over 8 KiB is refused at once, before anything is read', () => {
  const identifier = identifierFor({});
  for (const length of [8_193, 15_000, 64_000, 1_000_000]) {
    expect(identifier.identify('a'.repeat(length))).toMatchObject({ code: 'token_invalid' });
  }
});

test('AUTH-28: deep nesting in a claim harms nothing', async () => {
  const rest = JSON.stringify(goodClaims(clock)).slice(1);
  const nested = (depth: number) => signRaw(key, `{"x":${'['.repeat(depth)}${']'.repeat(depth)},${rest}`);
  expect(await verdict(await nested(10))).toBe('research-1');
  expect(await verdict(await nested(2_800))).toBe('token_invalid');
  expect(await verdict(await nested(50_000))).toBe('token_invalid');
  const deepActor = `{"act":${'{"sub":"a","act":'.repeat(100)}1${'}'.repeat(100)},${rest}`;
  expect(await verdict(await signRaw(key, deepActor))).toBe('token_invalid');
});

test('critical header extensions are refused', async () => {
  for (const crit of ['["b64"]', '["x"]', '[]', 'null']) {
    const header = `{"alg":"EdDSA","typ":"agent+jwt","kid":"k1","b64":true,"x":1,"crit":${crit}}`;
    expect(await verdict(await signRaw(key, JSON.stringify(goodClaims(clock)), header))).toBe('token_invalid');
  }
});

test('names with control or direction characters, empty or over 256 characters are refused', async () => {
  const base = goodClaims(clock);
  for (const name of ['', 'a\nb', 'a\u0000', 'a\u202eb', 'a\u200b', '\ud800', 'x'.repeat(257)]) {
    for (const claim of ['sub', 'task', 'jti']) {
      const token = await signRaw(key, JSON.stringify({ ...base, [claim]: name }));
      expect(await verdict(token), `${claim} ${JSON.stringify(name)}`).toBe('token_invalid');
    }
    const acted = await signRaw(key, JSON.stringify({ ...base, act: { sub: name } }));
    expect(await verdict(acted)).toBe('token_invalid');
  }
  for (const value of [1, null, ['a'], { a: 1 }]) {
    for (const claim of ['sub', 'task', 'jti', 'act']) {
      const token = await signRaw(key, JSON.stringify({ ...base, [claim]: value }));
      expect(await verdict(token), claim).toBe('token_invalid');
    }
  }
  expect(await verdict(await sign(key, { ...base, sub: 'x'.repeat(256) }))).toBe('x'.repeat(256));
});

test('agent and task are taken from the configured claims, through names that hold dots', async () => {
  const claims = { agent: 'kubernetes.io.serviceaccount.name', task: 'ctx.task' };
  const identifier = identifierFor({ claims });
  const base = { ...goodClaims(clock), ctx: { task: 'T-9' } };
  const token = await sign(key, { ...base, 'kubernetes.io': { serviceaccount: { name: 'crawler' } } });
  expect(await identifier.identify(token)).toMatchObject({ subject: 'crawler', task: 'T-9' });
  expect(await verdict(await sign(key, base), identifier)).toBe('token_invalid');
  const inherited = identifierFor({ claims: { agent: 'constructor.name', task: 'task' } });
  expect(await verdict(await sign(key, base), inherited)).toBe('token_invalid');
});

test('a detail shows foreign text cut and escaped, and never the token', async () => {
  const iss = `https://evil.test/\u001b[31m\u202e${'x'.repeat(500)}`;
  const token = await sign(key, { ...goodClaims(clock), iss });
  const detail = detailOf(await identifierFor({}).identify(token));
  expect(detail).toContain('https://evil.test/\\u001b[31m\\u202e');
  expect(detail).not.toContain('x'.repeat(60));
  expect(detail).not.toContain(token.slice(-20));
});
