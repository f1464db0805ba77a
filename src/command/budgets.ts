// `purser budgets`: each budget line with its limit, what is settled, held and left, and when it resets.
import { asOperator, type OrderOptions } from './as-operator.ts';
import type { Io } from './io.ts';
import { spokenForText } from './spoken-for.ts';
import { table, visible } from './table.ts';

/** Prints the budgets of the policy in force; exit code 0, or 1 when they could not be read. */
export function budgets(options: OrderOptions, io: Io): Promise<number> {
  return asOperator(options, io, async (operator) => {
    const { budgets: all, spokenFor } = await operator.budgets();
    if (options.json) {
      io.out(`${visible(JSON.stringify({ budgets: all, spokenFor }))}\n`);
      return 0;
    }
    const rows = all.flatMap((budget) => {
      const name = [visible(budget.id), visible(budget.per), visible(budget.window)];
      if (budget.scopes.length === 0) return [[...name, 'nothing spent', budget.limit, '', '', budget.limit, '', '']];
      return budget.scopes.map((line) => [
        ...name,
        visible(line.scope),
        line.limit,
        line.settled,
        line.held,
        line.left,
        budget.payments === null ? String(line.payments) : `${line.payments} of ${budget.payments}`,
        line.resetsAt ?? 'never',
      ]);
    });
    io.out(table(rows, HEADER));
    io.err(spokenForText(spokenFor));
    return 0;
  });
}

const HEADER = ['budget', 'per', 'window', 'scope', 'limit', 'settled', 'held', 'left', 'payments', 'resets'];
