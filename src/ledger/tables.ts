// The ledger's tables in the state database. Receipts are only ever appended; the newest is always here.
import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { type Head, NO_HASH } from './chain.ts';
import { datedKeys, prepareLogKeys } from './log-keys.ts';
import { prepareSegments } from './segments.ts';

/**
 * The columns a receipt can be selected by with equality; each has an index, which ends in `seq` as all of SQLite's.
 */
export const SELECTORS = [
  'kind',
  'exchange',
  'agent',
  'owner',
  'team',
  'service',
  'task',
  'code',
  'payee',
  'trace',
] as const;

/** Every column of a receipt, in their order. */
export const RECEIPT_COLUMNS: readonly string[] = ['seq', 'at', ...SELECTORS, 'hash', 'kid', 'signature', 'bytes'];

const RECEIPTS = `
  CREATE TABLE IF NOT EXISTS receipts (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    ${SELECTORS.map((column) => `${column} TEXT`).join(', ')},
    hash TEXT NOT NULL,
    kid TEXT NOT NULL,
    signature TEXT NOT NULL,
    bytes TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS receipts_at ON receipts (at);
`;

const UNFINISHED = `
  CREATE TABLE IF NOT EXISTS unfinished (
    hold TEXT PRIMARY KEY,
    intended INTEGER,
    outcome INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS unfinished_outcome ON unfinished (outcome);
`;

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** Makes what is missing, and gives the log its name at first start. */
export function prepareTables(db: DatabaseSync): { log: string } {
  db.exec('CREATE TABLE IF NOT EXISTS ledger (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID');
  prepareReceipts(db);
  db.exec(UNFINISHED);
  prepareLogKeys(db);
  prepareSegments(db);
  db.prepare("INSERT OR IGNORE INTO ledger VALUES ('log', ?)").run(newLogName());
  return { log: logName(db) };
}

/** Makes the table of receipts, here or in a segment. */
export function prepareReceipts(db: DatabaseSync): void {
  db.exec(RECEIPTS);
  for (const column of SELECTORS) {
    db.exec(`CREATE INDEX IF NOT EXISTS receipts_${column} ON receipts (${column}) WHERE ${column} IS NOT NULL`);
  }
}

/** The log's name as it is recorded. */
export function logName(db: DatabaseSync): string {
  return String(db.prepare("SELECT value FROM ledger WHERE key = 'log'").get()?.value);
}

/** The last receipt's place in the chain. */
export function headOf(db: DatabaseSync): Head {
  const row = db.prepare('SELECT seq, hash FROM receipts ORDER BY seq DESC LIMIT 1').get();
  return row ? { seq: Number(row.seq), hash: String(row.hash) } : { seq: 0, hash: NO_HASH };
}

/** The kid by which the next receipt is signed, undefined when the log is new. */
export function kidOf(db: DatabaseSync): string | undefined {
  const current = datedKeys(db).at(-1);
  if (current) return current.kid;
  const row = db.prepare('SELECT kid FROM receipts ORDER BY seq DESC LIMIT 1').get();
  return row ? String(row.kid) : undefined;
}

function newLogName(): string {
  const letters = Array.from(randomBytes(6), (byte) => BASE32.charAt(byte % 32));
  return `p${letters.join('')}`;
}
