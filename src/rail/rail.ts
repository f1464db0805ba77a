// A way to move money. A rail names the payment before it makes the proof, makes it once, and holds the wallet's key.
import type { Offer } from '../domain/offer.ts';

/** A payment that has a name on its rail but no proof yet. */
export interface PlannedPayment {
  readonly offer: Offer;
  /** The payment's name on its rail (payer and nonce): what a book of the rail would list it under. */
  readonly identity: string;
  /** Milliseconds since 1970, a whole second; no proof can be redeemed after this. */
  readonly redeemableUntil: number;
  /** What the rail needs to make exactly this payment; public values only. */
  readonly nonce: string;
}

/** What goes to the service. It is money: never logged, stored or shown. */
export interface Proof {
  /** The method-specific `payload` of the credential (draft-httpauth-payment, Credentials). */
  readonly payload: Readonly<Record<string, unknown>>;
  /** The `source` of the credential, when the method has one. */
  readonly source: string | null;
}

/** An asset as the operator's own table defines it. */
export interface RailAsset {
  readonly id: string;
  readonly network: string;
  readonly token: string;
  readonly decimals: number;
  readonly eip712: { readonly name: string; readonly version: string } | null;
}

/** Whether a wallet can pay an offer; when not, the refusal that says why. */
export type PayableOutcome =
  | true
  | { readonly code: 'rail_unavailable' | 'challenge_unsupported' | 'challenge_mismatch'; readonly detail: string };

/** One funded wallet on one rail. */
export interface Wallet {
  readonly id: string;
  /** The payment methods it can answer, as `method/intent` (for Accept-Payment). */
  readonly answers: readonly string[];
  /** Can this wallet pay this offer? Judged on the operator's own asset table, before any hold. */
  payable(offer: Offer, asset: RailAsset): PayableOutcome;
  /**
   * Names the payment; pure but for randomness. `nowMs` bounds its life: the earlier of the challenge's expiry and
   * now + proofLifetime, cut to a whole second, so that it may already lie behind `nowMs`: refuse it then.
   */
  plan(offer: Offer, nowMs: number): PlannedPayment;
  /** Makes the proof: from here on money can move. Throws GatewayFault('rail_unavailable') when none was made. */
  prove(payment: PlannedPayment, asset: RailAsset): Promise<Proof>;
}
