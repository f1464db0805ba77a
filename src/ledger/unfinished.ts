// What recovery has to finish: purchases whose end is not sealed, or sealed but perhaps not known to the budget store.
// It reads what the seals remembered, and seals ends for many purchases in one step.
import type { DatabaseSync } from 'node:sqlite';
import type { Operations } from '../domain/operations.ts';
import type { Receipt, ReceiptEntry, Sealed } from '../domain/receipt.ts';
import type { IntentsEnd, OpenIntent, Unfinished } from './ledger.ts';
import type { SealedLink } from './ledger-operations.ts';
import { receiptAt, sealedOf, selectReceipts } from './query.ts';

/** A hold by its name and its exchange's. */
interface Named {
  readonly id: string;
  readonly exchange: string;
}

/** The operations; `seal` appends an entry to the chain, and throws for one of the wrong shape. */
export function unfinishedOperations(db: DatabaseSync, seal: (entry: unknown) => SealedLink): Operations {
  const applied = db.prepare('DELETE FROM unfinished WHERE outcome = ?');
  const endIntents = ({ seqs, kind, code }: IntentsEnd): Sealed[] =>
    seqs.map((seq) => {
      // What is wrong with its bytes is told when it is sealed again.
      const entry = againAs(JSON.parse(String(receiptAt(db, seq)?.bytes ?? null)) as Receipt, kind, code);
      const { link, hash } = seal(entry);
      return { receipt: { ...entry, ...link }, hash };
    });
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
  const intents = db.prepare('SELECT hold, intended AS seq FROM unfinished WHERE outcome IS NULL ORDER BY intended');
  const outcomes = db.prepare('SELECT outcome AS seq FROM unfinished WHERE outcome IS NOT NULL ORDER BY outcome');
  return {
    intents: intents.all().map(({ hold, seq }): OpenIntent => ({ hold: String(hold), seq: Number(seq) })),
    outcomes: outcomes.all().flatMap(({ seq }) => {
      const stored = receiptAt(db, Number(seq));
      return stored ? [sealedOf(stored)] : [];
    }),
  };
}
