// Reading the receipt log from another process while the gateway runs. It never writes.
import type { DatabaseSync } from 'node:sqlite';
import type { TreeHash } from '../domain/merkle.ts';
import type { Sealed } from '../domain/receipt.ts';
import { type DatedKey, type Head, NO_HASH } from './chain.ts';
import { bestCheckpoint, type StoredCheckpoint } from './checkpoints.ts';
import type { ReceiptFilter } from './ledger.ts';
import { datedKeys } from './log-keys.ts';
import {
  type ChainPart,
  chainInRange,
  receiptAt,
  type SeqRange,
  type StoredReceipt,
  sealedOf,
  selectReceipts,
  seqOfId,
  seqRange,
  storedInRange,
} from './query.ts';
import { closeSegments } from './segments.ts';
import { headOf, kidOf, logName } from './tables.ts';
import { LogTree } from './tree.ts';

/** A read-only view of a log. */
export class LedgerReader {
  readonly log: string;
  readonly #db: DatabaseSync;

  /** Over a database that was opened for reading, and that this reader closes. */
  constructor(db: DatabaseSync) {
    this.#db = db;
    this.log = logName(db);
  }

  /** The receipts that match, newest first unless `ascending`; streamed, all of them unless `limit` says less. */
  *iterate(filter: ReceiptFilter): Generator<Sealed> {
    for (const stored of selectReceipts(this.#db, filter)) yield sealedOf(stored);
  }

  /** One receipt by its id, or undefined. */
  find(id: string): Sealed | undefined {
    const seq = seqOfId(this.log, id);
    const stored = seq === undefined ? undefined : receiptAt(this.#db, seq);
    return stored && sealedOf(stored);
  }

  /** The smallest unbroken run that holds every receipt with `since` ≤ at < `until`; empty when first > last. */
  range(times: Pick<ReceiptFilter, 'since' | 'until'>): SeqRange {
    return seqRange(this.#db, times);
  }

  /** The receipts of a run as they are stored, in order, streamed. */
  stored(range: SeqRange): Generator<StoredReceipt> {
    return storedInRange(this.#db, range);
  }

  /** The bytes and hashes of a run in order, streamed. */
  chain(range: SeqRange): Generator<ChainPart> {
    return chainInRange(this.#db, range);
  }

  /** The place in the chain of one receipt; the empty chain's for 0. */
  headAt(seq: number): Head {
    return { seq, hash: receiptAt(this.#db, seq)?.hash ?? NO_HASH };
  }

  /** The last receipt's place in the chain. */
  head(): Head {
    return headOf(this.#db);
  }

  /** The kid by which the next receipt is signed; undefined when the log is new. */
  kid(): string | undefined {
    return kidOf(this.#db);
  }

  /** All public keys of the log, the current one last; none before a process has opened it for writing. */
  keys(): DatedKey[] {
    return datedKeys(this.#db);
  }

  /** The newest checkpoint that a witness has cosigned, else the newest; undefined when there is none. */
  checkpoint(): StoredCheckpoint | undefined {
    return bestCheckpoint(this.#db);
  }

  /** The inclusion proof of a receipt in the tree of the first `size`. */
  inclusion(seq: number, size: number): TreeHash[] {
    return new LogTree(this.#db).inclusion(seq - 1, size);
  }

  close(): void {
    closeSegments(this.#db);
    this.#db.close();
  }
}
