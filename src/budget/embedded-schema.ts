// The tables of the embedded budget store. Types and ranges are checked by SQLite itself (STRICT, CHECK), so that no
// statement can leave an amount that is not a whole number of micro-units from 0 to 2^53-1.
import type { DatabaseSync } from 'node:sqlite';

const TABLES = `
CREATE TABLE IF NOT EXISTS budget_terms (field TEXT PRIMARY KEY, recorded TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS budget_clock (one INTEGER PRIMARY KEY CHECK (one = 1), high INTEGER NOT NULL) STRICT;

CREATE TABLE IF NOT EXISTS budget_stops (
  kind TEXT NOT NULL, id TEXT NOT NULL, because TEXT NOT NULL, stopped_by TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS budget_counters (
  budget TEXT NOT NULL, scope TEXT NOT NULL, start INTEGER NOT NULL,
  settled INTEGER NOT NULL CHECK (settled BETWEEN 0 AND 9007199254740991),
  held INTEGER NOT NULL CHECK (held BETWEEN 0 AND 9007199254740991),
  payments INTEGER NOT NULL CHECK (payments BETWEEN 0 AND 9007199254740991),
  forget INTEGER,
  PRIMARY KEY (budget, scope, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS budget_counters_window ON budget_counters (budget, start);
CREATE INDEX IF NOT EXISTS budget_counters_forget ON budget_counters (forget) WHERE forget IS NOT NULL;

CREATE TABLE IF NOT EXISTS budget_holds (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('held', 'exposed', 'settled', 'voided')),
  micros INTEGER NOT NULL CHECK (micros BETWEEN 0 AND 9007199254740991),
  exchange TEXT NOT NULL, agent TEXT NOT NULL, service TEXT NOT NULL, wallet TEXT NOT NULL,
  key_name TEXT, repeat_name TEXT NOT NULL, challenge_name TEXT NOT NULL, identity_name TEXT NOT NULL,
  pair_name TEXT NOT NULL,
  lines TEXT NOT NULL, run TEXT NOT NULL,
  redeemable_until INTEGER NOT NULL, held_at INTEGER NOT NULL, lease_end INTEGER NOT NULL,
  exposed_at INTEGER NOT NULL, runs_until INTEGER NOT NULL, closed_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
  left INTEGER NOT NULL, whole INTEGER NOT NULL, counted INTEGER NOT NULL,
  ending TEXT,
  stage TEXT CHECK (stage IN ('held', 'live', 'gone')), stage_run TEXT NOT NULL, since INTEGER NOT NULL,
  forget INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS budget_holds_stage ON budget_holds (repeat_name, stage, stage_run, since, id)
  WHERE stage IS NOT NULL;
CREATE INDEX IF NOT EXISTS budget_holds_lease ON budget_holds (lease_end) WHERE state = 'held';
CREATE INDEX IF NOT EXISTS budget_holds_open ON budget_holds (held_at, id) WHERE state IN ('held', 'exposed');
CREATE INDEX IF NOT EXISTS budget_holds_forget ON budget_holds (forget) WHERE forget IS NOT NULL;

CREATE TABLE IF NOT EXISTS budget_claims (
  name TEXT PRIMARY KEY, hold TEXT NOT NULL, forget INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS budget_claims_forget ON budget_claims (forget) WHERE forget IS NOT NULL;

CREATE TABLE IF NOT EXISTS budget_unsettled (
  pair TEXT PRIMARY KEY, holds INTEGER NOT NULL CHECK (holds > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS budget_runs (run TEXT PRIMARY KEY, heard INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** Makes the tables that are not there yet. */
export function createTables(db: DatabaseSync): void {
  db.exec(TABLES);
}
