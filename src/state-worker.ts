// The state thread: one database in the state folder, with every room's operations on it. Started by the gateway.
import { parentPort, workerData } from 'node:worker_threads';
import { embeddedOperations } from './budget/embedded-operations.ts';
import { cutBack } from './ledger/cut-back.ts';
import { type LedgerSettings, ledgerOperations } from './ledger/ledger-operations.ts';
import { headOf } from './ledger/tables.ts';
import { type StateSettings, serveState } from './state/serve.ts';

/** What the gateway hands to the thread. */
export interface StateWorkerData extends StateSettings, LedgerSettings {
  /** The embedded budget's settings; null where budgets are counted in Redis. */
  readonly embedded: { readonly repeatWindowMs: number } | null;
}

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

if (parentPort) {
  const data: StateWorkerData = workerData;
  serveState(parentPort, data, {
    operations: (db) => ({
      ...ledgerOperations(db, data, Date.now),
      ...(data.embedded ? embeddedOperations(db, { ...data.embedded, clock: CLOCK }) : {}),
    }),
    mark: (db) => headOf(db).seq,
    cutBack,
  });
}
