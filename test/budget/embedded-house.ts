// The embedded store without the state thread: its operations are run here, each in a transaction of its own.
import { DatabaseSync } from 'node:sqlite';
import type { Budget } from '../../src/budget/budget.ts';
import { embeddedBudget } from '../../src/budget/embedded-budget.ts';
import { embeddedOperations } from '../../src/budget/embedded-operations.ts';
import { SYSTEM_TIMERS } from '../../src/domain/clock.ts';
import { REPEAT_WINDOW_MS, type StoreHouse, TEST_KEY, TEST_RANDOM } from '../contracts/budget.ts';

/** A clock that a test turns. */
export class TurnedClock {
  wall: number;
  #elapsed = 0;

  constructor(wall = Date.now()) {
    this.wall = wall;
  }

  now = () => this.wall;
  monotonic = () => this.#elapsed;

  /** Time passes. */
  pass(ms: number): void {
    this.wall += ms;
    this.#elapsed += ms;
  }
}

/** A house over one database; `clock` is the store's, `gatewayClock` the gateways'. */
export function embeddedHouse(db = new DatabaseSync(':memory:'), clock = new TurnedClock(), gatewayClock = clock) {
  const operations = embeddedOperations(db, { clock, repeatWindowMs: REPEAT_WINDOW_MS });
  const thread = {
    async call<T>(name: string, argument: unknown): Promise<T> {
      const operation = operations[name];
      if (!operation) throw new Error(`no operation ${name}`);
      db.exec('BEGIN');
      try {
        // Across a thread everything is cloned.
        const answer = structuredClone(operation.run(structuredClone(argument))) as T;
        db.exec('COMMIT');
        return answer;
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
    },
  };
  const gateway = async (log = 'here', timeZone = 'UTC'): Promise<Budget> => {
    const options = { log, timeZone, key: TEST_KEY, clock: gatewayClock, timers: SYSTEM_TIMERS, random: TEST_RANDOM };
    const budget = embeddedBudget(thread, { ...options, repeatWindowMs: REPEAT_WINDOW_MS });
    await budget.heartbeat();
    return budget;
  };
  return {
    db,
    clock,
    gateway,
    wait: async (ms: number) => clock.pass(ms),
    close: async () => {},
  } satisfies StoreHouse & {
    db: DatabaseSync;
    clock: TurnedClock;
  };
}
