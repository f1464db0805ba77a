// Time, randomness and identifiers are handed in, never reached for, so that a simulation can own them.

/** The gateway's own clock. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970 (UTC). */
  now(): number;
  /** A clock that only goes forward, in milliseconds from an arbitrary start. */
  monotonic(): number;
}

/** Where unpredictable bytes come from. */
export interface Random {
  /** `length` fresh, unpredictable bytes. */
  bytes(length: number): Uint8Array;
}
