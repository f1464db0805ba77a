// An agent ends its request's body whenever it likes. A purchase that waited for it is made by the policy and the
// identity that hold when it is made, never by those of its beginning.
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openDevelopmentIssuer } from '../../src/identity/development-issuer.ts';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';

let shop: HostileMerchant;
let gateway: TestGateway;

beforeEach(async () => {
  shop = await hostileMerchant({ readBody: false });
  gateway = await startGateway({ upstream: shop.url });
});

afterEach(async () => {
  await gateway.close();
  await shop.close();
});

/** Sends a request whose last byte stays behind until `finish`; `answer` is everything that came. */
function begin(token: string): { finish(): void; answer: Promise<string> } {
  const { hostname, port } = new URL(gateway.agents);
  const socket: Socket = connect(Number(port), hostname);
  const head = 'POST /shop/slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n';
  socket.write(`${head}Purser-Token: ${token}\r\n\r\n123456789`);
  let came = '';
  socket.on('data', (bytes) => {
    came += bytes.toString('latin1');
  });
  return {
    finish: () => socket.write('0'),
    answer: new Promise((resolve) => socket.on('close', () => resolve(came))),
  };
}

/** Takes up another policy and waits until it is in force. */
async function takeUp(text: string): Promise<void> {
  const { version } = await gateway.api<{ version: string }>('policy');
  writeFileSync(join(gateway.folder, 'policies', 'policy.yaml'), text);
  await vi.waitFor(async () => expect((await gateway.api<{ version: string }>('policy')).version).not.toBe(version), {
    timeout: 15_000,
    interval: 50,
  });
}

test.for([
  ['a lowered limit', policy({ limit: '0.05 USD' }), 'budget_exceeded'],
  ['a lowered ceiling', policy({ ceiling: '0.05 USD' }), 'over_ceiling'],
  ['another payee', policy({ payees: '[other]' }), 'payee_forbidden'],
  ['an entitlement taken away', policy().replace('"buyer-*"', '"buyer-2"'), 'no_entitlement'],
  ['a guardrail', `${policy()}guardrails: { deny: [{ services: [shop], because: closed }] }\n`, 'denied'],
] as const)('%s counts for a purchase whose body ends after it', async ([, after, code]) => {
  const slow = begin(await gateway.token());
  await shop.read(1);
  await takeUp(after);
  slow.finish();
  expect(await slow.answer).toContain(`"code":"${code}"`);
  expect(shop.books.taken).toHaveLength(0);
});

test('a token that expires before the body ends buys nothing', async () => {
  const issuer = await openDevelopmentIssuer(join(gateway.folder, 'var'));
  const lately = Date.now() - 3_000;
  const slow = begin(await issuer.issue({ agent: 'buyer-1', ttlSeconds: 1, nowMs: lately }));
  await shop.read(1);
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(lately + 7_500), { timeout: 15_000, interval: 50 });
  slow.finish();
  expect(await slow.answer).toContain('"code":"token_expired"');
  expect(shop.books.taken).toHaveLength(0);
});
