// The append-only log of what the gateway did. A sealed receipt is durable before its promise resolves.

import type { Receipt, ReceiptEntry, ReceiptKind, Sealed } from '../domain/receipt.ts';
import type { RefusalCode } from '../domain/refusal.ts';
import type { Cosignature, StoredCheckpoint } from './checkpoints.ts';
import type { Rolled } from './roll.ts';

/** The receipt log of this gateway. */
export interface Ledger {
  /** The log's name, the prefix of every id. */
  readonly log: string;
  /**
   * Appends, signs and syncs; receipts sealed in one turn share one sync. Throws GatewayFault('ledger_unavailable')
   * when it is not durable: then nothing was appended and the same entry may be tried again. `intended` and outcomes
   * (`settled`, `voided`, `uncertain`, `resolved`) must carry `hold` and `exchange`; an entry of the wrong shape is a
   * mistake of the caller and throws a TypeError.
   */
  seal(entry: ReceiptEntry): Promise<Sealed>;
  /** The number of the newest receipt that is durable; 0 when there is none. */
  newest(): number;
  /** Can outcomes still be written? False after a failed write (until one works again) and below the disk reserve. */
  ready(): boolean;
  /** Why not, and what to do, in a few words for everybody; null when they can. */
  trouble(): string | null;
  /** One receipt by its id, or undefined. */
  find(id: string): Promise<Sealed | undefined>;
  /** All receipts of one exchange, in order. */
  ofExchange(exchange: string): Promise<Sealed[]>;
  /** Receipts that match, newest first unless `ascending`; at most `limit` (100 unless told, 1,000 at most). */
  list(filter: ReceiptFilter): Promise<Sealed[]>;
  /** Which of these holds an `intended` receipt names. */
  intended(holds: readonly { readonly id: string; readonly exchange: string }[]): Promise<string[]>;
  /** What recovery has to finish, oldest first. */
  unfinished(): Promise<Unfinished>;
  /**
   * Seals the end of purchases of which only the intent is sealed, all or none; answers what was sealed, in their
   * order. It may be tried again when it throws, with what is unfinished then.
   */
  endIntents(end: IntentsEnd): Promise<readonly Sealed[]>;
  /** The budget store has taken the outcomes with these sequence numbers: they need not be applied again. */
  applied(...seqs: readonly number[]): Promise<void>;
  /** The HMAC (hex) of a query or body hash under the key that stays in the state folder. */
  mask(text: string): string;
  /** The public log keys as a JWKS, each with the log and the `seq` of the first receipt that it signs. */
  keys(): { keys: Record<string, unknown>[] };
  /**
   * Makes a new log key and seals, under the old one, that it takes over; the old private key is destroyed. Throws
   * GatewayFault('ledger_unavailable') when it is not durable: then the old key goes on, or a retry finishes it.
   */
  rotateKey(rotation: { readonly by: string; readonly because: string }): Promise<Sealed>;
  /**
   * A signed checkpoint of all that is sealed: a new one when something was sealed since the last. Null without
   * receipts.
   */
  checkpoint(): Promise<StoredCheckpoint | null>;
  /** The size of the newest checkpoint each witness has cosigned, by its name. */
  witnessed(): Promise<Readonly<Record<string, number>>>;
  /** The consistency proof from the tree of `from` receipts to that of `to`, as C2SP writes hashes. */
  grown(sizes: { readonly from: number; readonly to: number }): Promise<readonly string[]>;
  /**
   * Moves a few of the oldest receipts into a segment, when there are more than belong into the database; to be called
   * again while there is `more`. What it says of a failure is for people, and nothing was moved then.
   */
  roll(): Promise<Rolled>;
  /** Keeps a witness's line under the checkpoint of that size. */
  cosigned(cosignature: Cosignature): Promise<void>;
}

/** Purchases whose end is not sealed, or sealed but perhaps not known to the budget store. */
export interface Unfinished {
  /** `intended` receipts whose hold has no sealed outcome: a proof may exist. */
  readonly intents: readonly OpenIntent[];
  /** The latest outcome (`settled`, `voided`, `uncertain`, `resolved`) of each hold that was not marked as applied. */
  readonly outcomes: readonly Sealed[];
}

/** An `intended` receipt by its number, and the hold that it names. */
export interface OpenIntent {
  readonly hold: string;
  readonly seq: number;
}

/** How the purchases of these `intended` receipts ended: as receipts of this kind that say this code. */
export interface IntentsEnd {
  readonly seqs: readonly number[];
  readonly kind: 'uncertain' | 'voided';
  readonly code: RefusalCode;
}

/** What `receipts list` can select by; every given member must match. */
export interface ReceiptFilter {
  readonly kind?: ReceiptKind;
  readonly agent?: string;
  readonly owner?: string;
  readonly team?: string;
  readonly service?: string;
  /** The verified task, else the one the agent claimed. */
  readonly task?: string;
  readonly code?: string;
  readonly payee?: string;
  readonly trace?: string;
  readonly exchange?: string;
  /** Instants as receipts write them (UTC with milliseconds); `since` inclusive, `until` exclusive. */
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
  readonly ascending?: boolean;
}

export type { Receipt };
