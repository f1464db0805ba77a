// The older receipts of a log, in files of their own beside the database: each holds one whole run, stands in the
// database's catalogue and is never written again. The only place that knows which file holds which receipt.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** A run of receipts that lies in a file of its own, by the catalogue; `hash` is that of its last receipt. */
export interface Segment {
  readonly first: number;
  readonly last: number;
  readonly hash: string;
}

/** A database and the receipts to be read from it: both ends included. */
export interface Part {
  readonly db: DatabaseSync;
  readonly first: number;
  readonly last: number;
}

/** A segment is not what the catalogue says; `seq` is the first receipt that cannot be read. */
export class SegmentFault extends Error {
  readonly code = 'state_damaged';
  readonly seq: number;

  constructor(seq: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'SegmentFault';
    this.seq = seq;
  }
}

const CATALOGUE =
  'CREATE TABLE IF NOT EXISTS segments (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, hash TEXT NOT NULL) STRICT';

/** How many segments stay open for reading; more are opened again when they are asked for. */
const OPEN_MOST = 32;

interface Beside {
  /** The segment that holds a receipt, or else the last one before it. */
  readonly upTo: StatementSync;
  readonly open: Map<number, DatabaseSync>;
}

const besides = new WeakMap<DatabaseSync, Beside>();

/** What is kept at hand for a database; undefined where no process has written to it that knows of segments. */
function beside(db: DatabaseSync): Beside | undefined {
  const known = besides.get(db);
  if (known || !db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'segments'").get()) return known;
  const upTo = db.prepare('SELECT first, last, hash FROM segments WHERE first <= ? ORDER BY first DESC LIMIT 1');
  const made = { upTo, open: new Map<number, DatabaseSync>() };
  besides.set(db, made);
  return made;
}

/** Makes the catalogue when it is missing. */
export function prepareSegments(db: DatabaseSync): void {
  db.exec(CATALOGUE);
}

/** Where segments lie; a database in memory has none. */
export const segmentsFolder = (db: DatabaseSync): string => join(dirname(db.location() ?? ''), 'segments');

/** The file of the segment that begins with this receipt. */
export const segmentFile = (db: DatabaseSync, first: number): string =>
  join(segmentsFolder(db), `receipts-${first}.sqlite`);

/** The last receipt that lies in a segment; 0 when there is none. */
export const coveredTo = (db: DatabaseSync): number => segmentUpTo(db, Number.MAX_SAFE_INTEGER)?.last ?? 0;

/**
 * Reads what holds receipt `seq`, or would. A run that is moved meanwhile is read again, from where it went: the
 * catalogue names a segment before the first of its receipts leaves the database. Throws {@link SegmentFault}.
 */
export function readAt<T>(db: DatabaseSync, seq: number, read: (part: Part) => T): T {
  for (;;) {
    const segment = segmentUpTo(db, Math.max(seq, 1));
    if (segment && seq <= segment.last) return readSegment(db, segment, read);
    const first = (segment?.last ?? 0) + 1;
    const found = read({ db, first, last: Number.MAX_SAFE_INTEGER });
    if (db.isTransaction || coveredTo(db) < first) return found;
  }
}

function segmentUpTo(db: DatabaseSync, seq: number): Segment | undefined {
  const row = beside(db)?.upTo.get(seq);
  return row && segmentOf(row);
}

const segmentOf = ({ first, last, hash }: Record<string, unknown>): Segment => ({
  ...{ first: Number(first), last: Number(last), hash: String(hash) },
});

function readSegment<T>(db: DatabaseSync, segment: Segment, read: (part: Part) => T): T {
  const part = { ...segment, db: openSegment(db, segment) };
  try {
    return read(part);
  } catch (error) {
    const cause = error instanceof Error && 'errcode' in error;
    throw cause
      ? new SegmentFault(segment.first, `${segmentFile(db, segment.first)} is damaged; ${FIX}`, error)
      : error;
  }
}

/** Is every segment there, and does one follow the other? Reads their ends only. Throws {@link SegmentFault}. */
export function checkSegments(db: DatabaseSync): void {
  const segments = db.prepare('SELECT first, last, hash FROM segments ORDER BY first').all().map(segmentOf);
  let next = 1;
  for (const segment of segments) {
    if (segment.first !== next) throw gap(next, segment.first - 1);
    openSegment(db, segment);
    next = segment.last + 1;
  }
  const first = db.prepare('SELECT min(seq) AS seq FROM receipts WHERE seq >= ?').get(next)?.seq;
  if (segments.length > 0 && first !== next) throw gap(next, first === null ? next : Number(first) - 1);
  refuseOlderCopy(db, next);
}

/** Closes what was opened for reading beside this database. */
export function closeSegments(db: DatabaseSync): void {
  for (const segment of besides.get(db)?.open.values() ?? []) segment.close();
  besides.delete(db);
}

const FIX = 'put that file back from a backup of the state folder: nothing else has these receipts';

const gap = (first: number, last: number): SegmentFault =>
  new SegmentFault(first, `receipts ${first} to ${last} are in no segment and not in the database; ${FIX}`);

function openSegment(db: DatabaseSync, segment: Segment): DatabaseSync {
  const open = beside(db)?.open ?? new Map<number, DatabaseSync>();
  const known = open.get(segment.first);
  if (known) return known;
  const [oldest] = open.keys();
  if (open.size >= OPEN_MOST && oldest !== undefined) {
    open.get(oldest)?.close();
    open.delete(oldest);
  }
  const path = segmentFile(db, segment.first);
  const run = `receipts ${segment.first} to ${segment.last} of this log`;
  if (!existsSync(path)) throw new SegmentFault(segment.first, `${path} is missing, which holds ${run}; ${FIX}`);
  const made = openRun(path);
  if (!made) throw new SegmentFault(segment.first, `${path} is damaged, which holds ${run}; ${FIX}`);
  if (made.first !== segment.first || made.last !== segment.last || made.hash !== segment.hash) {
    made.db.close();
    throw new SegmentFault(segment.first, `${path} does not hold ${run}, but something else; ${FIX}`);
  }
  open.set(segment.first, made.db);
  return made.db;
}

/** A file of receipts with its two ends; undefined when it cannot be read. */
function openRun(path: string): (Part & Segment) | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    const first = db.prepare('SELECT seq FROM receipts ORDER BY seq LIMIT 1').get();
    const last = db.prepare('SELECT seq, hash FROM receipts ORDER BY seq DESC LIMIT 1').get();
    if (first && last) return { db, first: Number(first.seq), last: Number(last.seq), hash: String(last.hash) };
  } catch {
    // Told by whoever asked for it.
  }
  db?.close();
  return undefined;
}

/** A segment that is written but not in the catalogue yet holds receipts of the database, or the database is older. */
function refuseOlderCopy(db: DatabaseSync, next: number): void {
  const path = segmentFile(db, next);
  const left = existsSync(path) ? openRun(path) : undefined;
  if (!left) return;
  left.db.close();
  const own = db.prepare('SELECT hash FROM receipts WHERE seq = ?').get(left.last)?.hash;
  if (own === left.hash) return;
  throw new SegmentFault(
    next,
    `${path} holds receipts up to ${left.last} that the database beside it does not know: the database is an older ` +
      'copy, which has forgotten what was spent. Put the latest copy of the whole state folder back',
  );
}
