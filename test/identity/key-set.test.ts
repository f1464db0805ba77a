import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Identifier } from '../../src/identity/identify.ts';
import { createIdentifier } from '../../src/identity/identify.ts';
import type { KeySource } from '../../src/identity/issuer.ts';
import { type KeySetLimits, URL_LIMITS } from '../../src/identity/key-set.ts';
import {
  fetchPlainly,
  goodClaims,
  issuerOptions,
  type KeyServer,
  MovedClock,
  makeKey,
  type SigningKey,
  sign,
  startKeyServer,
} from './issuing.ts';

let clock: MovedClock;
let key: SigningKey;
let keyServer: KeyServer;
let problems: string[];

beforeEach(async () => {
  clock = new MovedClock();
  key = await makeKey('k1');
  keyServer = await startKeyServer(key.jwk);
  problems = [];
});

afterEach(() => keyServer.close());

function identifierOf(source?: KeySource, limits?: KeySetLimits): Identifier {
  const keys = source ?? { kind: 'url', url: keyServer.url, fetch: fetchPlainly };
  return createIdentifier({
    issuers: [issuerOptions({ keys })],
    clock,
    report: (_, problem) => problems.push(problem),
    ...(limits && { keySetLimits: limits }),
  });
}

/** A token that is good now and was not seen before. */
const freshToken = (by = key, header = {}) => sign(by, { ...goodClaims(clock), jti: crypto.randomUUID() }, header);

async function accepts(identifier: Identifier, token: string): Promise<boolean> {
  return !('kind' in (await identifier.identify(token)));
}

test('AUTH-09: a storm of unknown key ids asks the issuer at most once per cool-down', async () => {
  const identifier = identifierOf();
  expect(await accepts(identifier, await freshToken())).toBe(true);
  const storm = await Promise.all(Array.from({ length: 300 }, () => freshToken(key, { kid: crypto.randomUUID() })));
  const stormOnce = async () => (await Promise.all(storm.map((token) => accepts(identifier, token)))).includes(true);
  expect(await stormOnce()).toBe(false);
  expect(keyServer.requests).toBe(1);
  clock.forward(30_000);
  expect(await stormOnce()).toBe(false);
  expect(keyServer.requests).toBe(2);
  expect(await accepts(identifier, await freshToken())).toBe(true);
  expect(keyServer.requests).toBe(2);
});

test('first tokens that come together share one request', async () => {
  const identifier = identifierOf();
  const tokens = await Promise.all(Array.from({ length: 20 }, () => freshToken()));
  expect(await Promise.all(tokens.map((token) => accepts(identifier, token)))).not.toContain(false);
  expect(keyServer.requests).toBe(1);
});

test('AUTH-37: a new key is accepted on first use, a removed one is refused within five minutes', async () => {
  const identifier = identifierOf();
  const oldToken = await freshToken();
  expect(await accepts(identifier, oldToken)).toBe(true);
  const newKey = await makeKey('k2');
  keyServer.serve(newKey.jwk);
  clock.forward(31_000);
  expect(await accepts(identifier, await freshToken(newKey))).toBe(true);
  expect(await accepts(identifier, oldToken)).toBe(false);
  keyServer.serve();
  const newToken = await freshToken(newKey);
  expect(await accepts(identifier, newToken)).toBe(true);
  clock.forward(300_000);
  expect(await accepts(identifier, newToken)).toBe(false);
});

test('AUTH-37: a set in steady use is asked for again in the background before it is due', async () => {
  const identifier = identifierOf();
  const token = await freshToken();
  expect(await accepts(identifier, token)).toBe(true);
  clock.forward(240_000);
  expect(identifier.identify(token)).not.toBeInstanceOf(Promise);
  await expect.poll(() => keyServer.requests).toBe(2);
});

test('AUTH-38: while the endpoint fails the last good set serves, up to its maximum age', async () => {
  const identifier = identifierOf();
  expect(await accepts(identifier, await freshToken())).toBe(true);
  const failures: KeyServer['answer'][] = [
    (_, response) => response.writeHead(500).end(),
    (_, response) => response.writeHead(404).end('{"keys":[]}'),
    (_, response) => response.end('<html>not found</html>'),
    (_, response) => response.end('{"keys":{}}'),
    (_, response) => response.end(Buffer.concat([Buffer.from('{"keys":[],"x":"'), Buffer.alloc(2_000_000, 'x')])),
    (_, response) => response.writeHead(302, { location: keyServer.url }).end(),
    (request) => request.socket.destroy(),
  ];
  for (const answer of failures) {
    keyServer.answer = answer;
    clock.forward(301_000);
    const before = keyServer.requests;
    expect(await accepts(identifier, await freshToken())).toBe(true);
    expect(keyServer.requests).toBe(before + 1);
  }
  expect(problems.length).toBeGreaterThanOrEqual(4);
  expect(problems.join()).not.toContain('html');
  clock.forward(86_400_000);
  expect(await accepts(identifier, await freshToken())).toBe(false);
  keyServer.serve(key.jwk);
  clock.forward(30_000);
  expect(await accepts(identifier, await freshToken())).toBe(true);
  expect(problems.at(-1)).toBe('the keys can be read again');
});

