// The private keys the state thread has at hand, and which of them signs. The database says which; the files are made
// before it does and given up after.
import type { DatabaseSync } from 'node:sqlite';
import { codedError } from '../domain/operations.ts';
import type { LogKey } from './chain.ts';
import { isRotating, makeNextKey, openLogKey, retireLogKey } from './key-files.ts';
import { addLogKey, datedKeys } from './log-keys.ts';
import { kidOf } from './tables.ts';

/** The keys of one log, in the process that writes it. */
export interface Keys {
  /** The one that signs the next receipt. */
  current(): LogKey;
  /** Makes the key of a rotation and has it at hand. */
  next(): LogKey;
  /** Is a rotation sealed, but not ended? */
  rotating(): boolean;
  /** Ends a rotation whose receipt is durable. */
  retire(): void;
}

/** Opens them; the first key of a new log is made and noted. Throws as `openLogKey` does. */
export function openKeys(db: DatabaseSync, dir: string): Keys {
  const first = openLogKey(dir, kidOf(db));
  if (datedKeys(db).length === 0) addLogKey(db, { seq: 1, kid: first.kid, x: first.x });
  const known = new Map([[first.kid, first]]);
  const latest = db.prepare('SELECT kid FROM log_keys ORDER BY seq DESC LIMIT 1');
  const current = (): LogKey => {
    const key = known.get(String(latest.get()?.kid));
    if (!key) throw codedError('state_damaged', 'the key that signs is not at hand; start again');
    return key;
  };
  return {
    current,
    next: () => {
      const next = makeNextKey(dir, current().kid);
      known.set(next.kid, next);
      return next;
    },
    rotating: () => isRotating(dir, current().kid),
    retire: () => retireLogKey(dir, current().kid),
  };
}
