// Kills a gateway under load and starts it again on the same state, over and over; judged by the shop's own books.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import { type GatewayProcess, type GatewaySetup, policy, spawnGateway } from './gateway.ts';

const run = promisify(execFile);
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const AGENTS = 12;

interface BudgetsAnswer {
  readonly budgets: readonly { readonly scopes: readonly { readonly settled: string; readonly held: string }[] }[];
}

/** `rounds` times: load, SIGKILL at a random moment, restart. `limitCents` is what may be spent in all. */
export async function killAgainAndAgain(rounds: number, limitCents: number, setup: GatewaySetup): Promise<void> {
  const shop = await sandboxMerchant({
    routes: [{ method: 'GET', path: '/v1/x', price: '2', goods: { kind: 'json', body: { x: 1 } } }],
  });
  const policies = policy({ limit: `${(limitCents / 100).toFixed(2)} USD`, per: 'all', window: 'window: total' });
  let gateway = await spawnGateway({ upstream: shop.url, policies, ...setup });
  const { folder } = gateway;
  let before = { settled: 0, open: 0 };
  try {
    for (let round = 0; round < rounds; round += 1) {
      await loadUntilKilled(gateway);
      gateway = await spawnGateway({ upstream: shop.url, policies, ...setup, folder });
      before = await judge(gateway, shop, limitCents, before);
    }
    const { stdout } = await run(process.execPath, [MAIN, 'receipts', 'verify', '--config', gateway.configFile]);
    expect(stdout).toContain('is intact');
  } finally {
    await gateway.close();
    await shop.close();
  }
}

/** Agents that buy as fast as they can, until the gateway dies under them. */
async function loadUntilKilled(gateway: GatewayProcess): Promise<void> {
  let alive = true;
  const token = await gateway.token();
  const buy = async (agent: number): Promise<void> => {
    for (let n = 0; alive; n += 1) {
      const headers = { 'purser-token': token, 'idempotency-key': `${agent}-${n}-${Math.random()}` };
      const answer = await fetch(`${gateway.agents}/shop/v1/x`, { headers }).catch(() => null);
      await answer?.text().catch(() => '');
    }
  };
  const agents = Array.from({ length: AGENTS }, (_, agent) => buy(agent));
  await sleep(100 + Math.random() * 500);
  await gateway.kill();
  alive = false;
  await Promise.all(agents);
}

/** Everything the shop took is counted, nothing counted before is forgotten, and the cap holds. In cents. */
async function judge(
  gateway: GatewayProcess,
  shop: Merchant,
  limitCents: number,
  before: { settled: number; open: number },
): Promise<{ settled: number; open: number }> {
  const { budgets } = await gateway.api<BudgetsAnswer>('budgets');
  const scope = budgets[0]?.scopes[0] ?? { settled: '0', held: '0' };
  const [settled, open] = [Math.round(Number(scope.settled) * 100), Math.round(Number(scope.held) * 100)];
  const taken = shop.books.reduce((sum, entry) => sum + Number(entry.amount), 0);
  expect(taken).toBeLessThanOrEqual(limitCents);
  expect(settled + open).toBeLessThanOrEqual(limitCents);
  expect(taken).toBeLessThanOrEqual(settled + open);
  expect(settled).toBeGreaterThanOrEqual(before.settled);
  expect(settled + open).toBeGreaterThanOrEqual(before.settled + before.open);
  return { settled, open };
}
