// What operators and configurations have put on record in the embedded store: stops, and the terms that must not
// change.
import type { DatabaseSync } from 'node:sqlite';
import type { Stop } from '../domain/hold.ts';
import type { Term } from './store.ts';

/** Orders that no new payment be made. */
export class EmbeddedStops {
  readonly #put;
  readonly #drop;
  readonly #all;
  readonly #find;

  constructor(db: DatabaseSync) {
    this.#put = db.prepare(
      'INSERT OR REPLACE INTO budget_stops (kind, id, because, stopped_by, at) VALUES (:kind, :id, :because, :by, :at)',
    );
    this.#drop = db.prepare('DELETE FROM budget_stops WHERE kind = ? AND id = ?');
    this.#all = db.prepare('SELECT * FROM budget_stops ORDER BY at, kind, id');
    this.#find = db.prepare('SELECT * FROM budget_stops WHERE kind = ? AND id = ?');
  }

  stop(stop: Stop): void {
    this.#put.run({ ...stop });
  }

  start(kind: Stop['kind'], id: string): boolean {
    return this.#drop.run(kind, id).changes > 0;
  }

  all(): Stop[] {
    return this.#all.all().map(stopOf);
  }

  /** The order that forbids a payment, the widest first. */
  forbidding(agent: string, service: string, wallet: string): Stop | undefined {
    const named = [
      ['all', '*'],
      ['agent', agent],
      ['service', service],
      ['wallet', wallet],
    ] as const;
    for (const [kind, id] of named) {
      const row = this.#find.get(kind, id);
      if (row) return stopOf(row);
    }
    return undefined;
  }
}

/** Terms that all processes on one store share. */
export class EmbeddedTerms {
  readonly #find;
  readonly #put;

  constructor(db: DatabaseSync) {
    this.#find = db.prepare('SELECT recorded FROM budget_terms WHERE field = ?');
    this.#put = db.prepare('INSERT OR IGNORE INTO budget_terms (field, recorded) VALUES (?, ?)');
  }

  /** The fields whose record differs; when there are none, records those that were not yet. */
  agree(fields: readonly Term[]): { field: string; recorded: string }[] {
    const differing = fields.flatMap(({ field, value }) => {
      const row = this.#find.get(field);
      return row && row.recorded !== value ? [{ field, recorded: String(row.recorded) }] : [];
    });
    if (differing.length === 0) for (const { field, value } of fields) this.#put.run(field, value);
    return differing;
  }
}

function stopOf(row: Readonly<Record<string, unknown>>): Stop {
  return {
    kind: row.kind as Stop['kind'],
    id: String(row.id),
    because: String(row.because),
    by: String(row.stopped_by),
    at: Number(row.at),
  };
}
