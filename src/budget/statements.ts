// What gateways say of their spending to each other, as text: totals of lines, for the day that one does not come.
import type { AccountTotal } from '../domain/account.ts';

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
