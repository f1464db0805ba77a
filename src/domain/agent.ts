// Who buys. An Identity is what a verified token says; an Agent is the register's entry for it.

/** What a verified identity token establishes. Nothing in it came from an unverified header. */
export interface Identity {
  readonly issuer: string;
  /** The token's agent claim (by default `sub`). */
  readonly subject: string;
  readonly jti: string | null;
  /** Seconds since 1970, from the token. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly task: string | null;
  /** The `act` chain (RFC 8693, section 4.1), outermost actor first; subjects only. */
  readonly actors: readonly string[];
}

/** A machine buyer of the register, as receipts name it. */
export interface Agent {
  readonly id: string;
  readonly owner: string;
  readonly team: string | null;
  readonly labels: Readonly<Record<string, string>>;
}
