// Holds: how many a second Redis takes, and whether a hold costs more where many are live already, on either store.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Budget } from '../../src/budget/budget.ts';
import { embeddedBudget } from '../../src/budget/embedded-budget.ts';
import { openRedisBudget } from '../../src/budget/redis-budget.ts';
import { SYSTEM_TIMERS } from '../../src/domain/clock.ts';
import { GatewayFault } from '../../src/domain/fault.ts';
import type { BudgetLine, HoldRequest } from '../../src/domain/hold.ts';
import { openState } from '../../src/state/thread.ts';
import type { StateWorkerData } from '../../src/state-worker.ts';
import { EMPTY_ACCOUNT, notesInMemory } from '../fakes/account.ts';
import { CORE, pin } from './children.ts';
import { interleaved, ratios, row, verdict } from './figures.ts';
import type { BenchOptions } from './main.ts';
import { benchRedis } from './stage.ts';

const IN_FLIGHT = 64;
const FEW = 100;
const MANY = 100_000;
const TRIES = 40;
const AGAIN_MS = 50;
const HOUR_MS = 3_600_000;

const OPTIONS = {
  ...{ log: 'bench', timeZone: 'UTC', key: randomBytes(32), repeatWindowMs: 600_000 },
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  timers: SYSTEM_TIMERS,
  random: { bytes: (length: number) => randomBytes(length) },
};

/** A store with so many live holds; they do not lapse while it is measured. */
interface House {
  readonly budget: Budget;
  close(): Promise<void>;
}

/** Measures and prints; answers whether each goal holds. */
export async function benchHolds(options: BenchOptions): Promise<boolean[]> {
  const verdicts = await benchStore('embedded', openEmbedded, options);
  const redis = await benchRedis();
  if (!redis) return verdicts;
  pin(redis.pid, CORE.measured);
  let namespaces = 0;
  const open = async (): Promise<House> => {
    namespaces += 1;
    const namespace = `bench-${namespaces}`;
    const alone = { account: EMPTY_ACCOUNT, notes: notesInMemory(), missingAfterMs: 600_000, closedMs: 0 };
    const { budget } = await openRedisBudget({ ...OPTIONS, ...alone, url: redis.url, namespace, replicas: 0 });
    return { budget, close: () => budget.shutdown() };
  };
  try {
    return [...verdicts, ...(await benchStore('Redis', open, options))];
  } finally {
    await redis.stop();
  }
}

async function openEmbedded(): Promise<House> {
  const folder = mkdtempSync(join(tmpdir(), 'purser-bench-'));
  const data: StateWorkerData = {
    ...{ dir: join(folder, 'var'), diskReserveBytes: 0, development: true, segment: 250_000 },
    embedded: { repeatWindowMs: OPTIONS.repeatWindowMs },
  };
  const thread = await openState({ worker: new URL('../../src/state-worker.ts', import.meta.url), data });
  return {
    budget: embeddedBudget(thread, OPTIONS),
    close: async () => {
      await thread.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function benchStore(name: string, open: () => Promise<House>, { quick }: BenchOptions): Promise<boolean[]> {
  const few = await open();
  const many = await open();
  try {
    await holdMany(few.budget, FEW);
    await holdMany(many.budget, MANY);
    const batch = quick ? 640 : 1_280;
    for (const { budget } of [few, many]) await timed(budget, batch);
    const costs = await interleaved(quick ? 7 : 21, {
      few: () => timed(few.budget, batch),
      many: () => timed(many.budget, batch),
    });
    return report(name, costs);
  } finally {
    await few.close();
    await many.close();
  }
}

/** Microseconds a hold, with so many in flight; what was held is released again, out of the measure. */
async function timed(budget: Budget, count: number): Promise<number> {
  const began = performance.now();
  const ids = await holdMany(budget, count);
  const took = performance.now() - began;
  await inFlight(ids, (id) => budget.release(id));
  return (took * 1_000) / count;
}

async function holdMany(budget: Budget, count: number): Promise<string[]> {
  const ids: string[] = [];
  await inFlight(Array(count).fill(0), async () => {
    ids.push(await holdOne(budget));
  });
  return ids;
}

/** On a busy machine a step can miss its time bound, and is then made anew: the time is counted all the same. */
async function holdOne(budget: Budget): Promise<string> {
  for (let left = TRIES; ; left -= 1) {
    const request = holdRequest();
    try {
      const outcome = await budget.hold(request);
      if (outcome.kind === 'held') return request.id;
      throw new Error(`a hold of the bench was not made: ${outcome.kind}`);
    } catch (fault) {
      if (left === 0 || !(fault instanceof GatewayFault)) throw fault;
      await sleep(AGAIN_MS);
    }
  }
}

async function inFlight<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const iterator = all.values();
  const lane = async () => {
    for (const one of iterator) await work(one);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

const line = (budget: string, per: string, scope: string, window: BudgetLine['window']): BudgetLine => ({
  ...{ budget, per, scope, window, limitMicros: 9_000_000_000_000_000n, limitPayments: null },
});

/** Three lines, as a purchase usually touches: one agent's day, everybody's month, and a rolling day. */
const LINES = [
  line('agent-day', 'agent', '["buyer-1"]', { kind: 'day' }),
  line('all-month', 'all', '[]', { kind: 'month' }),
  line('team-rolling', 'team', '["research"]', { kind: 'rolling', lengthMs: 24 * HOUR_MS }),
];

function holdRequest(): HoldRequest {
  const id = `bench.${randomBytes(12).toString('hex')}`;
  return {
    ...{ id, exchange: id, micros: 20_000n, lines: LINES, agent: 'buyer-1', service: 'shop', wallet: 'play' },
    claim: {
      subject: '["bench","buyer-1"]',
      key: null,
      fingerprint: randomBytes(32).toString('hex'),
      saysRetry: false,
    },
    ...{
      challengeId: `challenge-${id}`,
      payment: { network: 'sandbox', identity: id, payee: 'acme', atoms: 1n },
      redeemableUntil: Date.now() + HOUR_MS,
    },
    ...{ unsettledLimit: 5, leaseMs: HOUR_MS },
  };
}

function report(store: string, costs: Readonly<Record<'few' | 'many', number[]>>): boolean[] {
  console.log(`\nHolds: ${store} store, three lines (one rolling), ${IN_FLIGHT} in flight`);
  row(`a hold with ${FEW} live holds`, costs.few, 'µs');
  row(`a hold with ${MANY.toLocaleString('en-GB')} live holds`, costs.many, 'µs');
  const rates = costs.many.map((microseconds) => 1e6 / microseconds);
  const flat = verdict({
    name: `${MANY.toLocaleString('en-GB')} live ÷ ${FEW} live`,
    rounds: ratios(costs.many, costs.few),
    goal: { atMost: 1.5 },
    unit: '×',
    inTheWay: 'the step looks at more than the counters of its lines, or what it looks up no longer fits in caches.',
  });
  if (store !== 'Redis') {
    row('holds a second', rates, '/s');
    return [flat];
  }
  const fast = verdict({
    name: `holds a second with ${MANY.toLocaleString('en-GB')} live`,
    rounds: rates,
    goal: { atLeast: 5_000 },
    unit: '/s',
    inTheWay: 'the script itself, or the one core that this process and its client have beside Redis.',
  });
  return [flat, fast];
}
