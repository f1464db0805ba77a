// Has receipts read and proved, and takes them as they come. A large log is read and proved by a thread of its own,
// while its receipts are added up here. For a small one it would not pay.
import { statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { hashHolds, type Walked } from '../ledger/walk.ts';
import { NotItsHash, type WalkedPage, walkedIn } from '../ledger/walked-page.ts';
import { DATABASE_FILE } from '../state/database.ts';
import { Damaged, type LogRead, type Reading, readAll, type Sink, Unusable } from './report-source.ts';
import type { Order, Said } from './report-worker.ts';

/** The thread's file beside this one: `.ts` in the repository, `.js` in the package. */
const READER = new URL(`./report-worker${extname(import.meta.url)}`, import.meta.url);

type Take = Sink['take'];

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
  return bytes < large ? readAll(reading, { take, check: hashHolds }) : readByThread(reading, take);
}

async function readByThread(reading: Reading, take: Take): Promise<readonly LogRead[]> {
  const order: Order = { reading, taken: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) };
  const worker = new Worker(READER, { workerData: order, name: 'purser-reading' });
  const taker = new Taker(take);
  try {
    const said = await new Promise<Exclude<Said, { kind: 'page' }>>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', () => reject(new Error('the thread that reads the log has ended before its work')));
      worker.on('message', (message: Said) => {
        if (message.kind !== 'page') return resolve(message);
        taker.takeAll(message.page);
        Atomics.add(order.taken, 0, 1);
        Atomics.notify(order.taken, 0);
      });
    });
    if (taker.failure instanceof NotItsHash) return await tellWhere(reading);
    // What is wrong with a log is told first: the sums of one that does not hold can go wrong in any way.
    if (said.kind === 'failed') throw new (said.unusable ? Unusable : Damaged)(said.message);
    if (taker.failure) throw taker.failure;
    return said.logs;
  } finally {
    await worker.terminate();
  }
}

/** Reads it again by itself, since only whoever reads knows how the place of a fault is called. */
async function tellWhere(reading: Reading): Promise<never> {
  await readAll(reading, { take: () => {}, check: hashHolds });
  throw new Damaged('the log changed while it was read');
}

/** Takes receipts until one cannot be taken. */
class Taker {
  readonly #take: Take;
  /** Why it stopped. */
  failure: unknown;

  constructor(take: Take) {
    this.#take = take;
  }

  takeAll(page: WalkedPage): void {
    if (this.failure instanceof NotItsHash) return;
    try {
      for (const receipt of walkedIn(page)) if (!this.failure) this.#takeOne(receipt);
    } catch (error) {
      this.failure = error;
    }
  }

  #takeOne(receipt: Walked): void {
    try {
      this.#take(receipt);
    } catch (error) {
      this.failure = error;
    }
  }
}
