// One normalised way to pay what a service demands, whatever dialect it was written in.

/**
 * A challenge as it stood on the wire; its strings are echoed in the proof unchanged (draft-httpauth-payment,
 * Credentials).
 */
export interface Challenge {
  readonly dialect: 'mpp';
  readonly method: string;
  readonly intent: string;
  readonly id: string;
  readonly realm: string;
  /** The base64url `request` parameter, exactly as on the wire. */
  readonly request: string;
  /** The `expires` parameter as on the wire, and in milliseconds since 1970. */
  readonly expires: string | null;
  readonly expiresAt: number | null;
  readonly digest: string | null;
  readonly opaque: string | null;
  readonly description: string | null;
  /** Lower-case hex SHA-256 over the challenge's bytes as they stood in the header. */
  readonly hash: string;
}

/** A payable reading of one challenge. */
export interface Offer {
  readonly challenge: Challenge;
  /** `sandbox`, or CAIP-2 such as `eip155:8453`. */
  readonly network: string;
  /** The asset's canonical name on its network: a currency code, or a lower-case contract address. */
  readonly token: string;
  /** Greater than 0, below 10⁷⁸. */
  readonly atoms: bigint;
  /** Canonical on its network: an account name, or a lower-case address. */
  readonly payee: string;
  /** A rail-specific hint that the demand gave and our own asset table must agree with; absent ones are null. */
  readonly stated: { readonly decimals: number | null; readonly credentialTypes: readonly string[] | null };
}