test('AUTH-38: an endpoint that hangs is given up after its time, and a first failure refuses', async () => {
  keyServer.answer = () => {};
  const identifier = identifierOf(undefined, { ...URL_LIMITS, timeoutMs: 50 });
  const refusal = await identifier.identify(await freshToken());
  expect(refusal).toMatchObject({ code: 'token_invalid', detail: expect.stringContaining('cannot be read') });
  expect(await accepts(identifier, await freshToken())).toBe(false);
  expect(keyServer.requests).toBe(1);
  keyServer.serve(key.jwk);
  clock.forward(5_000);
  expect(await accepts(identifier, await freshToken())).toBe(true);
});

test('a failing endpoint does not hold up tokens that the last good set verifies', async () => {
  const identifier = identifierOf();
  const token = await freshToken();
  expect(await accepts(identifier, token)).toBe(true);
  keyServer.answer = (_, response) => response.writeHead(503).end();
  clock.forward(300_000);
  expect(await accepts(identifier, token)).toBe(true);
  keyServer.answer = () => {};
  clock.forward(30_000);
  expect(identifier.identify(token)).not.toBeInstanceOf(Promise);
});

test('only public asymmetric keys that are meant for verification are used', async () => {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k2' };
  const signer: SigningKey = { alg: 'EdDSA', privateKey, jwk };
  const usable = async (served: JWK) => {
    keyServer.serve(served);
    return accepts(identifierOf(), await freshToken(signer));
  };
  expect(await usable(jwk)).toBe(true);
  expect(await usable({ ...jwk, use: 'sig', alg: 'EdDSA', key_ops: ['verify'] })).toBe(true);
  expect(await usable({ ...jwk, use: 'enc' })).toBe(false);
  expect(await usable({ ...jwk, alg: 'ES256' })).toBe(false);
  expect(await usable({ ...jwk, ...JSON.parse('{"alg":1}') })).toBe(false);
  expect(await usable({ ...jwk, ...JSON.parse('{"key_ops":"verify"}') })).toBe(false);
  expect(await usable({ ...jwk, key_ops: ['sign'] })).toBe(false);
  expect(await usable({ ...(await exportJWK(privateKey)), kid: 'k2' })).toBe(false);
  expect(await usable({ ...jwk, x: 'AAAA' })).toBe(false);
  expect(await usable({ kty: 'oct', k: String(jwk.x), kid: 'k2' })).toBe(false);
});

test('one odd member spoils neither the set nor the process', async () => {
  keyServer.answer = (_, response) =>
    response.end(JSON.stringify({ keys: [null, 1, [], { kty: { toString: 1 } }, { kty: 'XX' }, key.jwk] }));
  expect(await accepts(identifierOf(), await freshToken())).toBe(true);
});

test('a token without a key id is verified only when exactly one key fits', async () => {
  const unnamed = await freshToken(key, { kid: undefined });
  expect(await accepts(identifierOf(), unnamed)).toBe(true);
  keyServer.serve(key.jwk, (await makeKey('k2')).jwk);
  expect(await accepts(identifierOf(), unnamed)).toBe(false);
});

test('a key set in a file is read again when the file changes, and a broken one does not replace it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'purser-keys-'));
  const path = join(folder, 'jwks.json');
  const put = async (text: string) => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
    clock.forward(2_000);
  };
  await put(JSON.stringify({ keys: [key.jwk] }));
  const identifier = identifierOf({ kind: 'file', path });
  const token = await freshToken();
  expect(await accepts(identifier, token)).toBe(true);
  await put('{"keys": [');
  expect(await accepts(identifier, token)).toBe(true);
  expect(problems).toEqual([expect.stringContaining('the keys cannot be read: they are not JSON')]);
  const newKey = await makeKey('k2');
  await put(JSON.stringify({ keys: [newKey.jwk] }));
  expect(await accepts(identifier, token)).toBe(false);
  expect(await accepts(identifier, await freshToken(newKey))).toBe(true);
  await rm(folder, { recursive: true });
  expect(await accepts(identifierOf({ kind: 'file', path }), token)).toBe(false);
});
