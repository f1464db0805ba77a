// Has receipts read and proved, and takes them as they come. A large log is read and proved by a thread of its own,
// while its receipts are added up here. For a small one it would not pay.
import { statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { walkedIn } from '../ledger/walked-page.ts';
import { DATABASE_FILE } from '../state/database.ts';
import { Damaged, type LogRead, type Reading, readAll, type Take, Unusable } from './report-source.ts';
import type { Order, Said } from './report-worker.ts';

/** The thread's file beside this one: `.ts` in the repository, `.js` in the package. */
const READER = new URL(`./report-worker${extname(import.meta.url)}`, import.meta.url);

/** Bytes of files from which on a thread reads them: about a quarter of a second of work. */
const LARGE_BYTES = 67_108_864;

/**
 * Calls `take` with every receipt in order; what was taken is proved once this resolves. Rejects with Unusable for a
 * file that is not what it was named for, with what `take` throws, and with an Error for logs that do not hold or
 * cannot be read, whose message says where.
 */
export async function readReceipts(reading: Reading, take: Take, large = LARGE_BYTES): Promise<readonly LogRead[]> {
  const files = 'dir' in reading ? [join(reading.dir, DATABASE_FILE)] : reading.files;
  const bytes = files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
  return bytes < large ? readAll(reading, take) : readByThread(reading, take);
}

async function readByThread(reading: Reading, take: Take): Promise<readonly LogRead[]> {
  const order: Order = { reading, taken: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) };
  const worker = new Worker(READER, { workerData: order, name: 'purser-reading' });
  const taker = new Taker(take);
  try {
    const logs = await new Promise<readonly LogRead[]>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', () => reject(new Error('the thread that reads the log has ended before its work')));
      worker.on('message', (said: Said) => {
        if (said.kind === 'holds') return resolve(said.logs);
        if (said.kind === 'failed') return reject(new (said.unusable ? Unusable : Damaged)(said.message));
        for (const receipt of walkedIn(said.page)) taker.take(receipt);
        Atomics.add(order.taken, 0, 1);
        Atomics.notify(order.taken, 0);
      });
    });
    // What is wrong with a log was told first: the sums of one that does not hold can go wrong in any way.
    taker.finish();
    return logs;
  } finally {
    await worker.terminate();
  }
}

/** Takes receipts until one cannot be taken. */
class Taker {
  readonly #take: Take;
  #failure: { readonly error: unknown } | undefined;

  constructor(take: Take) {
    this.#take = take;
  }

  readonly take: Take = (receipt) => {
    if (this.#failure) return;
    try {
      this.#take(receipt);
    } catch (error) {
      this.#failure = { error };
    }
  };

  /** Throws why it stopped. */
  finish(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
