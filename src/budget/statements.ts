// What gateways say of their spending to each other, as text: totals of lines, for the day that one does not come.
import type { AccountTotal } from '../domain/account.ts';
import { formatMicros } from '../domain/money.ts';

/** Totals as a statement, what is held as settled; equal for equal totals in one order. */
export function statementOf(totals: readonly AccountTotal[]): string {
  return JSON.stringify(
    totals.map((one) => [one.budget, one.scope, one.windowStart, `${one.settled + one.held}`, one.payments]),
  );
}

/** Reads a statement. Throws when it is none. */
export function totalsOf(statement: string): AccountTotal[] {
  const lines = JSON.parse(statement) as [string, string, number, string, number][];
  return lines.map(([budget, scope, windowStart, settled, payments]) => ({
    ...{ budget, scope, windowStart, settled: BigInt(settled), held: 0n, payments },
  }));
}

/** What a statement comes to, for people: the sum of each budget's scopes and windows. */
export function spentText(statement: string): string {
  const sums = new Map<string, bigint>();
  for (const { budget, settled } of totalsOf(statement)) sums.set(budget, (sums.get(budget) ?? 0n) + settled);
  if (sums.size === 0) return 'nothing';
  return [...sums].map(([budget, micros]) => `${formatMicros(micros)} in ${budget}`).join(', ');
}
