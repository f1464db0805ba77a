// A Redis of one's own for budget tests: one server for a file, a fresh namespace for each house.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Budget } from '../../src/budget/budget.ts';
import { Membership } from '../../src/budget/membership.ts';
import { openRedisBudget as open, type RedisBudgetOptions, type SharedBudget } from '../../src/budget/redis-budget.ts';
import { RedisConnection } from '../../src/budget/redis-connection.ts';
import { RedisKeys } from '../../src/budget/redis-keys.ts';
import { RedisMembers } from '../../src/budget/redis-members.ts';
import { SCRIPTS, type Script } from '../../src/budget/redis-scripts.ts';
import { RedisStore } from '../../src/budget/redis-store.ts';
import { StoreBudget } from '../../src/budget/store-budget.ts';
import { SYSTEM_TIMERS } from '../../src/domain/clock.ts';
import { REPEAT_WINDOW_MS, type StoreHouse, TEST_KEY, TEST_RANDOM } from '../contracts/budget.ts';
import { EMPTY_ACCOUNT, notesInMemory } from '../fakes/account.ts';

export const SYSTEM_CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

/** A budget that nobody mends when its store forgets. */
export async function openRedisBudget(options: RedisBudgetOptions): Promise<Budget> {
  return (await open(options)).budget;
}

/** A budget that joins its store again whenever it has to, as a gateway does. */
export async function openMendedBudget(options: RedisBudgetOptions): Promise<SharedBudget> {
  const shared = await open(options);
  shared.onAstray(async () => {
    for (;;) {
      const standing = await shared.rebuild.settle().catch(() => undefined);
      if (standing?.kind === 'open') return;
      await sleep(20);
    }
  });
  return shared;
}

/**
 * The store alone and joined, its members' steps, and a budget over it, for tests of what steps answer and write.
 * `again` makes it count again in its generation, whatever it was told.
 */
export async function openBare(options: RedisBudgetOptions) {
  const membership = new Membership(options.log, 'life');
  const connect = (scripts: readonly Script[], probeKey: string) => new RedisConnection(options, scripts, probeKey);
  const redis = connect(Object.values(SCRIPTS), new RedisKeys(options.namespace).clock);
  const store = new RedisStore({ ...options, membership, sealed: () => 0 }, redis, connect);
  const members = new RedisMembers({ ...options, membership, closedMs: 0 }, redis);
  await store.open();
  const stand = await members.join(0, []);
  if (!('name' in stand)) throw new Error('the store is somebody else’s');
  await members.attest(stand, options.log, 'itself');
  membership.enter(1);
  const place = { life: 'life', generation: () => membership.generation, agreed: async () => {} };
  const budget: Budget = new StoreBudget(store, options, { ...place, letGo: async () => store.disconnect() });
  await budget.heartbeat();
  return { store, members, budget, again: () => membership.enter(1) };
}

let houses = 0;

/** What a gateway of a test is opened with; `over` changes what the test is about. */
export function redisOptions(url: string, over: Partial<RedisBudgetOptions> = {}): RedisBudgetOptions {
  return {
    ...{ url, namespace: 'test', replicas: 0, log: 'here', timeZone: 'UTC', key: TEST_KEY, clock: SYSTEM_CLOCK },
    ...{ random: TEST_RANDOM, timers: SYSTEM_TIMERS, repeatWindowMs: REPEAT_WINDOW_MS },
    ...{ account: EMPTY_ACCOUNT, notes: notesInMemory(), missingAfterMs: 600_000, closedMs: 0 },
    ...over,
  };
}

/** A house whose gateways share a namespace that no other house has. */
export function redisHouse(
  url: string,
  over: Partial<RedisBudgetOptions> = {},
): StoreHouse & { readonly namespace: string } {
  const namespace = `test-${++houses}`;
  const opened: Budget[] = [];
  return {
    namespace,
    async gateway(log = 'here') {
      const budget = await openRedisBudget(redisOptions(url, { ...over, namespace, log }));
      opened.push(budget);
      return budget;
    },
    wait: (ms) => sleep(ms),
    close: async () => void (await Promise.all(opened.map((budget) => budget.shutdown()))),
  };
}
