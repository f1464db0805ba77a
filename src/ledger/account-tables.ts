// The account's tables: what the receipts of this log say of money, folded from them in order. They hold nothing that
// the receipts do not, and are made anew from them when in doubt.
import type { DatabaseSync } from 'node:sqlite';

const TABLES = `
CREATE TABLE IF NOT EXISTS account_folded (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;

CREATE TABLE IF NOT EXISTS account_holds (
  id TEXT PRIMARY KEY,
  exchange TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('exposed', 'settled', 'voided', 'freed')),
  purchase TEXT NOT NULL,
  intended_at INTEGER NOT NULL, closed_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
  whole INTEGER NOT NULL, ending TEXT NOT NULL,
  forget INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS account_holds_exchange ON account_holds (exchange);
CREATE INDEX IF NOT EXISTS account_holds_open ON account_holds (id) WHERE state = 'exposed';
CREATE INDEX IF NOT EXISTS account_holds_forget ON account_holds (forget) WHERE state <> 'exposed';

CREATE TABLE IF NOT EXISTS account_totals (
  budget TEXT NOT NULL, start INTEGER NOT NULL, scope TEXT NOT NULL,
  settled INTEGER NOT NULL CHECK (settled BETWEEN 0 AND 9007199254740991),
  payments INTEGER NOT NULL,
  PRIMARY KEY (budget, start, scope)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS account_orders (
  name TEXT PRIMARY KEY, stopped_at INTEGER NOT NULL, started_at INTEGER NOT NULL,
  because TEXT NOT NULL, ordered_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS account_others (
  id TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('settled', 'voided'))
) STRICT, WITHOUT ROWID;
`;

const NAMES = ['account_folded', 'account_holds', 'account_totals', 'account_orders', 'account_others'] as const;

/** Makes the tables that are missing. */
export function prepareAccount(db: DatabaseSync): void {
  db.exec(TABLES);
  const kept = db.prepare('SELECT purchase FROM account_holds LIMIT 1').get()?.purchase;
  // An earlier version kept less of a purchase.
  if (typeof kept === 'string' && JSON.parse(kept).payment === undefined) emptyAccount(db);
  db.exec('INSERT OR IGNORE INTO account_folded VALUES (1, 0)');
}

/** Takes the account back when it has taken in a receipt beyond `seq`; it is then folded anew from the first one. */
export function cutAccount(db: DatabaseSync, seq: number): void {
  if (!db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'account_folded'").get()) return;
  if (Number(db.prepare('SELECT seq FROM account_folded').get()?.seq ?? 0) <= seq) return;
  emptyAccount(db);
}

function emptyAccount(db: DatabaseSync): void {
  for (const name of NAMES) db.exec(`DELETE FROM ${name}`);
}
