// Which keys sign a log: a table of public keys, each with the first receipt that it signs. The receipts say the same;
// the table says it without reading them.
import type { DatabaseSync } from 'node:sqlite';
import type { DatedKey } from './chain.ts';

const LOG_KEYS =
  'CREATE TABLE IF NOT EXISTS log_keys (seq INTEGER PRIMARY KEY, kid TEXT NOT NULL, x TEXT NOT NULL) STRICT';

/** Makes the table when it is missing. */
export function prepareLogKeys(db: DatabaseSync): void {
  db.exec(LOG_KEYS);
}

/** Forgets keys that only receipts beyond `seq` name. */
export function cutLogKeys(db: DatabaseSync, seq: number): void {
  if (hasTable(db)) db.prepare('DELETE FROM log_keys WHERE seq > ?').run(seq + 1);
}

/** All keys of the log, the current one last; none before the first process has opened it for writing. */
export function datedKeys(db: DatabaseSync): DatedKey[] {
  if (!hasTable(db)) return [];
  const rows = db.prepare('SELECT seq, kid, x FROM log_keys ORDER BY seq').all();
  return rows.map(({ seq, kid, x }) => ({ seq: Number(seq), kid: String(kid), x: String(x) }));
}

/** From `seq` on receipts are signed by this key. */
export function addLogKey(db: DatabaseSync, { seq, kid, x }: DatedKey): void {
  db.prepare('INSERT INTO log_keys (seq, kid, x) VALUES (?, ?, ?)').run(seq, kid, x);
}

function hasTable(db: DatabaseSync): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'log_keys'").get() !== undefined;
}
