// Receipts against the budget store: every counter must be the sum of its receipts, every open hold must have a
// purchase without an end, and every such purchase its hold. What was under way meanwhile may be either. Pure.
import { formatMicros, type Micros } from '../domain/money.ts';
import type { Difference } from './difference.ts';
import { type Counts, NO_SUM, type Sum } from './line-sums.ts';
import type { Purchases } from './purchases.ts';

/** One budget as the store counts it. */
export interface StoreBudget {
  readonly id: string;
  readonly counts: Counts;
  /** Are lines that are not listed empty? */
  readonly whole: boolean;
  readonly lines: readonly StoreLine[];
}

/** One line of it: micro-units, and payments that are settled or held. */
export interface StoreLine {
  readonly scope: string;
  readonly settled: Micros;
  readonly held: Micros;
  readonly payments: number;
}

/** A hold that the store has open. */
export interface StoreHold {
  readonly id: string;
  /** `held`: no proof can be out, and it lapses by itself. */
  readonly state: 'held' | 'exposed' | 'uncertain';
  readonly amount: Micros;
  readonly heldAt: number;
  readonly places: readonly { readonly budget: string; readonly scope: string; readonly window: number }[];
}

/** Everything that is asked of the store. */
export interface StoreSide {
  readonly budgets: readonly StoreBudget[];
  readonly holds: readonly StoreHold[];
}

/** What came of it. */
export interface BudgetVerdict {
  readonly differences: readonly Difference[];
  readonly lines: number;
  /** Logs whose holds are open in the store, while their receipts were not read. */
  readonly missingLogs: readonly string[];
  /** Budgets that receipts name and the policies in force do not. */
  readonly goneBudgets: readonly string[];
  /** Budgets of which the store listed the fullest scopes only. */
  readonly partBudgets: readonly string[];
}

/** Compares what was read of both; `movingSince` as in {@link Purchases}. */
export function compareWithStore(purchases: Purchases, store: StoreSide, movingSince: number): BudgetVerdict {
  const missing = new Set<string>();
  const early: StoreHold[] = [];
  const differences = store.holds.flatMap((hold) => {
    const log = hold.id.slice(0, Math.max(0, hold.id.indexOf('.')));
    if (!purchases.logs.has(log)) missing.add(log);
    const isKnown = purchases.open.has(hold.id) || purchases.ended.has(hold.id);
    const isEarly = !isKnown && (hold.state === 'held' || hold.heldAt >= movingSince);
    if (isEarly) early.push(hold);
    return missing.has(log) || isEarly ? [] : judgeHold(purchases, hold);
  });
  for (const { places, amount } of early) purchases.sums.add(places, 'moving', amount);
  const held = new Set(store.holds.map(({ id }) => id));
  for (const [id, { purchase, moving }] of purchases.open) {
    if (held.has(id) || moving) continue;
    const receipts = `uncertain, ${formatMicros(purchase.amount)}`;
    differences.push(about('uncertain_not_held', id, purchase.receipt, receipts, 'not held'));
  }
  const known = new Set(store.budgets.map(({ id }) => id));
  const lines = store.budgets.flatMap((budget) => linesOf(purchases, budget));
  return {
    differences: [...differences, ...lines.flatMap(judgeLine)],
    lines: lines.length,
    missingLogs: [...missing].sort(),
    goneBudgets: purchases.sums.budgets().filter((id) => !known.has(id)),
    partBudgets: store.budgets.filter(({ whole }) => !whole).map(({ id }) => id),
  };
}

function judgeHold(purchases: Purchases, { id, state, amount }: StoreHold): Difference[] {
  const held = `${state}, ${formatMicros(amount)}`;
  const open = purchases.open.get(id)?.purchase;
  if (open && open.amount !== amount) {
    const receipts = `uncertain, ${formatMicros(open.amount)}`;
    return [about('hold_amount_differs', id, open.receipt, receipts, held)];
  }
  if (open) return [];
  const ended = purchases.ended.get(id);
  if (!ended) return [about('hold_without_receipt', id, null, 'nothing', held)];
  const { purchase, moving } = ended;
  return moving ? [] : [about('ended_but_held', id, purchase.receipt, purchase.end, held)];
}

interface Line {
  readonly about: string;
  readonly sum: Sum;
  readonly counted: Omit<StoreLine, 'scope'>;
}

const NOTHING = { settled: 0n, held: 0n, payments: 0 };

/** Every scope that either side counts something for; what the store did not list is compared only where that is 0. */
function linesOf({ sums }: Purchases, { id, counts, whole, lines }: StoreBudget): Line[] {
  const expected = sums.scopes(id, counts);
  const listed = new Map(lines.map((line) => [line.scope, line]));
  const unlisted = whole ? [...expected.keys()].filter((scope) => !listed.has(scope)) : [];
  return [...listed.keys(), ...unlisted].map((scope) => ({
    about: `${id} ${scope}`,
    sum: expected.get(scope) ?? NO_SUM,
    counted: listed.get(scope) ?? NOTHING,
  }));
}

function judgeLine({ about: line, sum, counted }: Line): Difference[] {
  const { settled, open, moving, payments, movingPayments } = sum;
  const fits =
    counted.settled >= settled &&
    counted.settled <= settled + moving &&
    counted.settled + counted.held >= settled + open &&
    counted.settled + counted.held <= settled + open + moving &&
    counted.payments >= payments &&
    counted.payments <= payments + movingPayments;
  if (fits) return [];
  const underWay = movingPayments === 0 ? '' : `, and up to ${formatMicros(moving)} of ${movingPayments} under way`;
  return [
    about(
      'counter_differs',
      line,
      null,
      `settled ${formatMicros(settled)}, held ${formatMicros(open)}, payments ${payments}${underWay}`,
      `settled ${formatMicros(counted.settled)}, held ${formatMicros(counted.held)}, payments ${counted.payments}`,
    ),
  ];
}

function about(
  kind: Difference['kind'],
  what: string,
  receipt: string | null,
  receipts: string,
  budgets: string,
): Difference {
  return { kind, about: what, receipt, receipts, budgets, rails: null };
}
