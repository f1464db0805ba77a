// Opens the one SQLite file of the state folder and the lock beside it. Only the state thread writes through these.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { codedError, codeOf } from '../domain/operations.ts';
import { reserveFile } from './folder.ts';

/** The layout of the database; a newer one is never opened. */
const SCHEMA_VERSION = 2;
/** The layout of a new database: the log makes it the next one with its first segment. */
const FIRST_VERSION = 1;

/** The database's file name in the state folder. */
export const DATABASE_FILE = 'purser.sqlite';

const LOCK_FILE = 'lock.sqlite';
const BUSY_TIMEOUT_MS = 5_000;
const LOCK_TIMEOUT_MS = 250;
const DISK_IS_FULL = 13;
/** SQLite's extended codes of a file or a folder that could not be synced. */
const SYNC_ERRORS = new Set([1034, 1290]);
const STORAGE_ERRORS = new Set([5, 6, 7, 8, 10, 11, 13, 14, 15, 22, 26]);

/**
 * Locks the folder to this process until the returned database is closed; the kernel lets go when the process dies.
 * Throws an Error with code `state_locked` when another process has it.
 */
export function takeLock(dir: string): DatabaseSync {
  const path = join(dir, LOCK_FILE);
  let lock: DatabaseSync | undefined;
  try {
    reserveFile(path);
    lock = new DatabaseSync(path, { timeout: LOCK_TIMEOUT_MS });
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    if (primaryCode(error) !== 5) {
      throw codedError('state_unavailable', `${path} cannot be locked: ${messageOf(error)}`, error);
    }
    const fix = 'stop it, or give this one its own state.dir';
    throw codedError('state_locked', `another purser process is using ${dir}; ${fix}`, error);
  }
}

/**
 * Throws an Error with code `state_damaged` when the folder had a database, as its lock remembers, and has none now: a
 * new one would begin another log and forget what was spent.
 */
export function refuseLostDatabase(dir: string, lock: DatabaseSync): void {
  const path = join(dir, DATABASE_FILE);
  if (versionOf(lock) === 0 || (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  const fix = 'put the whole folder back from a backup, or name another state.dir';
  throw codedError('state_damaged', `${path} is missing or empty, and there was one: its receipts are gone; ${fix}`);
}

/**
 * Lets the lock remember that the folder has a database; on a full disk the next start does. Throws as {@link takeLock}
 * where another process was quicker to have it.
 */
export function rememberDatabase(dir: string, lock: DatabaseSync): void {
  if (versionOf(lock) > 0) return;
  try {
    lock.exec('PRAGMA user_version=1; COMMIT');
  } catch {
    if (lock.isTransaction) lock.exec('ROLLBACK');
  }
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    throw codedError('state_locked', `another purser process is using ${dir}`, error);
  }
}

/**
 * Opens the database for writing, once everything in its write-ahead log is in it and synced: what a process that ended
 * at a failed sync left there may be in memory only. Throws an Error with code `state_newer`, `state_damaged` or
 * `state_unavailable`.
 */
export function openDatabase(dir: string): DatabaseSync {
  const path = join(dir, DATABASE_FILE);
  let db: DatabaseSync | undefined;
  try {
    reserveFile(path);
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    db.exec('PRAGMA journal_mode=WAL');
    checkVersion(db, path);
    foldIn(db);
    return db;
  } catch (error) {
    db?.close();
    throw openError(path, error);
  }
}

/** On a full disk it can wait: nothing is lost, and nothing is written either. */
function foldIn(db: DatabaseSync): void {
  try {
    db.exec('PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(PASSIVE)');
  } catch (error) {
    if (primaryCode(error) !== DISK_IS_FULL) throw error;
  }
}

/** Which file stands under the database's name now; undefined when none can be seen there. */
export function fileNow(dir: string): string | undefined {
  try {
    const { dev, ino } = statSync(join(dir, DATABASE_FILE));
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/**
 * Opens the database for reading beside a gateway that writes. Throws as {@link openDatabase} does, or `state_missing`.
 */
export function openReadOnly(dir: string): DatabaseSync {
  const path = join(dir, DATABASE_FILE);
  if (!existsSync(path))
    throw codedError(
      'state_missing',
      `there is no ${path}: no gateway has run with this folder; start one, or name another --config`,
    );
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    checkNotNewer(versionOf(db), path);
    return db;
  } catch (error) {
    db?.close();
    throw openError(path, error);
  }
}

function checkVersion(db: DatabaseSync, path: string): void {
  const version = versionOf(db);
  checkNotNewer(version, path);
  if (version === 0) db.exec(`PRAGMA user_version=${FIRST_VERSION}`);
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0);
}

function checkNotNewer(version: number, path: string): void {
  if (version <= SCHEMA_VERSION) return;
  const found = `${path} was written by a newer purser (layout ${version}, this one knows ${SCHEMA_VERSION})`;
  throw codedError('state_newer', `${found}; run the newer version, or name another state.dir`);
}

function openError(path: string, error: unknown): unknown {
  if (codeOf(error)?.startsWith('state_')) return error;
  const code = primaryCode(error);
  if (code === 11 || code === 26) {
    return codedError(
      'state_damaged',
      `${path} is damaged; put it back from a backup, or name another state.dir`,
      error,
    );
  }
  return codedError('state_unavailable', `${path} cannot be opened: ${messageOf(error)}`, error);
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * Did the disk not confirm a write? What was written may then be gone from it, and no later sync would say so: whoever
 * goes on as if it were there lies.
 */
export function isSyncError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('errcode' in error && SYNC_ERRORS.has(Number(error.errcode))) || isSyncError(error.cause);
}

/** Is this an error of the disk or the file rather than of one statement? (SQLite's primary result codes) */
export function isStorageError(error: unknown): boolean {
  const code = primaryCode(error);
  return code !== undefined && STORAGE_ERRORS.has(code);
}

function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
