// A Redis of one's own for budget tests: one server for a file, a fresh namespace for each house.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Budget } from '../../src/budget/budget.ts';
import { openRedisBudget, type RedisBudgetOptions } from '../../src/budget/redis-budget.ts';
import { SYSTEM_TIMERS } from '../../src/domain/clock.ts';
import { REPEAT_WINDOW_MS, type StoreHouse, TEST_KEY, TEST_RANDOM } from '../contracts/budget.ts';

export const SYSTEM_CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

let houses = 0;

/** What a gateway of a test is opened with; `over` changes what the test is about. */
export function redisOptions(url: string, over: Partial<RedisBudgetOptions> = {}): RedisBudgetOptions {
  return {
    ...{ url, namespace: 'test', replicas: 0, log: 'here', timeZone: 'UTC', key: TEST_KEY, clock: SYSTEM_CLOCK },
    ...{ random: TEST_RANDOM, timers: SYSTEM_TIMERS, repeatWindowMs: REPEAT_WINDOW_MS },
    ...over,
  };
}

/** A house whose gateways share a namespace that no other house has. */
export function redisHouse(
  url: string,
  over: Partial<RedisBudgetOptions> = {},
): StoreHouse & { readonly namespace: string } {
  const namespace = `test-${++houses}`;
  const open: Budget[] = [];
  return {
    namespace,
    async gateway(log = 'here') {
      const budget = await openRedisBudget(redisOptions(url, { ...over, namespace, log }));
      open.push(budget);
      return budget;
    },
    wait: (ms) => sleep(ms),
    close: async () => void (await Promise.all(open.map((budget) => budget.shutdown()))),
  };
}
