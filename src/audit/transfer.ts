// The rail's side: what was really moved, by whoever keeps its books.
import type { Purchase } from './purchases.ts';

/** One payment that a rail's books have. */
export interface Transfer {
  /** The payment's name on its rail, whole or from its last colon on (the nonce). */
  readonly payment: string;
  readonly atoms: bigint;
  /** The asset's id. */
  readonly asset: string;
  /** As receipts have it. */
  readonly payee: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Where in the books it stands. */
  readonly where: string;
}

/** The books of one payee, or of one wallet on its chain. */
export interface Book {
  readonly name: string;
  readonly transfers: readonly Transfer[];
  /** What happened from then on is not in them yet; milliseconds since 1970. */
  readonly untilMs?: number;
  /** Would this purchase stand in these books, had it been taken? */
  covers(purchase: Purchase): boolean;
}
