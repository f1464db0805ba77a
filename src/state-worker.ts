// The state thread: one database in the state folder, with every room's operations on it. Started by the gateway.
import { parentPort, workerData } from 'node:worker_threads';
import { embeddedOperations } from './budget/embedded-operations.ts';
import { notesOperations } from './budget/notes.ts';
import { IDENTITY_STAYS_MS, KEY_STAYS_MS } from './budget/store.ts';
import { accountOperations } from './ledger/account-operations.ts';
import { cutBack } from './ledger/cut-back.ts';
import { type LedgerSettings, ledgerOperations } from './ledger/ledger-operations.ts';
import { type RollSettings, rollOperations } from './ledger/roll.ts';
import { headOf } from './ledger/tables.ts';
import { type StateSettings, serveState } from './state/serve.ts';

/** What the gateway hands to the thread. */
export interface StateWorkerData extends StateSettings, LedgerSettings, RollSettings {
  /** The embedded budget's settings; null where budgets are counted in Redis. */
  readonly embedded: { readonly repeatWindowMs: number } | null;
}

const ACCOUNT_STANDS = { afterEndMs: KEY_STAYS_MS, afterProofMs: IDENTITY_STAYS_MS };
const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

if (parentPort) {
  const data: StateWorkerData = workerData;
  serveState(parentPort, data, {
    operations: (db) => ({
      ...ledgerOperations(db, data, Date.now),
      ...rollOperations(db, data),
      ...notesOperations(db),
      ...(data.embedded
        ? embeddedOperations(db, { ...data.embedded, clock: CLOCK })
        : accountOperations(db, ACCOUNT_STANDS, Date.now)),
    }),
    mark: (db) => headOf(db).seq,
    cutBack,
  });
}
