// The checkpoints of a log: signed statements of its size and root, and what witnesses have put their names to. Of all
// that were made only those are kept that still say something: the newest, and the newest of each witness.
import type { DatabaseSync } from 'node:sqlite';
import {
  checkpointText,
  type NoteKey,
  noteOf,
  originOf,
  rawPublicKey,
  readCheckpoint,
  signCheckpoint,
} from '../domain/note.ts';
import type { Operations } from '../domain/operations.ts';
import type { LogKey } from './chain.ts';
import { headOf } from './tables.ts';
import { growTree, LogTree, prepareTree } from './tree.ts';

const CHECKPOINTS = 'CREATE TABLE IF NOT EXISTS checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT';
const WITNESSED = `
  CREATE TABLE IF NOT EXISTS witnessed (witness TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT, WITHOUT ROWID
`;

/** How many blocks of 256 receipts one step adds to the tree; others wait for it. */
const BLOCKS_A_STEP = 8;

/** A checkpoint with the lines of all who signed it. */
export interface StoredCheckpoint {
  readonly size: number;
  readonly note: string;
}

/** A witness's line under the checkpoint of that size. */
export interface Cosignature {
  readonly witness: string;
  readonly size: number;
  readonly line: string;
}

/** What the state thread does for checkpoints; `key` is the log's current one. */
export function checkpointOperations(db: DatabaseSync, log: string, key: () => LogKey): Operations {
  prepareTree(db);
  db.exec(CHECKPOINTS);
  db.exec(WITNESSED);
  return {
    'ledger.checkpoint': { durable: true, run: () => makeCheckpoint(db, log, key()) },
    'ledger.witnessed': { durable: false, run: () => witnessedSizes(db) },
    'ledger.grown': { durable: false, run: (sizes) => grown(db, sizes as { from: number; to: number }) },
    'ledger.cosigned': { durable: true, run: (given) => addCosignature(db, given as Cosignature) },
  };
}

function grown(db: DatabaseSync, { from, to }: { from: number; to: number }): string[] {
  return new LogTree(db).consistency(from, to).map((hash) => hash.toString('base64'));
}

/**
 * Signs a checkpoint of all receipts there are, or gives back the one that says so already. `growing`: the tree has
 * still to grow, call again. Null: there are no receipts.
 */
function makeCheckpoint(db: DatabaseSync, log: string, key: LogKey): StoredCheckpoint | 'growing' | null {
  const { seq } = headOf(db);
  const newest = newestCheckpoint(db);
  if (seq === 0) return null;
  if (newest?.size === seq) return newest;
  if (!growTree(db, seq, BLOCKS_A_STEP)) return 'growing';
  const text = checkpointText({ origin: originOf(log), size: seq, root: new LogTree(db).root(seq) });
  const note = noteOf(text, [signCheckpoint(text, noteKeyOf(log, key), key.privateKey)]);
  db.prepare('INSERT INTO checkpoints (size, note) VALUES (?, ?)').run(seq, note);
  tidy(db);
  return { size: seq, note };
}

/** Adds a witness's line to the checkpoint of that size; nothing when it is not kept any more. */
function addCosignature(db: DatabaseSync, { witness, size, line }: Cosignature): void {
  const note = db.prepare('SELECT note FROM checkpoints WHERE size = ?').get(size)?.note;
  if (typeof note !== 'string') return;
  const { text, signatures } = readCheckpoint(note);
  const others = signatures
    .map((signature) => signature.line)
    .filter((other) => !other.startsWith(`\u2014 ${witness} `));
  db.prepare('UPDATE checkpoints SET note = ? WHERE size = ?').run(noteOf(text, [...others, line]), size);
  db.prepare('INSERT OR REPLACE INTO witnessed (witness, size) VALUES (?, ?)').run(witness, size);
  tidy(db);
}

/** The sizes of the newest checkpoints that witnesses have cosigned, by their names. */
function witnessedSizes(db: DatabaseSync): Record<string, number> {
  const rows = db.prepare('SELECT witness, size FROM witnessed').all();
  return Object.fromEntries(rows.map(({ witness, size }) => [String(witness), Number(size)]));
}

/** The newest checkpoint, cosigned or not. */
function newestCheckpoint(db: DatabaseSync): StoredCheckpoint | undefined {
  return checkpoint(db, 'SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1');
}

/** The newest checkpoint that a witness has cosigned, else the newest. */
export function bestCheckpoint(db: DatabaseSync): StoredCheckpoint | undefined {
  const cosigned = 'SELECT size, note FROM checkpoints WHERE size IN (SELECT size FROM witnessed)';
  return checkpoint(db, `${cosigned} ORDER BY size DESC LIMIT 1`) ?? newestCheckpoint(db);
}

/** Takes away what speaks of receipts beyond `seq`. */
export function cutCheckpoints(db: DatabaseSync, seq: number): void {
  if (!hasTable(db)) return;
  db.prepare('DELETE FROM checkpoints WHERE size > ?').run(seq);
  db.prepare('DELETE FROM witnessed WHERE size > ?').run(seq);
}

/** The log's key as its checkpoints name it. */
export const noteKeyOf = (log: string, key: LogKey): NoteKey => ({
  kind: 'log',
  name: originOf(log),
  publicKey: rawPublicKey(key.privateKey),
});

function checkpoint(db: DatabaseSync, sql: string): StoredCheckpoint | undefined {
  const row = hasTable(db) ? db.prepare(sql).get() : undefined;
  return row && { size: Number(row.size), note: String(row.note) };
}

function hasTable(db: DatabaseSync): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'witnessed'").get() !== undefined;
}

function tidy(db: DatabaseSync): void {
  db.exec(
    'DELETE FROM checkpoints WHERE size < (SELECT max(size) FROM checkpoints)' +
      ' AND size NOT IN (SELECT size FROM witnessed)',
  );
}
