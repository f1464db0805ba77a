// What purchases come to on each budget line, window by window. Pure.
import type { Micros } from '../domain/money.ts';

/** Where a hold is counted. */
export interface Place {
  readonly budget: string;
  readonly scope: string;
  /** When its window, or its part of a rolling one, begins; milliseconds since 1970. */
  readonly window: number;
}

/** Micro-units and payments. `moving` may be in either of the others, or in none yet. */
export interface Sum {
  readonly settled: Micros;
  readonly open: Micros;
  readonly moving: Micros;
  /** Payments that are settled or open. */
  readonly payments: number;
  readonly movingPayments: number;
}

export const NO_SUM: Sum = { settled: 0n, open: 0n, moving: 0n, payments: 0, movingPayments: 0 };

/** Is a window counted now: surely, perhaps, or not at all? */
export type Counts = (window: number) => 'yes' | 'perhaps' | 'no';

/** Sums by budget, scope and window. */
export class LineSums {
  readonly #budgets = new Map<string, Map<string, Map<number, Sum>>>();

  /** Adds one payment to each place. */
  add(places: readonly Place[], as: 'settled' | 'open' | 'moving', micros: Micros): void {
    for (const { budget, scope, window } of places) {
      const scopes = this.#budgets.get(budget) ?? new Map<string, Map<number, Sum>>();
      const windows = scopes.get(scope) ?? new Map<number, Sum>();
      windows.set(window, plus(windows.get(window) ?? NO_SUM, one(as, micros)));
      scopes.set(scope, windows);
      this.#budgets.set(budget, scopes);
    }
  }

  /** Every budget that a purchase was counted in. */
  budgets(): string[] {
    return [...this.#budgets.keys()];
  }

  /** The sum of each scope over the windows that count; scopes without any are left out. */
  scopes(budget: string, counts: Counts): Map<string, Sum> {
    const sums = new Map<string, Sum>();
    for (const [scope, windows] of this.#budgets.get(budget) ?? []) {
      for (const [window, sum] of windows) {
        const counted = counts(window);
        if (counted === 'no') continue;
        sums.set(scope, plus(sums.get(scope) ?? NO_SUM, counted === 'yes' ? sum : allMoving(sum)));
      }
    }
    return sums;
  }
}

function one(as: 'settled' | 'open' | 'moving', micros: Micros): Sum {
  if (as === 'moving') return { ...NO_SUM, moving: micros, movingPayments: 1 };
  return { ...NO_SUM, [as]: micros, payments: 1 };
}

function plus(left: Sum, right: Sum): Sum {
  return {
    settled: left.settled + right.settled,
    open: left.open + right.open,
    moving: left.moving + right.moving,
    payments: left.payments + right.payments,
    movingPayments: left.movingPayments + right.movingPayments,
  };
}

const allMoving = ({ settled, open, moving, payments, movingPayments }: Sum): Sum => ({
  ...NO_SUM,
  moving: settled + open + moving,
  movingPayments: payments + movingPayments,
});
