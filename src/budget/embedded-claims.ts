// Names that a hold has claimed in the embedded store, so that nothing they stand for is bought or paid twice, and the
// count of unsettled purchases per pair. It never judges.
import type { DatabaseSync } from 'node:sqlite';

/** The claims of one database: keys (`k:`), challenges (`c:`) and payments (`p:`), by their hashed names. */
export class EmbeddedClaims {
  readonly #find;
  readonly #put;
  readonly #drop;
  readonly #until;
  readonly #forget;
  readonly #unsettled;
  readonly #more;
  readonly #fewer;
  readonly #none;

  constructor(db: DatabaseSync) {
    this.#find = db.prepare('SELECT hold FROM budget_claims WHERE name = ? AND (forget IS NULL OR forget > ?)');
    this.#put = db.prepare('INSERT OR REPLACE INTO budget_claims (name, hold, forget) VALUES (?, ?, NULL)');
    this.#drop = db.prepare('DELETE FROM budget_claims WHERE name = ?');
    this.#until = db.prepare('UPDATE budget_claims SET forget = ? WHERE name = ?');
    this.#forget = db.prepare(
      'DELETE FROM budget_claims WHERE name IN (SELECT name FROM budget_claims WHERE forget <= ? LIMIT ?)',
    );
    this.#unsettled = db.prepare('SELECT holds FROM budget_unsettled WHERE pair = ?');
    this.#more = db.prepare(
      'INSERT INTO budget_unsettled (pair, holds) VALUES (?, 1) ON CONFLICT (pair) DO UPDATE SET holds = holds + 1',
    );
    this.#none = db.prepare('DELETE FROM budget_unsettled WHERE pair = ? AND holds = 1');
    this.#fewer = db.prepare('UPDATE budget_unsettled SET holds = holds - 1 WHERE pair = ?');
  }

  /** The hold that has claimed a name. */
  holder(name: string, now: number): string | undefined {
    const row = this.#find.get(name, now);
    return row && String(row.hold);
  }

  put(name: string, hold: string): void {
    this.#put.run(name, hold);
  }

  drop(name: string): void {
    this.#drop.run(name);
  }

  /** The name is free again from `at` on. */
  forgetAt(name: string, at: number): void {
    this.#until.run(at, name);
  }

  /** Deletes claims whose time is over, at most `most`. */
  forget(now: number, most: number): void {
    this.#forget.run(now, most);
  }

  /** How many exposed holds of a pair have no request any more. */
  unsettled(pair: string): number {
    return Number(this.#unsettled.get(pair)?.holds ?? 0);
  }

  countUnsettled(pair: string, by: 1 | -1): void {
    if (by === 1) this.#more.run(pair);
    else if (this.#none.run(pair).changes === 0) this.#fewer.run(pair);
  }
}
