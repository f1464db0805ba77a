// The embedded budget: the gateway's side of the store that lives in the state thread. The event loop never waits for
// the database.
import type { Budget } from './budget.ts';
import type { StepName, Store } from './store.ts';
import { type BudgetOptions, StoreBudget } from './store-budget.ts';

/** Asks the state thread to run one of its operations; rejects when it threw, and then nothing was changed. */
export interface StateCaller {
  call<T>(operation: string, argument: unknown): Promise<T>;
}

/** A budget whose steps are the operations `budget.<step>` (embedded-operations.ts) of the state thread. */
export function embeddedBudget(thread: StateCaller, options: BudgetOptions): Budget {
  return new StoreBudget(stepsOf(thread), options);
}

function stepsOf(thread: StateCaller): Store {
  const step =
    <Name extends StepName>(name: Name) =>
    (argument: Parameters<Store[Name]>[0]): Promise<Awaited<ReturnType<Store[Name]>>> =>
      thread.call(`budget.${name}`, argument);
  return {
    hold: step('hold'),
    expose: step('expose'),
    end: step('end'),
    close: step('close'),
    leave: step('leave'),
    lookUp: step('lookUp'),
    beat: step('beat'),
    lines: step('lines'),
    scopes: step('scopes'),
    openHolds: step('openHolds'),
    stop: step('stop'),
    start: step('start'),
    stops: step('stops'),
    agree: step('agree'),
    ping: step('ping'),
  };
}
