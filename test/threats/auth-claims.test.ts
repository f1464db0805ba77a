// Identity tokens with a genuine signature whose claims, type or spelling must not pass.
import { KeyObject, sign } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sendRaw } from '../support/gateway.ts';
import { type Forging, requestWith, startForging } from './forging.ts';

let world: Forging;

beforeAll(async () => {
  world = await startForging();
});

afterAll(() => world.close());

test('AUTH-17: a life without end, or times that are not whole numbers, are refused', async () => {
  await world.refused(await world.token({ claims: { exp: 253_402_300_799 } }));
  await world.refused(await world.token({ claims: { exp: '1700000000' } }));
  await world.refused(await world.token({ claims: { exp: Math.floor(Date.now() / 1000) + 600.5 } }));
  await world.refused(await world.token({ claims: { exp: null } }));
  await world.refused(await world.token({ claims: { exp: undefined } }));
  await world.refused(await world.token({ claims: { iat: undefined } }));
  const exp = Math.floor(Date.now() / 1000) + 600;
  await world.taken(await rawClaims(`"exp":${exp}`));
  await world.refused(await rawClaims('"exp":1e400'));
  await world.refused(await rawClaims(`"exp":${exp}.5`));
  await world.refused(await rawClaims(`"exp":1,"exp":${exp}`));
  await world.refused(await rawClaims('"exp":NaN'));
});

/** A token whose payload is written by hand beside the usual members, signed by the issuer's own key. */
async function rawClaims(member: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const payload = `{"iss":"${world.idp.issuer}","aud":"purser","sub":"buyer-1","iat":${now},${member}}`;
  const header = JSON.stringify({ alg: 'EdDSA', typ: 'at+jwt', kid: world.rawKey.kid });
  const signed = [header, payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
  const signature = sign(null, Buffer.from(signed), KeyObject.from(world.rawKey.privateKey));
  return `${signed}.${signature.toString('base64url')}`;
}

test('AUTH-18: a token from the future is refused, within the tolerance of clocks it is taken', async () => {
  const now = Math.floor(Date.now() / 1000);
  await world.refused(await world.token({ claims: { iat: now + 3_600, exp: now + 7_200 } }));
  await world.refused(await world.token({ claims: { nbf: now + 60 } }));
  await world.taken(await world.token({ claims: { iat: now + 1, exp: now + 600 } }));
});

test('AUTH-19: a token that is too old is refused although it has not expired', async () => {
  const now = Math.floor(Date.now() / 1000);
  await world.refused(await world.token({ claims: { iat: now - 7_200, exp: now + 79_200 } }), 'token_expired');
  await world.refused(await world.token({ claims: { iat: now - 1_200, exp: now - 600 } }), 'token_expired');
});

test('AUTH-20: a token for anybody else, or for others too, is refused', async () => {
  const wrong = [
    'weather',
    '',
    'purse',
    'purser-2',
    ' purser',
    'Purser',
    undefined,
    [],
    ['other'],
    ['purser', 'other'],
  ];
  for (const aud of wrong) await world.refused(await world.token({ claims: { aud } }));
  await world.taken(await world.token({ claims: { aud: ['purser'] } }));
});

test("AUTH-22: an issuer's key signs for that issuer alone", async () => {
  await world.refused(await world.token({ claims: { iss: world.idp.issuer, sub: 'buyer-1' } }, world.other));
  const kid = String(world.idp.keySet().keys[0]?.kid);
  await world.refused(
    await world.token({ header: { kid }, claims: { iss: world.idp.issuer, sub: 'buyer-1' } }, world.other),
  );
  await world.refused(await world.token({ claims: { iss: 'purser-development', sub: 'buyer-4' } }));
  await world.refused(await world.token({ claims: { iss: `${world.idp.issuer}/` } }));
  await world.refused(await world.token({ claims: { iss: [world.idp.issuer] } }));
});

test('AUTH-22: one subject at another issuer is another agent', async () => {
  const answer = await world.gateway.ask('/shop/v1/x', {
    headers: { 'purser-token': await world.token({}, world.other) },
  });
  expect(answer.status).toBe(403);
  expect(((await answer.json()) as { code: string }).code).toBe('agent_unknown');
});

test('AUTH-23: what the same key signed for another purpose is no identity token', async () => {
  for (const typ of ['JWT', 'logout+jwt', 'purser-receipt+jws', 'secevent+jwt', 'dpop+jwt', '', undefined]) {
    await world.refused(await world.token({ header: { typ } }));
  }
  await world.taken(await world.token({ header: { typ: 'application/AT+JWT' } }));
});

test('AUTH-26: another spelling of a token is refused, and leaves the token itself what it was', async () => {
  const honest = await world.token();
  const [header = '', payload = '', signature = ''] = honest.split('.');
  await world.refused(`${honest}=`);
  await world.refused(`${header}=.${payload}.${signature}`);
  await world.refused(`${header}.${payload}.${signature}A`);
  await world.refused(`${header}. ${payload}.${signature}`);
  await world.refused(`${header}.${payload}.${signature.slice(0, -1)}${sibling(signature.at(-1) ?? '')}`);
  const swapped = `${header}.${payload}.${signature.replaceAll('-', '+').replaceAll('_', '/')}`;
  if (swapped !== honest) await world.refused(swapped);
  await world.taken(honest);
});

/** A character that decodes to the same bits where only the first two count. */
function sibling(last: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(last) ^ 1] ?? '';
}

test('AUTH-27: a huge token is refused before any work, and others are served meanwhile', async () => {
  const padded = (bytes: number) => world.token({ claims: { padding: 'p'.repeat(bytes) } });
  await world.refused(await padded(11_000));
  const sizes = await Promise.all([64_000, 1_000_000].map(padded));
  const answers = sizes.map((huge) => sendRaw(world.gateway.agents, requestWith(huge)));
  await world.taken(await world.token());
  for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^(HTTP\/1\.1 (431|401) |$)/);
  await world.taken(await world.token());
});

test('AUTH-28: claims nested deeply are refused or ignored, and the gateway lives on', async () => {
  const nested = (levels: number) =>
    `"x":${'['.repeat(levels)}${']'.repeat(levels)},"exp":${Math.floor(Date.now() / 1000) + 600}`;
  await world.refused(await rawClaims(nested(2_500)));
  expect(await sendRaw(world.gateway.agents, requestWith(await rawClaims(nested(50_000))))).toMatch(/^HTTP\/1\.1 431 /);
  let act: unknown = { sub: 'a' };
  for (let level = 0; level < 200; level += 1) act = { sub: 'a', act };
  await world.refused(await world.token({ claims: { act } }));
  await world.taken(await world.token());
});

test('tokens with wrong claims moved no money, and the summaries count each of them', async () => {
  await world.conclude(['agent_unknown']);
});
