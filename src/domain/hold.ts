// Money set aside for one purchase: what is asked of the budget store, and what it answers. Money states are
// held → exposed → settled | voided; exposed means that a redeemable proof may exist.
import type { Micros } from './money.ts';
import type { RefusalCode } from './refusal.ts';

/** How long a budget counts before it starts again at nothing. */
export type Window =
  | { readonly kind: 'hour' | 'day' | 'week' | 'month' | 'year' | 'total' }
  | { readonly kind: 'rolling'; readonly lengthMs: number };

/**
 * One budget for one scope: a line that a payment touches. The policy names it; only the store says whether it fits.
 */
export interface BudgetLine {
  readonly budget: string;
  readonly window: Window;
  /** The budget's `per` in its canonical text (`agent`, `agent,service`, `all`, …), recorded in the store. */
  readonly per: string;
  /** Whose line it is, readable and unambiguous: a canonical JSON array of the scope's values, `[]` for `all`. */
  readonly scope: string;
  readonly limitMicros: Micros;
  /** The most payments, or null when only the amount is limited. */
  readonly limitPayments: number | null;
}

/** The state of one line, read in the same atomic step as the decision about it (before the hold is added). */
export interface LineState {
  readonly budget: string;
  readonly scope: string;
  readonly limitMicros: Micros;
  readonly settledMicros: Micros;
  readonly heldMicros: Micros;
  readonly limitPayments: number | null;
  readonly payments: number;
  /**
   * Where the hold is (or would be) counted: the window's start, for `rolling` the part's; ms since 1970, 0 for
   * `total`.
   */
  readonly windowStart: number;
  /** When room returns at the latest of what is counted now, ms since 1970; null for `total`. */
  readonly resetsAt: number | null;
}

/** What identifies a purchase to its repeats. The store keeps keyed hashes of these, never the values. */
export interface PurchaseClaim {
  /** (issuer, subject) as a canonical JSON array. */
  readonly subject: string;
  /** The agent's Idempotency-Key, or null. */
  readonly key: string | null;
  /** SHA-256 in hex over service, method, target and body hash. */
  readonly fingerprint: string;
  /** The client says this is a retry (`X-Stainless-Retry-Count` above 0). */
  readonly saysRetry: boolean;
}

/** What is asked of the store in the one atomic step that sets money aside. */
export interface HoldRequest {
  /** Unique for ever; the step is idempotent by it. Starts with the log's name and a dot. */
  readonly id: string;
  readonly exchange: string;
  /** Fees included; 1 to MAX_MICROS. */
  readonly micros: Micros;
  readonly lines: readonly BudgetLine[];
  readonly agent: string;
  readonly service: string;
  readonly wallet: string;
  readonly claim: PurchaseClaim;
  /** (service, challenge id) and the payment's name on its rail: neither is ever paid twice. */
  readonly challengeId: string;
  readonly payment: RailPayment;
  /** No proof of this hold can be redeemed after this; ms since 1970. */
  readonly redeemableUntil: number;
  /** At this many unsettled holds of the subject at the service the pair is paused. */
  readonly unsettledLimit: number;
  /** A hold not exposed within this many milliseconds lapses. */
  readonly leaseMs: number;
}

/** Under what the books of a rail list a payment, so that also another gateway can look for what became of it. */
export interface RailPayment {
  /** `sandbox`, or CAIP-2 of an EVM chain. */
  readonly network: string;
  /** The payment's name on its rail, as its wallet gave it. */
  readonly identity: string;
  readonly payee: string;
  /** Of the asset, in its smallest unit. */
  readonly atoms: bigint;
}

/** A purchase that an earlier request made, as its claim tells a repeat of it. */
export interface Purchase {
  readonly hold: string;
  readonly exchange: string;
  readonly state: 'held' | 'exposed' | 'settled' | 'voided';
  /** Its request is still under way, by the store's clock and its gateway's heartbeat. */
  readonly running: boolean;
  /** Is the request that asks equal to the one that made the purchase? Only ever false for an Idempotency-Key. */
  readonly sameRequest: boolean;
  readonly micros: Micros;
  readonly redeemableUntil: number;
  /** How its request ended, and what it ended with; null while it runs or when it was lost in a crash. */
  readonly ending: Ending | null;
}

/** How the request of an exposed purchase ended; kept with the hold for its repeats. */
export interface Ending {
  /** The problem its agent was answered with; null when an answer of the service was relayed. */
  readonly code: RefusalCode | null;
  readonly upstreamStatus: number | null;
  /** The latest receipt of the purchase. */
  readonly receipt: string;
}

/** The end of the request of one hold; `whole`: its agent has the answer whole. */
export interface Closing {
  readonly hold: string;
  readonly ending: Ending;
  readonly whole: boolean;
}

/** An operator's order that no new payment be made for what it names. */
export interface Stop {
  readonly kind: 'agent' | 'service' | 'wallet' | 'all';
  /** The id that is stopped; `*` for `all`. */
  readonly id: string;
  readonly because: string;
  readonly by: string;
  /** Milliseconds since 1970, by the store's clock. */
  readonly at: number;
}

/** What the hold's step answers. Only `held` set money aside; everything else changed nothing. */
export type HoldOutcome =
  | { readonly kind: 'held'; readonly lines: readonly LineState[] }
  | {
      readonly kind: 'exceeded';
      readonly line: number;
      readonly what: 'amount' | 'payments';
      readonly lines: readonly LineState[];
    }
  | { readonly kind: 'repeat'; readonly purchase: Purchase }
  | { readonly kind: 'challenge_taken' }
  | { readonly kind: 'identity_taken' }
  | { readonly kind: 'paused'; readonly unsettled: number }
  | { readonly kind: 'stopped'; readonly stop: Stop };

/** What the expose step answers. Unless `exposed`, no proof may be made and the hold is already released. */
export type ExposeOutcome =
  | { readonly kind: 'exposed' }
  | { readonly kind: 'lapsed' }
  | { readonly kind: 'stopped'; readonly stop: Stop };

/** A hold as operators see it. */
export interface OpenHold {
  readonly id: string;
  readonly exchange: string;
  /** `uncertain`: exposed, and its request has ended. */
  readonly state: 'held' | 'exposed' | 'uncertain';
  readonly agent: string;
  readonly service: string;
  readonly wallet: string;
  readonly micros: Micros;
  readonly heldAt: number;
  readonly redeemableUntil: number;
  readonly lines: readonly { readonly budget: string; readonly scope: string; readonly windowStart: number }[];
  readonly ending: Ending | null;
  /** What its proof pays, where several gateways share the store; alone, the log of the one gateway says so. */
  readonly payment: RailPayment | null;
}

/** An uncertain hold whose gateway is away. It is handed out again at `againAt`; ms since 1970. */
export interface Abandoned {
  readonly hold: OpenHold;
  readonly payment: RailPayment;
  readonly againAt: number;
}
