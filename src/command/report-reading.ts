// Has receipts read and proved, and takes them as they come. Large logs are read by a thread of their own; for small
// ones, starting it would cost more than it saves.
import { statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Walked } from '../ledger/walk.ts';
import { DATABASE_FILE } from '../state/database.ts';
import { Damaged, type LogRead, type Reading, readAll, Unusable } from './report-source.ts';
import type { FromReading } from './report-worker.ts';

/** The thread's file beside this one: `.ts` in the repository, `.js` in the package. */
const READER = new URL(`./report-worker${extname(import.meta.url)}`, import.meta.url);

/** Bytes of files from which on a thread of its own reads them: about a quarter of a second of work. */
const LARGE_BYTES = 67_108_864;

type Take = (receipt: Walked) => void;

/**
 * Calls `take` with receipts in order, at least with each that says something of a purchase; what was taken is proved
 * once this resolves. Rejects with Unusable for a file that is not what it was named for, with what `take` throws, and
 * with an Error for logs that do not hold or cannot be read, whose message says where.
 */
export async function readReceipts(reading: Reading, take: Take, large = LARGE_BYTES): Promise<readonly LogRead[]> {
  const files = 'dir' in reading ? [join(reading.dir, DATABASE_FILE)] : reading.files;
  const bytes = files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
  return bytes < large ? readAll(reading, { take }) : readByThread(reading, take);
}

async function readByThread(reading: Reading, take: Take): Promise<readonly LogRead[]> {
  const worker = new Worker(READER, { workerData: reading, name: 'purser-reading' });
  try {
    return await new Promise((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', () => reject(new Error('the thread that reads the log has ended before its work')));
      worker.on('message', (message: FromReading) => {
        if (message.kind === 'read') return resolve(message.logs);
        if (message.kind === 'failed') return reject(failure(message));
        try {
          for (const parts of message.receipts) take(new Walked(...parts));
          worker.postMessage('taken');
        } catch (error) {
          // The thread waits for an answer, and is ended below.
          reject(unreadable(error));
        }
      });
    });
  } finally {
    await worker.terminate();
  }
}

function failure({ unusable, message }: FromReading & { readonly kind: 'failed' }): Error {
  return unusable ? new Unusable(message) : new Damaged(message);
}

function unreadable(error: unknown): unknown {
  const readable = !(error instanceof TypeError || error instanceof SyntaxError);
  return readable ? error : new Damaged(`the log holds a receipt that cannot be read: ${error.message}`);
}
