// What a command beside the gateway needs of this log's keys: the public ones to check it with, and the private one to
// sign where it ends. The gateway may rotate the key meanwhile.
import { type DatedKey, type Head, jwksOf, type LogKey } from './chain.ts';
import { readLogKey } from './key-files.ts';
import type { LedgerReader } from './reader.ts';

/** Where a log ends, and the key that says so. */
export interface LogEnd {
  readonly log: string;
  readonly head: Head;
  /** When it was signed, as receipts write it. */
  readonly at: string;
  readonly key: LogKey;
}

/** The public keys of the log as `GET /keys` serves them. Throws as `readLogKey` does. */
export function ownKeys(reader: LedgerReader, dir: string): { keys: Record<string, unknown>[] } {
  const keys = reader.keys();
  return jwksOf(reader.log, keys.length > 0 ? keys : [firstKey(reader, dir)]);
}

/** The end of the log as it is now, or at an earlier receipt. Throws as `readLogKey` does. */
export function logEnd(reader: LedgerReader, dir: string, nowMs: number, last?: number): LogEnd {
  // The head first: a key that takes over in between may sign it, the one before it may not sign a later one.
  const head = last === undefined ? reader.head() : reader.headAt(last);
  return { log: reader.log, head, at: new Date(nowMs).toISOString(), key: currentKey(reader, dir) };
}

function currentKey(reader: LedgerReader, dir: string): LogKey {
  const kid = reader.kid();
  try {
    return readLogKey(dir, kid);
  } catch (error) {
    if (reader.kid() === kid) throw error;
    return readLogKey(dir, reader.kid());
  }
}

function firstKey(reader: LedgerReader, dir: string): DatedKey {
  const { kid, x } = readLogKey(dir, reader.kid());
  return { seq: 1, kid, x };
}
