// What became of a proof, as the books of its rail tell it. Looking asks and never pays: a proof is not sent again.
import type { RailPayment } from '../domain/hold.ts';

/** A payment whose proof may be out, named as its `intended` receipt names it. */
export interface ExposedProof extends RailPayment {
  /** No proof existed before this; milliseconds since 1970. */
  readonly heldAt: number;
  /** No proof can be redeemed after this; milliseconds since 1970, a whole second. */
  readonly redeemableUntil: number;
}

/** A block that the evidence stands in. */
export interface EvidenceBlock {
  readonly number: bigint;
  readonly hash: string;
}

/** What one look-up found. */
export interface Evidence {
  /**
   * `redeemed`: exactly this payment was made. `dead`: it was not, and never can be. `unknown`: neither is shown, and
   * the money stays where it is.
   */
  readonly verdict: 'redeemed' | 'dead' | 'unknown';
  /** What cannot be, such as another amount or books that contradict each other: somebody has to look. */
  readonly alarming: boolean;
  /** What was seen, for people: one clause in our own words, no foreign text and no secret. */
  readonly seen: string;
  /** What the receipt of the outcome refers to: a transaction, a nonce, or what was seen; null when unknown. */
  readonly reference: string | null;
  readonly block: EvidenceBlock | null;
}

/** Where the books of a rail are read. */
export interface EvidenceSource {
  /** The name of the rail, for counters. */
  readonly rail: 'evm' | 'sandbox';
  /** Looks once; ends soon after the signal is aborted. Never throws: what cannot be read is `unknown`. */
  evidence(proof: ExposedProof, signal: AbortSignal): Promise<Evidence>;
}

/** Nothing is shown either way. */
export function unknown(seen: string, block: EvidenceBlock | null = null): Evidence {
  return { verdict: 'unknown', alarming: false, seen, reference: null, block };
}

/** Something is shown that cannot be. */
export function alarming(seen: string, block: EvidenceBlock | null = null): Evidence {
  return { verdict: 'unknown', alarming: true, seen, reference: null, block };
}

/** How far the books' clock may differ from the gateway's, in milliseconds. */
export const CLOCK_SKEW_MS = 60_000;
