// What a gateway does without its log's disk in mid-purchase, and what it refuses to start with. Judged by the shop's
// own books, the budgets, and what was sealed.
import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { buy, expectAgreement, expectVerified, kindsOf, PRICE, WAIT } from '../support/agreement.ts';
import {
  type GatewayProcess,
  type GatewaySetup,
  policy,
  spawnGateway,
  startGateway,
  type TestGateway,
} from '../support/gateway.ts';
import { moneyOf } from '../support/stand.ts';
import { purser } from '../threats/observables.ts';

const LIMITS = '{ paymentSettle: 20s, diskReserve: 0B, unsettled: 1000 }';

let shop: PaidShop;
/** What the paths that begin with /wait wait for before the goods are handed over. */
let goods: PromiseWithResolvers<void>;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  goods = Promise.withResolvers();
  shop = await paidShop(async (response, { target }) => {
    if (target.startsWith('/wait')) await goods.promise;
    response.end('the goods');
  });
  closing.push(() => shop.close());
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'purser-faults-'));
  closing.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const setupOf = (setup: GatewaySetup = {}): GatewaySetup => ({
  upstream: shop.url,
  policies: policy({ limit: '1000.00 USD' }),
  ...setup,
  sections: { limits: LIMITS, ...setup.sections },
});

async function start(setup: GatewaySetup = {}): Promise<TestGateway> {
  const gateway = await startGateway(setupOf(setup));
  closing.push(() => gateway.close());
  return gateway;
}

async function spawned(setup: GatewaySetup = {}): Promise<GatewayProcess> {
  const gateway = await spawnGateway(setupOf(setup));
  closing.push(() => gateway.kill());
  return gateway;
}

const canLimit = spawnSync('prlimit', ['--version']).status === 0;

describe.runIf(canLimit)('the log cannot be written any more', () => {
  const fileSize = (gateway: GatewayProcess, most: string) =>
    execFileSync('prlimit', ['--pid', `${gateway.child.pid}`, `--fsize=${most}:`]);

  test('after intended: relayed as pending, sealed and settled when it can be written again', async () => {
    const gateway = await spawned();
    const bought = buy(gateway, '/wait');
    await vi.waitFor(() => expect(shop.books).toHaveLength(1), WAIT);
    fileSize(gateway, '0');
    goods.resolve();
    expect(await bought).toMatchObject({ status: 200, text: 'the goods', state: 'pending' });
    expect(await buy(gateway)).toMatchObject({ status: 503, code: 'ledger_unavailable' });
    expect(shop.books).toHaveLength(1);
    fileSize(gateway, 'unlimited');
    await expectAgreement(gateway, shop);
    await vi.waitFor(async () => {
      expect(await kindsOf(gateway, '/wait')).toEqual(['intended', 'settled', 'delivered']);
      expect((await buy(gateway)).status).toBe(200);
    }, WAIT);
    await expectVerified(gateway);
  });

  test('after intended, then the gateway killed: the purchase is uncertain, and its repeat is told so', async () => {
    const state = folder();
    const first = await spawned({ folder: state });
    const keyed = { headers: { 'idempotency-key': 'k' } };
    const bought = first.ask('/shop/wait', keyed).then((answer) => answer.headers.get('purser-receipt'));
    await vi.waitFor(() => expect(shop.books).toHaveLength(1), WAIT);
    fileSize(first, '0');
    goods.resolve();
    expect(await bought).toMatch(/;state=pending;/);
    await first.kill();
    const second = await spawned({ folder: state });
    expect(await moneyOf(second)).toEqual({ settled: 0n, held: PRICE });
    expect(await kindsOf(second, '/wait')).toEqual(['intended', 'uncertain']);
    expect(await (await second.ask('/shop/wait', keyed)).json()).toMatchObject({ code: 'payment_uncertain' });
    expect(shop.books).toHaveLength(1);
    await expectVerified(second);
  });
});

describe('what cannot start', () => {
  test('a second process on the same state: exit 1 with the fix, and the first goes on', async () => {
    const gateway = await start();
    const { code, out, err } = await purser(['serve', '--config', gateway.configFile]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(
      /^purser: .*another purser process is using \S+var; stop it, or give this one its own state\.dir/,
    );
    expect((await buy(gateway)).status).toBe(200);
    await expectAgreement(gateway, shop);
    await expectVerified(gateway);
  });

  const evm = (key: string) => ({
    identity: '\n  issuers: [{ issuer: "https://idp.test", audience: purser, keys: { file: jwks.json } }]',
    assets:
      '\n  - { id: usdc, network: "eip155:1", token: "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", decimals: 6, ' +
      'value: "1 USD", eip712: { name: "USD Coin", version: "2" } }',
    wallets: `\n  - { id: treasury, rail: evm, key: ${key}, networks: ["eip155:1"] }`,
  });
  const PEM = /config\.yaml:8:37 {2}wallets\[0\]\.key {2}.*Ed25519 private key.*openssl genpkey -algorithm ed25519/;
  const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  for (const { what, key, sections, says } of [
    {
      what: 'a sandbox key that is none',
      key: 'not a key: canary',
      sections: {},
      says: PEM,
    },
    {
      what: 'a sandbox key of another kind',
      key: `${RSA}`,
      sections: {},
      says: PEM,
    },
    {
      what: 'an evm key that is too short',
      key: 'canary',
      sections: evm('{ file: sandbox.pem }'),
      says: /config\.yaml:9:37 {2}wallets\[0\]\.key {2}.*32 bytes in hex \(64 digits\)$/m,
    },
    {
      what: 'an evm key that is zero',
      key: '00'.repeat(32),
      sections: evm('{ file: sandbox.pem }'),
      says: /config\.yaml:9:37 {2}wallets\[0\]\.key {2}is no private key of an evm account/,
    },
  ]) {
    test(`${what}: refused at start with the fix, never shown`, async () => {
      const state = folder();
      writeFileSync(join(state, 'sandbox.pem'), key, { mode: 0o600 });
      writeFileSync(join(state, 'jwks.json'), '{"keys":[]}');
      const setup = setupOf({ folder: state, sections });
      const policies =
        Object.keys(sections).length > 0
          ? setup.policies?.replace('usd.sandbox', 'usdc').replace('[acme]', `["0x${'ab'.repeat(20)}"]`)
          : setup.policies;
      const failed = await spawnGateway({ ...setup, ...(policies ? { policies } : {}) }).catch(
        (error: Error) => error.message,
      );
      expect(failed).toMatch(/^the gateway did not start:\n/);
      expect(failed).toMatch(says);
      expect(failed).not.toContain(key.slice(0, 40));
      expect(failed).not.toContain('canary');
      const { code, out } = await purser(['check', '--config', join(state, 'config.yaml')]);
      expect([code, out.includes('canary')]).toEqual([1, false]);
    });
  }
});
