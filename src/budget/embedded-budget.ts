// The embedded budget: the gateway's side of the store that lives in the state thread. The event loop never waits for
// the database.
import type { StateAccess } from '../domain/operations.ts';
import type { Budget } from './budget.ts';
import { NotDone, type StepName, type Store } from './store.ts';
import { type BudgetOptions, StoreBudget } from './store-budget.ts';

/** A budget whose steps are the operations `budget.<step>` (embedded-operations.ts) of the state thread. */
export function embeddedBudget(thread: Pick<StateAccess, 'call'>, options: BudgetOptions): Budget {
  return new StoreBudget(stepsOf(thread), options);
}

function stepsOf(thread: Pick<StateAccess, 'call'>): Store {
  const step =
    <Name extends StepName>(name: Name) =>
    async (argument: Parameters<Store[Name]>[0]): Promise<Awaited<ReturnType<Store[Name]>>> => {
      try {
        return await thread.call<Awaited<ReturnType<Store[Name]>>>(`budget.${name}`, argument);
      } catch (cause) {
        // Whatever the thread rejects was rolled back.
        throw new NotDone(cause instanceof Error ? cause.message : String(cause), { cause });
      }
    };
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
    takeAbandoned: step('takeAbandoned'),
    released: step('released'),
    stop: step('stop'),
    start: step('start'),
    spokenFor: step('spokenFor'),
    stops: step('stops'),
    agree: step('agree'),
    ping: step('ping'),
  };
}
