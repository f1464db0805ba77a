// What a witness remembers: for each log the last checkpoint it cosigned, and its own private key. One small database,
// in which looking at the last size and writing the next is one step, also between processes.
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';

/** The last checkpoint of a log that was cosigned. */
export interface Remembered {
  readonly size: number;
  readonly root: Buffer;
  /** With the line of the log and that of the witness. */
  readonly note: string;
}

/** A witness's memory. */
export interface Memory {
  readonly privateKey: KeyObject;
  /** Undefined when nothing of this log was cosigned. */
  last(origin: string): Remembered | undefined;
  /**
   * Asks `step` what follows the last checkpoint of a log, and remembers it, synced to the disk, before this returns.
   * Nobody else changes it in between; what `step` throws changes nothing.
   */
  advance<Answer>(
    origin: string,
    step: (last: Remembered | undefined) => { next?: Remembered; answer: Answer },
  ): Answer;
  close(): void;
}

const BUSY_TIMEOUT_MS = 5_000;

/** Opens the file, which must be there (an empty one is a new witness) and readable by its owner alone. */
export function openMemory(path: string): Memory {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  db.exec('PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA');
  db.exec(`
    CREATE TABLE IF NOT EXISTS witness (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS logs (
      origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
  `);
  const read = db.prepare('SELECT size, root, note FROM logs WHERE origin = ?');
  const write = db.prepare('INSERT OR REPLACE INTO logs (origin, size, root, note) VALUES (?, ?, ?, ?)');
  const last = (origin: string): Remembered | undefined => {
    const row = read.get(origin);
    if (!row || !(row.root instanceof Uint8Array)) return undefined;
    return { size: Number(row.size), root: Buffer.from(row.root), note: String(row.note) };
  };
  return {
    privateKey: openKey(db),
    last,
    advance: (origin, step) => {
      db.exec('BEGIN IMMEDIATE');
      try {
        const { next, answer } = step(last(origin));
        if (next) write.run(origin, next.size, next.root, next.note);
        db.exec('COMMIT');
        return answer;
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      }
    },
    close: () => db.close(),
  };
}

function openKey(db: DatabaseSync): KeyObject {
  const { privateKey } = generateKeyPairSync('ed25519');
  const made = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  db.prepare("INSERT OR IGNORE INTO witness VALUES ('key', ?)").run(made);
  return createPrivateKey(String(db.prepare("SELECT value FROM witness WHERE key = 'key'").get()?.value));
}
