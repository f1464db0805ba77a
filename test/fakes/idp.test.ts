import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose';
import { afterEach, expect, test } from 'vitest';
import { type Idp, startIdp } from './idp.ts';

let idp: Idp;
afterEach(() => idp.close());

test('its tokens verify against the key set it serves, for every algorithm', async () => {
  idp = await startIdp();
  const keys = createRemoteJWKSet(new URL(idp.keysUrl));
  for (const alg of ['ES256', 'RS256', 'PS384']) await idp.addKey(alg, alg);
  for (const kid of [undefined, 'ES256', 'RS256', 'PS384']) {
    const token = await idp.token({ ...(kid && { kid }), claims: { task: 'T-1', jti: undefined } });
    const { payload } = await jwtVerify(token, keys, { issuer: idp.issuer, audience: 'purser', typ: 'at+jwt' });
    expect(payload).toMatchObject({ sub: 'research-1', task: 'T-1' });
    expect(payload).not.toHaveProperty('jti');
  }
  expect(idp.fetches()).toBe(1);
});

test('withdrawn keys still sign and are not served; forged tokens verify nowhere', async () => {
  idp = await startIdp({ issuer: 'https://idp.example.com' });
  const { kid } = await idp.addKey('ES256', 'old');
  idp.withdraw(kid);
  const keys = createLocalJWKSet(idp.keySet());
  await expect(jwtVerify(await idp.token({ kid }), keys)).rejects.toThrow();
  expect(idp.forge({ claims: { sub: 'x' } })).toMatch(/^[\w-]+\.[\w-]+\.$/);
  await expect(jwtVerify(idp.forge({}), keys)).rejects.toThrow();
  await expect(jwtVerify(idp.forge({}, 'public key'), keys)).rejects.toThrow();
});

test('its key set can fail', async () => {
  idp = await startIdp();
  idp.serve({ status: 503, body: 'down' });
  expect((await fetch(idp.keysUrl)).status).toBe(503);
  idp.serve({});
  expect((await fetch(idp.keysUrl)).status).toBe(200);
  expect(idp.fetches()).toBe(2);
});
