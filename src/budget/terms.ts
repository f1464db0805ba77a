// What all gateways of one store must agree on, as comparable text, and what to say when they do not.
import type { Window } from '../domain/hold.ts';
import type { StoreTerms } from './budget.ts';
import type { Term } from './store.ts';

/** The layout of what a store holds; another one is another product version's. */
const SCHEMA = '2';

/** Gateways with different keys would not know each other's claims: one purchase could be paid at each of them. */
const KEY = 'key of claims';

/** The terms as fields that a store can record and compare; `keyMark` tells the key of claims from another one. */
export function termsOf(terms: StoreTerms, keyMark: string): Term[] {
  const budgets = terms.budgets.map(({ budget, window, per }) => ({
    field: `budget:${budget}`,
    value: `${windowText(window)} per ${per}`,
  }));
  return [
    { field: 'schema', value: SCHEMA },
    { field: 'currency', value: terms.currency },
    { field: 'time zone', value: terms.timeZone },
    { field: KEY, value: keyMark },
    ...budgets,
  ];
}

/** One sentence for each term that differs from its record. */
export function differences(
  fields: readonly Term[],
  differing: readonly { field: string; recorded: string }[],
): string[] {
  return differing.map(({ field, recorded }) => {
    if (field === KEY) {
      return (
        `the ${KEY} (budgets.redis.key) is another one than the budget store was used with: ` +
        'give every gateway of a store the same, or use another store'
      );
    }
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

/** The windows of budgets, by their ids, as recorded terms give them; what cannot be read is left out. */
export function windowsOf(terms: readonly Term[]): Map<string, Window> {
  const found = new Map<string, Window>();
  for (const { field, value } of terms) {
    const budget = /^budget:(.*)$/s.exec(field)?.[1];
    const [, kind, length] = /^(?:(hour|day|week|month|year|total)|rolling (\d{1,16})ms) per /.exec(value) ?? [];
    if (budget === undefined) continue;
    if (length !== undefined) found.set(budget, { kind: 'rolling', lengthMs: Number(length) });
    else if (kind !== undefined) found.set(budget, { kind: kind as Exclude<Window['kind'], 'rolling'> });
  }
  return found;
}

function windowText(window: Window): string {
  return window.kind === 'rolling' ? `rolling ${window.lengthMs}ms` : window.kind;
}
