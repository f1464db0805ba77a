// Moves the oldest receipts of the database into segments, in the state thread, a few at each call. A segment is
// written beside, synced, named in the catalogue, and only then its receipts leave the database: what ends in between
// leaves a copy that is not in the catalogue, and is written anew.
import { closeSync, fdatasync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Operations } from '../domain/operations.ts';
import { coveredTo, segmentFile, segmentsFolder } from './segments.ts';
import { prepareReceipts, RECEIPT_COLUMNS } from './tables.ts';

/** When receipts are moved. */
export interface RollSettings {
  /** The most receipts the database keeps to itself; a segment holds as many. */
  readonly segment: number;
  /** Below this much room on the disk no purchase starts, so no segment is begun that would take it; bytes. */
  readonly diskReserveBytes: number;
}

/** What one call came to. */
export interface Rolled {
  /** There is more to do: call again. */
  readonly more: boolean;
  /** Why it could not be done, for people: nothing was moved. */
  readonly failed?: string;
}

/** A segment that is being written. */
interface Draft {
  readonly path: string;
  readonly db: DatabaseSync;
  readonly insert: StatementSync;
  readonly first: number;
  readonly last: number;
  /** The descriptor that is synced while it grows, in the background, so that its end does not take long. */
  readonly file: number;
  /** The next receipt to be copied. */
  next: number;
  /** What was written before the sync that ran last is on the disk; `failed` stays. */
  sync: 'due' | 'running' | 'done' | 'failed';
}

/** Receipts copied or taken out by one call; seals wait meanwhile. */
const SLICE = 64;
/** What a receipt takes in a segment, generously. */
const RECEIPT_BYTES = 4_096;

/** What the state thread does to move receipts; its argument is the newest receipt that is durable. */
export function rollOperations(db: DatabaseSync, settings: RollSettings): Operations {
  const roll = roller(db, settings);
  return { 'ledger.roll': { durable: false, run: (newest) => roll(Number(newest)) } };
}

function roller(db: DatabaseSync, { segment, diskReserveBytes }: RollSettings): (newest: number) => Rolled {
  const gone = db.prepare('DELETE FROM receipts WHERE seq IN (SELECT seq FROM receipts WHERE seq <= ? LIMIT ?)');
  let draft: Draft | undefined;
  return (newest) => {
    const covered = coveredTo(db);
    if (gone.run(covered, SLICE).changes > 0) return { more: true };
    if (!draft && newest - covered <= segment) return { more: false };
    try {
      draft ??= begin(db, { first: covered + 1, last: covered + segment }, diskReserveBytes);
      if (draft.next <= draft.last) copy(db, draft);
      else if (draft.sync === 'done') {
        const written = draft;
        draft = undefined;
        finish(db, written);
      }
      if (draft) keepSynced(draft);
      return { more: true };
    } catch (error) {
      const left = draft;
      draft = undefined;
      if (left) drop(left);
      return { more: false, failed: error instanceof Error ? error.message : 'failed' };
    }
  };
}

function begin(db: DatabaseSync, { first, last }: { first: number; last: number }, reserve: number): Draft {
  const folder = segmentsFolder(db);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = statfsSync(folder);
  const needed = (last - first + 1) * RECEIPT_BYTES;
  if (bavail * bsize < reserve + needed) {
    throw new Error(`a segment takes ${needed} bytes beside limits.diskReserve, and there is not so much room`);
  }
  const path = `${segmentFile(db, first)}.new`;
  rmSync(path, { force: true });
  const file = openSync(path, 'wx', 0o600);
  const draft = new DatabaseSync(path);
  // Nobody else opens it, and what a crash leaves of it is written anew.
  draft.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; BEGIN');
  prepareReceipts(draft);
  draft.exec('COMMIT');
  const names = RECEIPT_COLUMNS.join(', ');
  const insert = draft.prepare(`INSERT INTO receipts (${names}) VALUES (${RECEIPT_COLUMNS.map(() => '?').join(', ')})`);
  return { path, db: draft, insert, first, last, file, next: first, sync: 'due' };
}

function copy(db: DatabaseSync, draft: Draft): void {
  const columns = RECEIPT_COLUMNS.join(', ');
  const rows = db.prepare(`SELECT ${columns} FROM receipts WHERE seq BETWEEN ? AND ? ORDER BY seq`);
  const last = Math.min(draft.last, draft.next + SLICE - 1);
  draft.db.exec('BEGIN');
  for (const row of rows.iterate(draft.next, last)) draft.insert.run(...Object.values(row));
  draft.db.exec('COMMIT');
  draft.next = last + 1;
  if (draft.sync === 'done') draft.sync = 'due';
}

function keepSynced(draft: Draft): void {
  if (draft.sync === 'failed') throw new Error('the disk did not confirm a write of the segment');
  if (draft.sync !== 'due') return;
  const upTo = draft.next;
  draft.sync = 'running';
  fdatasync(draft.file, (error) => {
    draft.sync = error ? 'failed' : draft.next === upTo ? 'done' : 'due';
  });
}

/** All of it is on the disk: it gets its name, and the catalogue says so. */
function finish(db: DatabaseSync, { path, db: written, file, first, last }: Draft): void {
  const end = written.prepare('SELECT count(*) AS count, max(seq) AS last FROM receipts').get();
  const hash = db.prepare('SELECT hash FROM receipts WHERE seq = ?').get(last)?.hash;
  written.close();
  fsyncSync(file);
  closeSync(file);
  if (end?.count !== last - first + 1 || end.last !== last || typeof hash !== 'string') {
    throw new Error(`receipts ${first} to ${last} are not all in the database`);
  }
  renameSync(path, segmentFile(db, first));
  const folder = openSync(segmentsFolder(db), 'r');
  fsyncSync(folder);
  closeSync(folder);
  db.prepare('INSERT INTO segments (first, last, hash) VALUES (?, ?, ?)').run(first, last, hash);
  // A version that knows nothing of segments would take the log for cut off at its beginning.
  db.exec('PRAGMA user_version=2');
}

function drop({ path, db, file }: Draft): void {
  try {
    db.close();
  } catch {
    // A connection that cannot even close is left to the garbage collector.
  }
  closeSync(file);
  rmSync(path, { force: true });
}
