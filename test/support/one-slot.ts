// The race that rivals lose: many requests at once for room that is there exactly once. Judged by the shop's own books.
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import type { Merchant } from '../../src/demo/merchant.ts';
import type { TestGateway } from './gateway.ts';

/** How a race ended. */
export interface Race {
  readonly paid: number;
  readonly refused: number;
  /** Payments in the shop's books. */
  readonly taken: number;
  /** Answers that were neither paid nor refused for the budget, by code. */
  readonly others: Readonly<Record<string, number>>;
}

/** Sends `requests` equal purchases of `path` at once, spread over the gateways and agents. */
export async function race(
  gateways: readonly TestGateway[],
  shop: Merchant,
  options: { requests: number; path: string; agents: readonly string[] },
): Promise<Race> {
  const before = shop.books.length;
  const tokens = await Promise.all(
    gateways.map((gateway) => Promise.all(options.agents.map((agent) => gateway.token(agent)))),
  );
  const pools = gateways.map((gateway) => new Pool(gateway.agents, { connections: 256, pipelining: 1 }));
  const others: Record<string, number> = {};
  const seen = { paid: 0, refused: 0 };
  const ask = async (index: number) => {
    const which = index % pools.length;
    const pool = pools[which] as Pool;
    const own = tokens[which] as string[];
    const headers = { 'purser-token': own[index % own.length] as string };
    let code = await once(pool, options.path, headers);
    // A store that a busy machine keeps waiting is answered 503 with Retry-After; clients come back, and so do these.
    for (let tries = 0; code === 'store_unavailable' && tries < 20; tries += 1) {
      await sleep(500);
      code = await once(pool, options.path, headers);
    }
    if (code === 'paid') seen.paid += 1;
    else if (code === 'budget_exceeded') seen.refused += 1;
    else others[code] = (others[code] ?? 0) + 1;
  };
  await Promise.all(Array.from({ length: options.requests }, (_, index) => ask(index)));
  await Promise.all(pools.map((pool) => pool.close()));
  return { ...seen, taken: shop.books.length - before, others };
}

async function once(pool: Pool, path: string, headers: Record<string, string>): Promise<string> {
  const answer = await pool.request({ method: 'GET', path, headers });
  const text = await answer.body.text();
  return answer.statusCode === 200 ? 'paid' : (JSON.parse(text) as { code: string }).code;
}
