// Where an identity token may stand, and that it ends at the gateway: the shop keeps every byte that reached it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { type Idp, startIdp } from '../fakes/idp.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { demand, goods } from '../fakes/script.ts';
import { askRaw, policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { agentsOf, issuerEntry, totals } from './observables.ts';

let idp: Idp;
let shop: HostileMerchant;
let gateway: TestGateway;

beforeAll(async () => {
  idp = await startIdp();
  shop = await hostileMerchant({
    unpaid: (_, { target }) => (target.includes('/paid') ? demand(sandboxChallenge()) : goods),
  });
  gateway = await startGateway({
    upstream: shop.url,
    sections: { identity: `{ development: true, issuers: [ ${issuerEntry(idp)} ] }` },
    policies: policy({
      agents: [
        agentsOf('purser-development', ['buyer-1', 'buyer-2']),
        agentsOf(idp.issuer, ['buyer-3']).replace('buyer-3,', 'buyer-3, subjects: [research-1],'),
      ].join('\n'),
    }),
  });
});

afterAll(async () => {
  await gateway.close();
  await Promise.all([shop.close(), idp.close()]);
});

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

const PLACES: Record<string, (token: string) => [string, string]> = {
  'Purser-Token': (token) => ['Purser-Token', token],
  'Proxy-Authorization: Bearer': (token) => ['Proxy-Authorization', `Bearer ${token}`],
  'Authorization: Bearer': (token) => ['Authorization', `Bearer ${token}`],
  'Authorization: bearer in lower case': (token) => ['authorization', `bearer ${token}`],
  'the password of Authorization: Basic': (token) => ['Authorization', basic('agent', token)],
  'X-Api-Key': (token) => ['X-Api-Key', token],
};

const ask = (path: string, headers: string[]) => askRaw(`${gateway.agents}/shop${path}`, { headers });

/** Every byte that reached the shop since, as text. */
function reachedSince(count: number): string {
  const seen = shop.requests.slice(count).map(({ raw }) => raw.toString('latin1'));
  return seen.join('\n');
}

test.each(Object.entries(PLACES))('a token in %s buys, and never goes upstream', async (_, place) => {
  for (const token of [await gateway.token('buyer-1'), await idp.token()]) {
    const count = shop.requests.length;
    const taken = shop.books.taken.length;
    expect((await ask('/v1/free', place(token))).status).toBe(200);
    expect((await ask('/v1/paid', place(token))).status).toBe(200);
    expect(shop.books.taken.length).toBe(taken + 1);
    const bytes = reachedSince(count);
    expect(shop.requests.length).toBe(count + 3);
    for (const part of [...token.split('.'), basic('agent', token).slice(6)]) expect(bytes).not.toContain(part);
    expect(bytes).not.toMatch(/purser-|proxy-authorization|x-api-key/i);
  }
});

test('two tokens are refused wherever they stand, equal or not, and reach nobody', async () => {
  const before = await totals(gateway);
  const count = shop.requests.length;
  const [one, two] = [await gateway.token('buyer-1'), await gateway.token('buyer-2')];
  const places = Object.values(PLACES);
  for (const [index, first] of places.entries()) {
    for (const second of places.slice(index)) {
      for (const other of [one, two]) {
        const answer = await ask('/v1/paid', [...first(one), ...second(other)]);
        expect([answer.status, JSON.parse(answer.body).code]).toEqual([401, 'token_invalid']);
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
      }
    }
  }
  expect(shop.requests.length).toBe(count);
  expect(await totals(gateway)).toBe(before);
});

test('AUTH-39: two Authorization lines are refused; tokens in query and cookie are nobody', async () => {
  const count = shop.requests.length;
  const [one, two] = [await gateway.token('buyer-1'), await gateway.token('buyer-2')];
  const twice = await ask('/v1/paid', ['Authorization', `Bearer ${one}`, 'Authorization', `Bearer ${two}`]);
  expect([twice.status, JSON.parse(twice.body).code]).toEqual([401, 'token_invalid']);
  const query = await ask(`/v1/paid?access_token=${one}`, []);
  expect([query.status, JSON.parse(query.body).code]).toEqual([401, 'token_missing']);
  const cookie = await ask('/v1/paid', ['Cookie', `token=${one}; purser-token=${one}`]);
  expect([cookie.status, JSON.parse(cookie.body).code]).toEqual([401, 'token_missing']);
  expect(shop.requests.length).toBe(count);
  const both = await ask(`/v1/paid?access_token=${two}`, ['Purser-Token', one, 'Cookie', `token=${two}`]);
  expect(both.status).toBe(200);
  const settled = (await gateway.receipts()).filter(({ kind }) => kind === 'settled').at(-1);
  expect(settled?.agent?.id).toBe('buyer-1');
});

test('AUTH-40: headers that claim an identity are stripped, and without a token they are nobody', async () => {
  const spoofed = ['X-Agent-Id', 'X-Forwarded-User', 'X_Agent_Id', 'X-Forwarded-Client-Cert', 'X-Real-Ip', 'Forwarded'];
  const lines = [...spoofed, 'X-Forwarded-For', 'X-Purser-Agent', 'Purser-Agent'].flatMap((name) => [name, 'buyer-2']);
  const count = shop.requests.length;
  const nobody = await ask('/v1/free', lines);
  expect([nobody.status, JSON.parse(nobody.body).code]).toEqual([401, 'token_missing']);
  expect(shop.requests.length).toBe(count);
  expect((await ask('/v1/paid', [...lines, 'Purser-Token', await gateway.token('buyer-1')])).status).toBe(200);
  expect(reachedSince(count)).not.toContain('buyer-2');
  const settled = (await gateway.receipts()).filter(({ kind }) => kind === 'settled').at(-1);
  expect(settled?.agent).toMatchObject({ id: 'buyer-1', subject: 'buyer-1', issuer: 'purser-development' });
});

test("a credential of the service's own passes beside the token, and is never replaced by a proof", async () => {
  const token = ['Purser-Token', await gateway.token('buyer-1')];
  const own = ['Authorization', 'Bearer sk-of-the-service', 'X-Api-Key', 'key-of-the-service'];
  const count = shop.requests.length;
  expect((await ask('/v1/free', [...token, ...own])).status).toBe(200);
  expect(reachedSince(count)).toContain('Authorization: Bearer sk-of-the-service\r\n');
  expect(reachedSince(count)).toContain('X-Api-Key: key-of-the-service\r\n');
  const paid = await ask('/v1/paid', [...token, ...own]);
  expect([paid.status, JSON.parse(paid.body).code]).toEqual([424, 'challenge_unsupported']);
  expect(reachedSince(count)).not.toContain('Payment ');
});

test("an agent's own payment credential is refused with a receipt and reaches nobody", async () => {
  const count = shop.requests.length;
  const token = ['Purser-Token', await gateway.token('buyer-1')];
  const credentials = [
    ['Authorization', 'Payment eyJ4Ijox'],
    ['Authorization', 'l402 abc:def'],
    ['Authorization', 'Basic eA==, LSAT abc:def'],
    ['X-PAYMENT', 'e30='],
    ['Payment-Signature', 'e30='],
  ];
  for (const credential of credentials) {
    const answer = await ask('/v1/paid', [...token, ...credential]);
    const problem = JSON.parse(answer.body);
    expect([answer.status, problem.code]).toEqual([403, 'agent_payment_forbidden']);
    const sealed = (await gateway.receipts()).find(({ id }) => id === problem.receipt);
    expect(sealed).toMatchObject({
      agent: { id: 'buyer-1', owner: 'dana@example.com' },
      decision: { code: problem.code },
    });
  }
  expect(shop.requests.length).toBe(count);
});
