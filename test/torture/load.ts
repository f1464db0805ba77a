// The agents of the torture: they buy with and without a key, leave in the middle, ask again elsewhere, and one may not
// buy at all. Each buys until its own budget is spent, three of its requests racing for what is left.
import { setTimeout as sleep } from 'node:timers/promises';
import { openDevelopmentIssuer } from '../../src/identity/development-issuer.ts';
import { between, type Dice } from './dice.ts';
import { SERVICES } from './market.ts';
import { AGENTS, type Place } from './town.ts';

const WORKERS = 18;
const PER_AGENT = 3;
const PATIENCE_MS = 8_000;

/** What the agents saw. */
export interface Load {
  /** How many answers of each sort: `200 settled`, a refusal's code, `no answer`, `left`. */
  readonly seen: ReadonlyMap<string, number>;
  /** Targets whose goods were handed over. */
  readonly bought: readonly string[];
  asked(): number;
  /** Ends when all requests under way have. */
  stop(): Promise<void>;
}

/** Begins to buy at all places. `stateDir` is where the development issuer is. */
export async function startLoad(places: readonly Place[], stateDir: string, roll: Dice): Promise<Load> {
  const issuer = await openDevelopmentIssuer(stateDir);
  const tokenOf = (agent: string) => issuer.issue({ agent, ttlSeconds: 3_600, nowMs: Date.now() });
  const seen = new Map<string, number>();
  const bought: string[] = [];
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
  let next = 0;
  let asked = 0;
  let going = true;

  async function once(target: string, headers: Record<string, string>, patienceMs: number): Promise<string> {
    const place = places[Math.floor(roll() * places.length)];
    try {
      const signal = AbortSignal.timeout(patienceMs);
      const answer = await fetch(`${place?.url}/${target}`, { headers, signal });
      const text = await answer.text();
      if (answer.ok) bought.push(target);
      const state = /;state=(\w+)/.exec(answer.headers.get('purser-receipt') ?? '')?.[1];
      return answer.ok ? `200 ${state}` : ((JSON.parse(text) as { code?: string }).code ?? `${answer.status}`);
    } catch {
      return patienceMs < PATIENCE_MS ? 'left' : 'no answer';
    }
  }

  async function buy(agent: number, token: string): Promise<string> {
    asked += 1;
    const service = roll() < 0.6 ? SERVICES[0] : SERVICES[Math.floor(roll() * SERVICES.length)];
    const target = `${service}/v1/buyer-${agent}/${asked}`;
    const keyed = roll() < 0.75;
    const headers = { 'purser-token': token, ...(keyed ? { 'idempotency-key': `key-${asked}` } : {}) };
    const leaves = roll() < 0.2;
    let end = await once(target, headers, leaves ? between(roll, 1, 60) : PATIENCE_MS);
    count(end);
    // With its key an agent asks until it knows.
    for (let tries = 0; keyed && tries < 6 && going && isOpen(end); tries += 1) {
      await sleep(between(roll, 20, 500));
      end = await once(target, headers, PATIENCE_MS);
      count(end);
    }
    return end;
  }

  async function work(): Promise<void> {
    while (going && next < AGENTS) {
      const agent = next++;
      const token = await tokenOf(`buyer-${agent}`);
      let spent = false;
      const racing = Array.from({ length: PER_AGENT }, async () => {
        while (going && !spent) spent ||= (await buy(agent, token)) === 'budget_exceeded';
      });
      await Promise.all(racing);
      if (going) count(await once(`honest/v1/stranger/${agent}`, { 'purser-token': await tokenOf('stranger') }, 8_000));
    }
  }

  const workers = Promise.all(Array.from({ length: WORKERS / PER_AGENT }, work));
  return {
    seen,
    bought,
    asked: () => asked,
    async stop() {
      going = false;
      await workers;
    },
  };
}

const isOpen = (end: string): boolean =>
  ['left', 'no answer', 'in_flight', 'store_unavailable', 'ledger_unavailable'].includes(end);
