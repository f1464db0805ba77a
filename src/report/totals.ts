// What was spent in one group of purchases, exact to the micro-unit.
import type { Micros } from '../domain/money.ts';

/** Sums of one group. Amounts are what the budgets count: fees are part of them, and stated apart. */
export interface Totals {
  readonly settled: Micros;
  /** The part of `settled` that was fees. */
  readonly settledFees: Micros;
  /** Payments that were taken. */
  readonly payments: bigint;
  /** Held for payments of which nobody can say yet whether they were taken. */
  readonly uncertain: Micros;
  /** The part of `uncertain` that would be fees. */
  readonly uncertainFees: Micros;
  readonly uncertainPayments: bigint;
  /** The largest settled payment, fees included; null when there is none. */
  readonly largest: Micros | null;
}

export const NOTHING: Totals = {
  settled: 0n,
  settledFees: 0n,
  payments: 0n,
  uncertain: 0n,
  uncertainFees: 0n,
  uncertainPayments: 0n,
  largest: null,
};

/** Both together. */
export function plus(left: Totals, right: Totals): Totals {
  return {
    settled: left.settled + right.settled,
    settledFees: left.settledFees + right.settledFees,
    payments: left.payments + right.payments,
    uncertain: left.uncertain + right.uncertain,
    uncertainFees: left.uncertainFees + right.uncertainFees,
    uncertainPayments: left.uncertainPayments + right.uncertainPayments,
    largest: larger(left.largest, right.largest),
  };
}

/** Settled ÷ payments, rounded once to the nearest micro-unit, a half upwards; null when there are none. */
export function average({ settled, payments }: Totals): Micros | null {
  return payments === 0n ? null : (2n * settled + payments) / (2n * payments);
}

function larger(left: Micros | null, right: Micros | null): Micros | null {
  if (left === null || right === null) return left ?? right;
  return left > right ? left : right;
}
