// Room for exactly one payment, and a thousand requests at once: one payment by the shop's own books, every time.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { type GatewaySetup, policy, spawnGateway, type TestGateway } from '../support/gateway.ts';
import { race } from '../support/one-slot.ts';

const ROUNDS = Number(process.env.PURSER_TEST_ROUNDS ?? 1);
const REQUESTS = 1_000;
const AGENTS = ['buyer-1', 'buyer-2'];
const SHARED_KEY = 'ab'.repeat(32);

let shop: Merchant;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  shop = await sandboxMerchant({
    routes: [{ method: 'GET', path: '/v1/x', price: '2', goods: { kind: 'json', body: { x: 1 } } }],
  });
  closing.push(() => shop.close());
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const ONE_SLOT: Record<string, string> = {
  'an amount for one payment': policy({ limit: '0.02 USD', per: 'all' }),
  'a count of one payment': policy({ limit: '100.00 USD', payments: 1, per: 'all' }),
  'a rolling window with room for one': policy({ limit: '0.03 USD', window: 'rolling: 24h', per: 'all' }),
  'two budgets with one bottleneck': policy({
    limit: '100.00 USD',
    more: 'guardrails:\n  budgets: [bottleneck]\n',
  }).replace('entitlements:', '  - { id: bottleneck, limit: 0.02 USD, window: month, per: all }\nentitlements:'),
};

/** One round on fresh gateways: one payment, everybody else refused for the budget, nobody left without an answer. */
async function oneRound(count: number, setup: GatewaySetup): Promise<void> {
  const start = () => spawnGateway({ upstream: shop.url, ...setup });
  const gateways: TestGateway[] = await Promise.all(Array.from({ length: count }, start));
  try {
    const options = { requests: REQUESTS, path: '/shop/v1/x', agents: AGENTS };
    const { paid, taken, refused, others } = await race(gateways, shop, options);
    expect({ paid, taken, others }).toEqual({ paid: 1, taken: 1, others: {} });
    expect(refused).toBe(REQUESTS - 1);
  } finally {
    await Promise.all(gateways.map((gateway) => gateway.close()));
  }
}

describe('CONC-01: one gateway on the embedded store', () => {
  for (const [name, policies] of Object.entries(ONE_SLOT)) {
    test(`CONC-01: ${name} is paid exactly once`, { timeout: 300_000 }, async () => {
      for (let round = 0; round < ROUNDS; round += 1) await oneRound(1, { policies });
    });
  }
});

describe.runIf(redisAvailable)('CONC-02: four gateways on one Redis', () => {
  for (const [name, policies] of Object.entries(ONE_SLOT)) {
    test(`CONC-02: ${name} is paid exactly once by all of them together`, { timeout: 300_000 }, async () => {
      const redis = await startRedis();
      closing.push(() => redis.stop());
      for (let round = 0; round < ROUNDS; round += 1) {
        const store = `url: "${redis.url}", namespace: "round-${round}", key: { env: SHARED }`;
        const sections = { budgets: `{ store: redis, redis: { ${store} } }` };
        await oneRound(4, { policies, sections, env: { SHARED: SHARED_KEY } });
      }
    });
  }
});
