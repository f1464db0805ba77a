// The key set of an issuer while it rotates, fails, lies or is asked for keys that nobody has. The gateway runs in this
// process, so that its monotonic clock can be moved instead of waited for.
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { type Idp, startIdp } from '../fakes/idp.ts';
import { goods } from '../fakes/script.ts';
import { freePort, policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { agentsOf, issuerEntry } from './observables.ts';

const BROKEN = ['error', 'page', 'giant', 'redirect', 'hang'] as const;
const MINUTE_MS = 60_000;

let idp: Idp;
let broken: Record<(typeof BROKEN)[number], Idp>;
let shop: HostileMerchant;
let gateway: TestGateway;
let trap: Server;
let trapped = 0;
let movedMs = 0;
let firstOfHang: Promise<Response>;

beforeAll(async () => {
  const real = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => real() + movedMs);
  idp = await startIdp();
  const [error, page, giant, redirect, hang] = await Promise.all(BROKEN.map(() => startIdp()));
  if (!error || !page || !giant || !redirect || !hang) throw new TypeError('five issuers');
  broken = { error, page, giant, redirect, hang };
  const port = await freePort();
  trap = createServer((_, response) => {
    trapped += 1;
    response.end(JSON.stringify(redirect.keySet()));
  }).listen(port, '127.0.0.1');
  error.serve({ status: 500 });
  page.serve({ body: '<!doctype html><p>Sign in</p>', headers: { 'content-type': 'text/html' } });
  giant.serve({ body: `{"keys":[${'{"kty":"OKP"},'.repeat(200_000)}{}]}` });
  redirect.serve({ status: 302, headers: { location: `http://127.0.0.1:${port}/jwks.json` } });
  hang.serve({ delayMs: 7_000 });
  shop = await hostileMerchant({ unpaid: goods });
  const all = [idp, ...BROKEN.map((name) => broken[name])];
  gateway = await startGateway({
    upstream: shop.url,
    sections: {
      identity: `\n  issuers:${all.map((one) => `\n    - ${issuerEntry(one)}`).join('')}`,
      wallets: '[]',
    },
    policies: policy({
      agents: all
        .map(({ issuer }, n) => agentsOf(issuer, [`buyer-${n}`]).replace(`${n},`, `${n}, subjects: [research-1],`))
        .join('\n'),
    }),
  });
  firstOfHang = ask(await hang.token());
});

afterAll(async () => {
  vi.restoreAllMocks();
  await gateway.close();
  trap.close();
  await Promise.all([shop.close(), idp.close(), ...BROKEN.map((name) => broken[name].close())]);
});

const ask = (token: string) => gateway.ask('/shop/v1/x', { headers: { 'purser-token': token } });

async function codeOf(answer: Response): Promise<string | number> {
  const text = await answer.text();
  return answer.status === 200 ? 200 : `${answer.status} ${JSON.parse(text).code}`;
}

test('AUTH-38: with a key set that never could be read nobody is let in, and nothing else is asked', async () => {
  for (const name of ['error', 'page', 'giant', 'redirect'] as const) {
    const answer = await ask(await broken[name].token());
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(await codeOf(answer), name).toBe('401 token_invalid');
  }
  expect(trapped).toBe(0);
  expect(await codeOf(await ask(await idp.token()))).toBe(200);
});

test('AUTH-38: an issuer that hangs holds up its own agents alone, and not for ever', async () => {
  expect(await codeOf(await ask(await idp.token()))).toBe(200);
  expect(await codeOf(await firstOfHang)).toBe('401 token_invalid');
});

test('AUTH-38: an issuer that works again is believed again after the cool-down', async () => {
  for (const name of BROKEN) broken[name].serve({});
  movedMs += 6_000;
  for (const name of BROKEN) expect(await codeOf(await ask(await broken[name].token())), name).toBe(200);
});

test('AUTH-09: a storm of unknown key ids asks the issuer once per cool-down; honest agents are served', async () => {
  const honest = await idp.token();
  expect(await codeOf(await ask(honest))).toBe(200);
  const began = Date.now();
  const fetches = idp.fetches();
  const [, payload] = honest.split('.');
  const storm = async () => {
    for (let n = 0; n < 75; n += 1) {
      const header = { alg: 'EdDSA', typ: 'at+jwt', kid: randomBytes(8).toString('hex') };
      const signature = randomBytes(64).toString('base64url');
      const forged = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`;
      expect(await codeOf(await ask(forged))).toBe('401 token_invalid');
      if (n % 25 === 0) expect(await codeOf(await ask(honest))).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: 16 }, storm));
  const coolDowns = Math.floor((Date.now() - began) / 30_000);
  expect(idp.fetches() - fetches).toBeLessThanOrEqual(1 + coolDowns);
});

test('AUTH-37: a key that was taken out is refused after five minutes, a new one is taken on first use', async () => {
  movedMs += MINUTE_MS;
  const [old] = idp.keySet().keys;
  const before = await idp.token();
  expect(await codeOf(await ask(before))).toBe(200);
  const next = await idp.addKey('ES256');
  idp.withdraw(String(old?.kid));
  movedMs += MINUTE_MS;
  expect(await codeOf(await ask(await idp.token({ kid: next.kid })))).toBe(200);
  expect(await codeOf(await ask(before))).toBe('401 token_invalid');
});

test('AUTH-37: without any new token the removal of a key still counts after five minutes', async () => {
  const last = await idp.addKey('EdDSA');
  movedMs += MINUTE_MS;
  const token = await idp.token({ kid: last.kid });
  expect(await codeOf(await ask(token))).toBe(200);
  idp.withdraw(last.kid);
  movedMs += 5 * MINUTE_MS;
  expect(await codeOf(await ask(token))).toBe('401 token_invalid');
});

test('AUTH-38: the last good keys serve while their place fails, up to their greatest age', async () => {
  const token = () => broken.error.token();
  broken.error.serve({ status: 500 });
  movedMs += 10 * MINUTE_MS;
  expect(await codeOf(await ask(await token()))).toBe(200);
  broken.error.serve({ body: '{"keys":[]' });
  movedMs += 60 * MINUTE_MS;
  expect(await codeOf(await ask(await token()))).toBe(200);
  movedMs += 24 * 60 * MINUTE_MS;
  expect(await codeOf(await ask(await token()))).toBe('401 token_invalid');
  broken.error.serve({});
  movedMs += MINUTE_MS;
  expect(await codeOf(await ask(await token()))).toBe(200);
});
