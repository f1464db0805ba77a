// What recovery has to finish: purchases whose end is not sealed, or sealed but perhaps not known to the budget store.
// It reads what the seals remembered, and seals ends for many purchases in one step.
import type { DatabaseSync } from 'node:sqlite';
import { codedError, type Operations } from '../domain/operations.ts';
import type { Receipt, ReceiptEntry } from '../domain/receipt.ts';
import { hashOf } from './chain.ts';
import type { IntentsEnd, OpenIntent, Unfinished } from './ledger.ts';
import type { Appended } from './ledger-operations.ts';
import { receiptAt, sealedOf, selectReceipts } from './query.ts';

/** A hold by its name and its exchange's. */
interface Named {
  readonly id: string;
  readonly exchange: string;
}

/** A receipt as it crosses to the gateway's thread: its bytes cost less there than what they say. */
export type SealedBytes = Pick<Appended, 'bytes' | 'hash'>;

/** The operations; `seal` appends entries to the chain. */
export function unfinishedOperations(
  db: DatabaseSync,
  seal: (entries: Iterable<ReceiptEntry>) => Appended[],
): Operations {
  const applied = db.prepare('DELETE FROM unfinished WHERE outcome = ?');
  // One by one, so that the first are being signed while the last are read.
  function* ends({ seqs, kind, code }: IntentsEnd): Generator<ReceiptEntry> {
    for (const seq of seqs) yield againAs(intentAt(db, seq), kind, code);
  }
  const endIntents = (end: IntentsEnd): SealedBytes[] => seal(ends(end)).map(({ bytes, hash }) => ({ bytes, hash }));
  const markApplied = (seqs: readonly number[]): void => {
    for (const seq of seqs) applied.run(seq);
  };
  return {
    'ledger.applied': { durable: false, run: (seqs) => markApplied(seqs as readonly number[]) },
    'ledger.intended': { durable: false, run: (holds) => intended(db, holds as readonly Named[]) },
    'ledger.unfinished': { durable: false, run: () => unfinished(db) },
    'ledger.endIntents': { durable: true, run: (end) => endIntents(end as IntentsEnd) },
  };
}

/** An intent as it was sealed: its shape was judged then, and its hash says that nothing has changed since. */
function intentAt(db: DatabaseSync, seq: number): Receipt {
  const stored = receiptAt(db, seq);
  if (stored && hashOf(stored.bytes) === stored.hash) return JSON.parse(stored.bytes) as Receipt;
  const fix = 'put the state folder back from a backup; purser verify says what else is damaged';
  throw codedError('state_damaged', `receipt ${seq}, which names an open purchase, is not what was sealed; ${fix}`);
}

function againAs(receipt: Receipt, kind: IntentsEnd['kind'], code: IntentsEnd['code']): ReceiptEntry {
  const { v: _v, log: _log, seq: _seq, prev: _prev, at: _at, id: _id, development: _development, ...entry } = receipt;
  const decision = entry.decision === undefined ? {} : { decision: { ...entry.decision, code } };
  return { ...entry, ...decision, kind };
}

function intended(db: DatabaseSync, holds: readonly Named[]): string[] {
  const ids = (exchange: string): (string | undefined)[] =>
    Array.from(selectReceipts(db, { exchange, kind: 'intended' }), (stored) => sealedOf(stored).receipt.hold?.id);
  return holds.filter(({ id, exchange }) => ids(exchange).includes(id)).map(({ id }) => id);
}

function unfinished(db: DatabaseSync): Unfinished {
  const intents = db.prepare(
    'SELECT hold, intended AS seq FROM unfinished WHERE outcome IS NULL AND intended IS NOT NULL ORDER BY intended',
  );
  const outcomes = db.prepare('SELECT outcome AS seq FROM unfinished WHERE outcome IS NOT NULL ORDER BY outcome');
  return {
    intents: intents.all().map(({ hold, seq }): OpenIntent => ({ hold: String(hold), seq: Number(seq) })),
    outcomes: outcomes.all().flatMap(({ seq }) => {
      const stored = receiptAt(db, Number(seq));
      return stored ? [sealedOf(stored)] : [];
    }),
  };
}
