// What all gateways of one store must agree on, as comparable text, and what to say when they do not.
import type { Window } from '../domain/hold.ts';
import type { StoreTerms } from './budget.ts';
import type { Term } from './store.ts';

/** The layout of what a store holds; another one is another product version's. */
const SCHEMA = '1';

/** The terms as fields that a store can record and compare. */
export function termsOf(terms: StoreTerms): Term[] {
  const budgets = terms.budgets.map(({ budget, window, per }) => ({
    field: `budget:${budget}`,
    value: `${windowText(window)} per ${per}`,
  }));
  return [
    { field: 'schema', value: SCHEMA },
    { field: 'currency', value: terms.currency },
    { field: 'time zone', value: terms.timeZone },
    ...budgets,
  ];
}

/** One sentence for each term that differs from its record. */
export function differences(
  fields: readonly Term[],
  differing: readonly { field: string; recorded: string }[],
): string[] {
  return differing.map(({ field, recorded }) => {
    const value = fields.find((one) => one.field === field)?.value;
    const budget = field.startsWith('budget:') ? field.slice('budget:'.length) : undefined;
    if (budget !== undefined) {
      return (
        `budget ${JSON.stringify(budget)} counts ${value} here, but ${recorded} in the budget store: ` +
        'keep that, or give the budget another id'
      );
    }
    return `${field} is ${value} here, but ${recorded} in the budget store: keep that, or use another store`;
  });
}

function windowText(window: Window): string {
  return window.kind === 'rolling' ? `rolling ${window.lengthMs}ms` : window.kind;
}
