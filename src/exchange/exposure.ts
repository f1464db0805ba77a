// Whether a proof may still be made for a hold that was exposed. It is asked without waiting, right before the proof is
// made and again right before it is sent: what was paused in between learns here that it is too late.
import type { Parts } from './parts.ts';

/** When and where a hold was exposed. */
export interface Exposure {
  /** The store's generation in which it was; null when there was none. */
  readonly generation: number | null;
  /** When the step was sent, by both clocks: one stands still while the machine sleeps, the other one may be set. */
  readonly monotonic: number;
  readonly now: number;
}

/** To be taken right before the step is sent. */
export function exposureNow({ budget, clock }: Pick<Parts, 'budget' | 'clock'>): Exposure {
  return { generation: budget.generation(), monotonic: clock.monotonic(), now: clock.now() };
}

/**
 * May a proof still be made? Not once the store is, or was, rebuilt: it then counts what receipts said a moment ago.
 * And not later than a hold's lease after the exposure: others may have given this gateway up by then.
 */
export function stands({ budget, clock, limits }: Pick<Parts, 'budget' | 'clock' | 'limits'>, exposure: Exposure) {
  const passed = Math.max(clock.monotonic() - exposure.monotonic, clock.now() - exposure.now);
  return budget.generation() !== null && budget.generation() === exposure.generation && passed < limits.holdLeaseMs;
}
