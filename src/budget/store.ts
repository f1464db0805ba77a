// What a medium (SQLite, Redis) has to do for a budget: each member is one atomic step. Steps carry hashed claims and
// window bounds that the caller worked out; a store compares the bounds with its own clock and never trusts them.
import type {
  Abandoned,
  Closing,
  ExposeOutcome,
  HoldOutcome,
  LineState,
  OpenHold,
  Purchase,
  RailPayment,
  Stop,
} from '../domain/hold.ts';
import type { Micros } from '../domain/money.ts';
import type { ClaimNames } from './claims.ts';

/** A gateway that is silent for this long counts as one whose agents have left; milliseconds. */
export const HEARD_MS = 2_000;
/**
 * A process that was silent for this long is not taken for one that runs beside another one of its log; milliseconds.
 * Heartbeats come every 500.
 */
export const SILENT_MS = 1_200;
/** A purchase that a rebuild found open counts as under way this long, while its gateway is heard; milliseconds. */
export const RESTORED_RUNS_MS = 130_000;
/** More than this between the store's clock and the gateway's and nothing is moved; milliseconds. */
export const MAX_SKEW_MS = 60_000;
/** An Idempotency-Key stays claimed this long after its hold's end; milliseconds. */
export const KEY_STAYS_MS = 24 * 3_600_000;
/** Challenge ids and rail identities stay claimed this long past `redeemableUntil`; milliseconds. */
export const IDENTITY_STAYS_MS = 3_600_000;
/**
 * Counters of a calendar window are kept this long after its end, so that late outcomes still find them; milliseconds.
 */
export const COUNTER_STAYS_MS = 40 * 24 * 3_600_000;
/** What is left of a hold that was released, so that a step which arrives late finds it ended; milliseconds. */
export const RELEASED_STAYS_MS = 600_000;
/** An abandoned hold is handed out half as long after as its proof is dead; ms at least and at most. */
export const ABANDONED_LOOK_MS = 60_000;
export const ABANDONED_WAIT_MS = 600_000;
/** What is left of a hold whose answer was delivered whole, for steps that come twice; milliseconds. */
export const WHOLE_STAYS_MS = 60_000;
/** Lapsed holds swept by each hold's step, and by each heartbeat. */
export const SWEEP = { hold: 4, beat: 200 } as const;

/** The window of a line as the caller sees it: a calendar window, or a rolling one in parts. */
export type LineWindow =
  | { readonly kind: 'calendar'; readonly start: number; readonly end: number | null }
  | { readonly kind: 'rolling'; readonly lengthMs: number; readonly partMs: number };

/** One line of a hold. No two lines of one step share budget and scope. */
export interface LineStep {
  readonly budget: string;
  readonly scope: string;
  readonly window: LineWindow;
  readonly limitMicros: Micros;
  readonly limitPayments: number | null;
}

/** What the hold's step is given. `run` names this life of this gateway in heartbeats. */
export interface HoldStep {
  readonly id: string;
  readonly exchange: string;
  readonly micros: Micros;
  readonly lines: readonly LineStep[];
  readonly agent: string;
  readonly service: string;
  readonly wallet: string;
  readonly names: ClaimNames;
  readonly saysRetry: boolean;
  readonly payment: RailPayment;
  readonly redeemableUntil: number;
  readonly unsettledLimit: number;
  readonly leaseMs: number;
  readonly run: string;
}

/** What one line's counters say. `newest` is the newest part of a rolling window that counts anything. */
export interface Counted {
  readonly windowStart: number;
  readonly newest: number;
  readonly settled: Micros;
  readonly held: Micros;
  readonly payments: number;
}

/** The store's time lies outside a window that was sent: compute the windows at `now` and ask again. */
export interface Again {
  readonly kind: 'again';
  readonly now: number;
}

/** The hold's answer; counters instead of line states, which the caller completes. */
export type HoldAnswer =
  | Exclude<HoldOutcome, { kind: 'held' } | { kind: 'exceeded' }>
  | { readonly kind: 'held'; readonly counted: readonly Counted[] }
  | {
      readonly kind: 'exceeded';
      readonly line: number;
      readonly what: 'amount' | 'payments';
      readonly counted: readonly Counted[];
    }
  | Again;

/** How a hold ends. `freed` is voided, and the purchase may be made anew; `released` was never more than held. */
export type EndAs = 'released' | 'settled' | 'voided' | 'freed';

/** A budget store's steps. Each is atomic, and throws with nothing changed or, when its reply was lost, unknown. */
export interface Store {
  hold(step: HoldStep): Promise<HoldAnswer>;
  expose(step: { readonly hold: string; readonly runForMs: number }): Promise<ExposeOutcome>;
  /**
   * Does nothing for a hold that has ended; `released` leaves a mark for an unknown one, so that it can never be made.
   */
  end(step: { readonly hold: string; readonly as: EndAs }): Promise<void>;
  /** Each by itself; when it throws, some may have been closed. */
  close(step: { readonly closings: readonly Closing[] }): Promise<void>;
  leave(step: { readonly hold: string }): Promise<void>;
  lookUp(step: Pick<ClaimNames, 'key' | 'repeat'>): Promise<Purchase | undefined>;
  beat(step: { readonly run: string }): Promise<void>;
  lines(step: {
    readonly lines: readonly LineStep[];
  }): Promise<Again | { kind: 'counted'; counted: readonly Counted[] }>;
  scopes(step: {
    readonly line: Omit<LineStep, 'scope'>;
    readonly most: number;
  }): Promise<Again | { kind: 'scopes'; scopes: readonly (Counted & { readonly scope: string })[] }>;
  openHolds(step: { readonly log: string | null; readonly known?: ReadonlySet<string> }): Promise<OpenHold[]>;
  takeAbandoned(step: { readonly afterMs: number; readonly most: number }): Promise<Abandoned[]>;
  released(step: { readonly holds: readonly string[] }): Promise<string[]>;
  spokenFor(step: null): Promise<string[]>;
  stop(step: Omit<Stop, 'at'>): Promise<void>;
  start(step: Pick<Stop, 'kind' | 'id'>): Promise<boolean>;
  stops(step: null): Promise<Stop[]>;
  /** Compares fields with their record and answers those that differ; without any, records what is new. */
  agree(step: { readonly fields: readonly Term[] }): Promise<{ readonly field: string; readonly recorded: string }[]>;
  ping(step: null): Promise<void>;
}

/** The step certainly did not happen: it was refused, rolled back, or never sent. */
export class NotDone extends Error {}

/** One term that all gateways of a store must agree on, as canonical text. */
export interface Term {
  readonly field: string;
  readonly value: string;
}

/** The steps' names, for media that are asked by name. */
export type StepName = keyof Store;

/** A line's state in the words of the domain. */
export function lineState(line: LineStep, counted: Counted): LineState {
  const { window } = line;
  return {
    budget: line.budget,
    scope: line.scope,
    limitMicros: line.limitMicros,
    settledMicros: counted.settled,
    heldMicros: counted.held,
    limitPayments: line.limitPayments,
    payments: counted.payments,
    windowStart: counted.windowStart,
    resetsAt: window.kind === 'rolling' ? counted.newest + window.partMs + window.lengthMs : window.end,
  };
}
