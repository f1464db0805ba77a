// When a purchase counts. Pure: which days and months there are is told by whoever knows the time zone.
import type { Receipt } from '../domain/receipt.ts';

/** What is reported on: `since` inclusive, `until` exclusive, milliseconds since 1970; absent ends are open. */
export interface Period {
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

/** The days and months of the accounting time zone. */
export interface Days {
  /** The day an instant is in, as `2026-11-23`. */
  day(ms: number): string;
  /** When a month begins: the one the instant is in. */
  monthStart(ms: number): number;
}

/**
 * The most that may lie between a hold, by the store's clock, and its `intended`, by the gateway's: the time a hold may
 * wait before its proof, and how far the clocks may be apart.
 */
export const SKEW_MS = 120_000;

/**
 * The instant a purchase counts at: when its money was held, since budgets count it in that window for life. Receipts
 * say it by `intended`, sealed a moment later; where the month turned within that moment, the windows of the hold
 * itself decide. (A window that began with January is taken for the month's, though it may be the year's.)
 */
export function countedAt(receipt: Pick<Receipt, 'at' | 'hold'>, days: Days): number {
  const sealed = Date.parse(receipt.at);
  const windows = (receipt.hold?.budgets ?? []).map(({ window }) => Date.parse(window));
  const near = windows.filter((window) => window <= sealed + SKEW_MS);
  const latest = Math.max(...near, 0);
  // The store was ahead: it had opened a window that the gateway's clock had not reached.
  if (latest > sealed) return latest;
  const turn = days.monthStart(sealed);
  if (sealed - turn > SKEW_MS || latest >= turn) return sealed;
  const before = days.monthStart(turn - 1);
  return windows.includes(before) ? turn - 1 : sealed;
}

/** Is the instant in the period? */
export function within({ sinceMs, untilMs }: Period, ms: number): boolean {
  return (sinceMs === undefined || ms >= sinceMs) && (untilMs === undefined || ms < untilMs);
}

/** The period with room for {@link SKEW_MS} at both ends, to pass over receipts that cannot be in it. */
export function widened({ sinceMs, untilMs }: Period): Period {
  return {
    ...(sinceMs === undefined ? {} : { sinceMs: sinceMs - SKEW_MS }),
    ...(untilMs === undefined ? {} : { untilMs: untilMs + SKEW_MS }),
  };
}
