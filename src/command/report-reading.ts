// Has receipts read and proved, and takes them as they come. A large log is read twice at once: here, where its
// receipts are added up, and by a thread that works out their hashes. For a small one it would not pay.
import { statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LedgerReader } from '../ledger/reader.ts';
import { hashHolds, type Walked } from '../ledger/walk.ts';
import { DATABASE_FILE, openReadOnly } from '../state/database.ts';
import { Damaged, type LogRead, type Reading, readAll, Unusable } from './report-source.ts';
import type { Proved } from './report-worker.ts';

/** The thread's file beside this one: `.ts` in the repository, `.js` in the package. */
const PROVER = new URL(`./report-worker${extname(import.meta.url)}`, import.meta.url);

/** Bytes of files from which on a thread proves them: about a quarter of a second of work. */
const LARGE_BYTES = 67_108_864;

type Take = (receipt: Walked) => void;

/**
 * Calls `take` with every receipt in order; what was taken is proved once this resolves. Rejects with Unusable for a
 * file that is not what it was named for, with what `take` throws, and with an Error for logs that do not hold or
 * cannot be read, whose message says where.
 */
export async function readReceipts(reading: Reading, take: Take, large = LARGE_BYTES): Promise<readonly LogRead[]> {
  const files = 'dir' in reading ? [join(reading.dir, DATABASE_FILE)] : reading.files;
  const bytes = files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
  return bytes < large ? readAll(reading, { take, check: hashHolds }) : readTwice(endedNow(reading), take);
}

/** Both readers stop at the same receipt, whatever is sealed meanwhile. */
function endedNow(reading: Reading): Reading {
  if (!('dir' in reading)) return reading;
  const reader = new LedgerReader(openReadOnly(reading.dir));
  try {
    return { ...reading, last: reader.head().seq };
  } finally {
    reader.close();
  }
}

async function readTwice(reading: Reading, take: Take): Promise<readonly LogRead[]> {
  const worker = new Worker(PROVER, { workerData: reading, name: 'purser-proving' });
  try {
    const proved = provedBy(worker);
    const [proof, taken] = await Promise.allSettled([proved, readAll(reading, { take, check: () => true })]);
    // What is wrong with a log is told first: the sums of one that does not hold can go wrong in any way.
    if (proof.status === 'rejected') throw proof.reason;
    if (taken.status === 'rejected') throw taken.reason;
    if (JSON.stringify(proof.value) !== JSON.stringify(taken.value))
      throw new Damaged('the log changed while it was read');
    return taken.value;
  } finally {
    await worker.terminate();
  }
}

function provedBy(worker: Worker): Promise<readonly LogRead[]> {
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('the thread that proves the log has ended before its work')));
    worker.on('message', (message: Proved) => {
      if (message.kind === 'holds') resolve(message.logs);
      else reject(message.unusable ? new Unusable(message.message) : new Damaged(message.message));
    });
  });
}
