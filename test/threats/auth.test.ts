// Identity tokens that are signed by nobody, by the wrong key or by a key that they bring along.
import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { exportJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort, sendRaw } from '../support/gateway.ts';
import { type Forging, requestWith, startForging } from './forging.ts';

let world: Forging;
let trap: Server;
let trapped = 0;
let trapUrl = '';

beforeAll(async () => {
  const port = await freePort();
  trap = createServer((_, response) => {
    trapped += 1;
    response.end(JSON.stringify({ keys: [] }));
  }).listen(port, '127.0.0.1');
  trapUrl = `http://127.0.0.1:${port}/jwks.json`;
  world = await startForging();
});

afterAll(async () => {
  await world.close();
  trap.close();
});

test('tokens of every configured issuer and of the development issuer are taken', async () => {
  await world.taken(await world.token());
  await world.taken(await world.token({ claims: { sub: 'buyer-2' } }, world.other));
  await world.taken(await world.token({ claims: { sub: 'buyer-3' } }, world.rsa));
  await world.taken(await world.gateway.token('buyer-4'));
});

test('AUTH-01: an unsigned token is refused however alg none is spelt', async () => {
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
    await world.refused(world.idp.forge({ header: { alg }, claims: { sub: 'buyer-1' } }));
  }
  const development = { iss: 'purser-development', sub: 'buyer-4' };
  await world.refused(world.idp.forge({ header: { typ: 'agent+jwt' }, claims: development }));
  const [header, payload] = (await world.token()).split('.');
  await world.refused(`${header}.${payload}.`);
  await world.refused(`${header}.${payload}`);
});

test('a token signed with the public key as an HMAC secret, or with another key, is refused', async () => {
  const jwk = JSON.stringify(world.idp.keySet().keys[0]);
  await world.refused(world.idp.forge({ claims: { sub: 'buyer-1' } }, jwk));
  await world.refused(world.idp.forge({ claims: { iss: 'purser-development', sub: 'buyer-4' } }, ''));
  const honest = (await world.token()).split('.');
  const foreign = (await world.token({}, world.other)).split('.');
  await world.refused([honest[0], honest[1], foreign[2]].join('.'));
});

test('AUTH-03: the genuine key of an algorithm that its issuer is not configured for is refused', async () => {
  const key = await world.rsa.addKey('ES256');
  await world.refused(await world.token({ kid: key.kid, claims: { sub: 'buyer-3' } }, world.rsa));
  await world.refused(await world.token({ kid: key.kid, header: { alg: 'ES256', kid: 'RS256-1' } }, world.rsa));
});

/** A token signed by a key that the gateway does not know, with a header of the forger's choice. */
async function byStranger(header: Record<string, unknown>): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: world.idp.issuer, aud: 'purser', sub: 'buyer-1', jti: randomUUID(), iat: now, exp: now + 600 };
  const jwk = await exportJWK(publicKey);
  return new SignJWT(claims).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', jwk, ...header }).sign(privateKey);
}

test('AUTH-04: a key that the token brings along is no key', async () => {
  await world.refused(await byStranger({}));
  await world.refused(await byStranger({ kid: String(world.idp.keySet().keys[0]?.kid) }));
});

test('AUTH-05: an address of keys in the token is never asked', async () => {
  await world.refused(await byStranger({ jku: trapUrl }));
  await world.refused(await byStranger({ jku: trapUrl, kid: 'another', jwk: undefined }));
  expect(trapped).toBe(0);
});

test('AUTH-07: certificates in the token are no trust, and their address is never asked', async () => {
  const certificate = SELF_SIGNED.replace(/-----[^-]+-----|\s/g, '');
  expect(new X509Certificate(SELF_SIGNED).subject).toContain('CN=');
  await world.refused(await byStranger({ x5c: [certificate], jwk: undefined }));
  await world.refused(await byStranger({ x5u: trapUrl, jwk: undefined }));
  await world.refused(await byStranger({ x5u: 'http://169.254.169.254/latest', x5c: [certificate] }));
  expect(trapped).toBe(0);
});

test('AUTH-08: a key id that is a path, a query or a line break finds nothing and is not repeated raw', async () => {
  const fetches = world.idp.fetches();
  const kids = ['../../../../dev/null', "' OR 1=1--", 'key\n{"alg":', '\u001b[31mred', 'k'.repeat(257), '__proto__'];
  for (const kid of kids) {
    const detail = await world.refused(await byStranger({ kid, jwk: undefined }));
    expect(detail).not.toContain(kid);
    expect(detail.length).toBeLessThan(300);
  }
  expect(world.idp.fetches() - fetches).toBeLessThanOrEqual(1);
  const long = await sendRaw(
    world.gateway.agents,
    requestWith(await byStranger({ kid: 'k'.repeat(100_000), jwk: undefined })),
  );
  expect(long).toMatch(/^HTTP\/1\.1 431 /);
  const lines = world.gateway.output().split('\n');
  for (const line of lines.filter((each) => each.startsWith('{'))) {
    expect(() => JSON.parse(line)).not.toThrow();
    expect(line).not.toContain('OR 1=1');
  }
});

test('AUTH-13: JSON serialisations of a signature are no token, in whatever header', async () => {
  const [header, payload, signature] = (await world.token()).split('.');
  const flattened = JSON.stringify({ payload, protected: header, header: { alg: 'none' }, signature });
  const general = JSON.stringify({ payload, signatures: [{ protected: header, header: { alg: 'none' }, signature }] });
  for (const json of [flattened, general]) {
    await world.refused(json);
    await world.refusedWith({ authorization: `Bearer ${json}` }, 'token_missing');
  }
});

test('forged tokens moved no money and sealed nothing but summaries, which count each of them', async () => {
  await world.conclude([]);
});

/** Self-signed, `CN=idp.test`; its key is thrown away. */
const SELF_SIGNED = `-----BEGIN CERTIFICATE-----
MIIBPDCB76ADAgECAhRoqUXiHrF1h0rXJXkiZ6NHVvu12zAFBgMrZXAwEzERMA8G
A1UEAwwIaWRwLnRlc3QwIBcNMjYxMTIzMTcyNjQ1WhgPMjEyNjEwMzAxNzI2NDVa
MBMxETAPBgNVBAMMCGlkcC50ZXN0MCowBQYDK2VwAyEAqJ6+dSDMAqAnesgYflBc
lAH1AAiAk8n1k5aeSWiE1BOjUzBRMB0GA1UdDgQWBBSM/OG2oXy6tI++enBmFOl2
KS+pejAfBgNVHSMEGDAWgBSM/OG2oXy6tI++enBmFOl2KS+pejAPBgNVHRMBAf8E
BTADAQH/MAUGAytlcANBAGVO/3kAndcvPaW0npIG2nfzu153FriB++l/TGo4Hr4V
aGU4Pi58OXTqcAw3Z6HYPnGvc50Cdo3IbMMrpj4wLQw=
-----END CERTIFICATE-----
`;
