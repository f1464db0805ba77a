// The thread that proves a large log while the thread that asked adds its receipts up.
import { parentPort, workerData } from 'node:worker_threads';
import { hashHolds } from '../ledger/walk.ts';
import { type LogRead, type Reading, readAll, Unusable } from './report-source.ts';

/** What the thread says, once. */
export type Proved =
  | { readonly kind: 'holds'; readonly logs: readonly LogRead[] }
  | { readonly kind: 'failed'; readonly unusable: boolean; readonly message: string };

async function prove(reading: Reading): Promise<Proved> {
  try {
    return { kind: 'holds', logs: await readAll(reading, { take: () => {}, check: hashHolds }) };
  } catch (error) {
    const message = error instanceof Error ? error.message : 'failed';
    return { kind: 'failed', unusable: error instanceof Unusable, message };
  }
}

parentPort?.postMessage(await prove(workerData));
