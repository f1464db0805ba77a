// What becomes of the uncertain payments of a gateway that does not come back: another one on the same Redis looks for
// them, and ends them by the service's own page; judged by budgets and both logs.
import { Redis } from 'ioredis';
import { afterEach, expect, test, vi } from 'vitest';
import type { HoldView } from '../../src/operators/views.ts';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { resetAfter } from '../fakes/script.ts';
import { buy, expectVerified, WAIT } from '../support/agreement.ts';
import { type GatewaySetup, policy, spawnGateway, startGateway, type TestGateway } from '../support/gateway.ts';
import { moneyOf } from '../support/stand.ts';
import { onRedis, openAtOnce } from '../support/stores.ts';

/** What the merchant asks for, in micro-units. */
const ASKED = 100_000n;

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const holds = async (gateway: TestGateway) => (await gateway.api<{ holds: HoldView[] }>('holds')).holds;
const resolutions = async (gateway: TestGateway) =>
  (await gateway.receipts()).filter(({ kind }) => kind === 'settled' || kind === 'voided' || kind === 'resolved');

async function setup(redis: RedisServer, shop: HostileMerchant): Promise<GatewaySetup> {
  await openAtOnce(redis.url);
  const { sections, env } = onRedis(redis.url);
  const budgets = sections.budgets?.replace(' } }', ' }, missingAfter: 2s }') ?? '';
  const limits = '{ paymentSettle: 1s, diskReserve: 0B, holdLease: 1s }';
  return { upstream: shop.url, policies: policy({ per: 'all' }), sections: { budgets, limits }, env };
}

/** Redis forgets, and the gateway brings back what is open. */
async function forget(redis: RedisServer, gateway: TestGateway): Promise<void> {
  const admin = new Redis(redis.url);
  closing.push(() => admin.disconnect());
  await admin.flushall();
  await vi.waitFor(async () => expect(await holds(gateway)).toHaveLength(2), WAIT);
}

test.runIf(redisAvailable).each([
  ['a gateway that is gone for good: others end its payments by evidence, once', async () => {}],
  ['the same after Redis forgot everything, and the gateway brought it back before it went', forget],
])(
  '%s',
  async (_, before) => {
    const redis = await startRedis();
    closing.push(() => redis.stop());
    /** Until then the service does not tell. */
    let redeemed: ((nonce: string) => boolean) | undefined;
    const shop = await hostileMerchant({
      challenge: () => sandboxChallenge({ expiresInMs: 4_000 }),
      paid: resetAfter(),
      told: (nonce) => redeemed && JSON.stringify({ redeemed: redeemed(nonce) }),
    });
    closing.push(() => shop.close());
    const how = await setup(redis, shop);
    const gone = await spawnGateway(how);
    closing.push(() => gone.kill());
    const answers = await Promise.all([buy(gone), buy(gone)]);
    expect(answers.map(({ code }) => code)).toEqual(['payment_uncertain', 'payment_uncertain']);
    await before(redis, gone);
    const [first, second] = (await gone.receipts()).filter(({ kind }) => kind === 'intended');
    await gone.kill();

    redeemed = (nonce) => first?.proof?.identity.endsWith(nonce) === true;
    const others = [await startGateway(how), await startGateway(how)] as const;
    closing.push(...others.map((gateway) => () => gateway.close()));
    await vi.waitFor(async () => expect(await holds(others[0])).toHaveLength(2), WAIT);
    const until = Math.max(...(await holds(others[0])).map(({ redeemableUntil }) => Date.parse(redeemableUntil)));

    await vi.waitFor(async () => expect(await holds(others[0])).toEqual([]), WAIT);
    expect(await moneyOf(others[0])).toEqual({ settled: ASKED, held: 0n });
    const sealed = (await Promise.all(others.map(resolutions))).flat();
    expect(sealed.map(({ hold, change, settlement }) => [hold?.id, change?.what, settlement?.evidence]).sort()).toEqual(
      [
        [first?.hold?.id, 'resolved as settled', 'rail'],
        [second?.hold?.id, 'resolved as voided', 'rail'],
      ].sort(),
    );
    // Its own gateway is left to look for as long as others are waited for.
    for (const { at } of sealed) expect(Date.parse(at)).toBeGreaterThan(until + 2_000);
    for (const gateway of others) await expectVerified(gateway);
  },
  60_000,
);

test.runIf(redisAvailable)(
  'a gateway that is there looks after its own payments, and nobody else does',
  async () => {
    const redis = await startRedis();
    closing.push(() => redis.stop());
    const shop = await hostileMerchant({
      challenge: () => sandboxChallenge({ expiresInMs: 2_000 }),
      paid: resetAfter(),
      told: () => undefined,
    });
    closing.push(() => shop.close());
    const how = await setup(redis, shop);
    const gateways = [await startGateway(how), await startGateway(how)] as const;
    closing.push(...gateways.map((gateway) => () => gateway.close()));
    expect((await buy(gateways[0])).code).toBe('payment_uncertain');
    const looked = async (gateway: TestGateway) => (await holds(gateway))[0]?.evidence?.seen ?? null;
    await vi.waitFor(async () => expect(await looked(gateways[0])).toMatch(/does not tell/), WAIT);
    const [hold] = await holds(gateways[0]);
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(Date.parse(hold?.redeemableUntil ?? '') + 8_000), WAIT);
    expect(await looked(gateways[1])).toBeNull();
  },
  60_000,
);

test.runIf(redisAvailable)(
  'a person cannot end it against what the service tells at another gateway either',
  async () => {
    const redis = await startRedis();
    closing.push(() => redis.stop());
    let told: string | undefined;
    const shop = await hostileMerchant({
      challenge: () => sandboxChallenge({ expiresInMs: 2_000 }),
      paid: resetAfter(),
      told: () => told,
    });
    closing.push(() => shop.close());
    const how = await setup(redis, shop);
    const gone = await spawnGateway(how);
    closing.push(() => gone.kill());
    expect((await buy(gone)).code).toBe('payment_uncertain');
    const [hold] = await holds(gone);
    await gone.kill();
    const other = await startGateway(how);
    closing.push(() => other.close());
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(Date.parse(hold?.redeemableUntil ?? '')), WAIT);
    const resolve = (order: object) =>
      other.api<{ code?: string }>(`holds/${hold?.id}/resolve`, { method: 'POST', body: JSON.stringify(order) });
    told = JSON.stringify({ redeemed: true });
    const refused = await resolve({ as: 'voided', because: 'nobody answers' });
    expect(refused).toMatchObject({ code: 'evidence_contradicts' });
    expect(await moneyOf(other)).toEqual({ settled: 0n, held: ASKED });
    await resolve({ as: 'settled', because: 'they say so' });
    expect(await moneyOf(other)).toEqual({ settled: ASKED, held: 0n });
  },
  60_000,
);
