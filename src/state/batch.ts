// Runs calls in batches: one transaction a batch, one savepoint a call, one commit for all. A batch that cannot be
// committed fails whole, and the database is opened anew before the next one; after a sync that failed there is none.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { codedError, codeOf, type Operations } from '../domain/operations.ts';
import { isStorageError, isSyncError } from './database.ts';
import type { Call, Reply } from './message.ts';

/** What the rooms bring into the database. */
export interface Rooms {
  /** Makes the tables that are missing and the operations on them; called in a transaction, again after a failure. */
  operations(db: DatabaseSync): Operations;
  /** A mark of what is committed, read after a failed batch. */
  mark(db: DatabaseSync): number;
  /** Takes away what a failed batch left beyond the mark: a commit that was written but never synced can come back. */
  cutBack(db: DatabaseSync, mark: number): void;
}

/** The database with everything that hangs on one connection to it. */
interface Open {
  readonly db: DatabaseSync;
  readonly operations: Operations;
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly save: StatementSync;
  readonly release: StatementSync;
  readonly undo: StatementSync;
  synchronous: 'FULL' | 'NORMAL';
}

const PROBE_BYTES = 65_536;

/** The one writer of the state database. */
export class BatchRunner {
  readonly #openDatabase: () => DatabaseSync;
  readonly #rooms: Rooms;
  #open: Open | undefined;
  #mark: number | undefined;
  #lost = false;

  /** `open` opens the database, and throws an Error with a `code` when that is refused; so does this. */
  constructor(open: () => DatabaseSync, rooms: Rooms) {
    this.#openDatabase = open;
    this.#rooms = rooms;
    this.#open = this.#reopen();
  }

  /** Did the last write work? */
  get writable(): boolean {
    return this.#open !== undefined;
  }

  /** Did a sync fail? What the disk holds is then not known, and this process must write nothing more. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Runs all calls in one transaction; the replies hold once this returns. Never throws. */
  run(calls: readonly Call[]): Reply[] {
    try {
      return this.#transact(this.#ensureOpen(), calls);
    } catch (error) {
      this.#fail(error);
      return refusals(calls, `the state database cannot be written: ${messageOf(error)}`);
    }
  }

  /** Tries whether a durable write works again, after one did not. */
  probe(): boolean {
    try {
      const open = this.#ensureOpen();
      setSynchronous(open, 'FULL');
      open.begin.run();
      open.db.exec('CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL)');
      open.db.prepare('REPLACE INTO probe VALUES (1, randomblob(?))').run(PROBE_BYTES);
      open.commit.run();
    } catch (error) {
      this.#fail(error);
    }
    return this.writable;
  }

  /** Closes the database. */
  close(): void {
    this.#open?.db.close();
    this.#open = undefined;
  }

  #ensureOpen(): Open {
    if (this.#lost) throw new Error('a sync failed');
    this.#open ??= this.#reopen();
    return this.#open;
  }

  #reopen(): Open {
    const db = this.#openDatabase();
    try {
      db.exec('PRAGMA synchronous=FULL; BEGIN IMMEDIATE');
      if (this.#mark !== undefined) this.#rooms.cutBack(db, this.#mark);
      const operations = this.#rooms.operations(db);
      db.exec('COMMIT');
      this.#mark = undefined;
      return {
        db,
        operations,
        begin: db.prepare('BEGIN IMMEDIATE'),
        commit: db.prepare('COMMIT'),
        save: db.prepare('SAVEPOINT operation'),
        release: db.prepare('RELEASE operation'),
        undo: db.prepare('ROLLBACK TO operation'),
        synchronous: 'FULL',
      };
    } catch (error) {
      db.close();
      throw error;
    }
  }

  #transact(open: Open, calls: readonly Call[]): Reply[] {
    const durable = calls.some(({ operation }) => find(open.operations, operation)?.durable === true);
    setSynchronous(open, durable ? 'FULL' : 'NORMAL');
    open.begin.run();
    const replies = calls.map((call) => runOne(open, call));
    open.commit.run();
    return replies;
  }

  #fail(error: unknown): void {
    this.#giveUp();
    if (this.#lost || !isSyncError(error)) return;
    try {
      // Whoever opens the file next must not find what failed: nobody was told that it was kept.
      this.#reopen().db.close();
    } catch {
      // Then it may stand there: an intent without an outcome is uncertain, and nothing is paid for it.
    }
    this.#lost = true;
  }

  #giveUp(): void {
    const failed = this.#open;
    this.#open = undefined;
    if (!failed) return;
    try {
      if (failed.db.isTransaction) failed.db.exec('ROLLBACK');
      this.#mark = this.#rooms.mark(failed.db);
    } catch {
      // Nothing can be read either: what the file holds is what counts when it opens again.
    }
    try {
      failed.db.close();
    } catch {
      // A connection that cannot even close is left to the garbage collector.
    }
  }
}

/** The same refusal for all of them. */
export function refusals(calls: readonly Call[], message: string): Reply[] {
  return calls.map(({ id }) => ({ id, ok: false, code: 'state_unavailable', message }));
}

function runOne(open: Open, call: Call): Reply {
  open.save.run();
  try {
    const operation = find(open.operations, call.operation);
    if (!operation) throw codedError('operation_unknown', `the state has no operation ${call.operation}`);
    const value = operation.run(call.argument);
    open.release.run();
    return { id: call.id, ok: true, value };
  } catch (error) {
    if (isStorageError(error) || !open.db.isTransaction) throw error;
    open.undo.run();
    open.release.run();
    return { id: call.id, ok: false, code: codeOf(error) ?? 'operation_failed', message: messageOf(error) };
  }
}

function find(operations: Operations, name: string): Operations[string] | undefined {
  return Object.hasOwn(operations, name) ? operations[name] : undefined;
}

// SQLite takes this setting between transactions only; in WAL mode NORMAL never syncs at a commit, FULL always does.
function setSynchronous(open: Open, mode: 'FULL' | 'NORMAL'): void {
  if (open.synchronous === mode) return;
  open.db.exec(`PRAGMA synchronous=${mode}`);
  open.synchronous = mode;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
