// The thread that reads and proves a large log, and hands its receipts to the one that asked. While that one waits for
// more, it checks hashes too.
import { parentPort, workerData } from 'node:worker_threads';
import { hashHolds } from '../ledger/walk.ts';
import { type WalkedPage, WalkedPages } from '../ledger/walked-page.ts';
import { type LogRead, type Reading, readAll, type Sink, Unusable } from './report-source.ts';

/** What the thread is told. */
export interface Order {
  readonly reading: Reading;
  /** One number, which both threads see: how many pages were taken. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

/** What the thread says: pages, and then, once, how the log stands. */
export type Said =
  | { readonly kind: 'page'; readonly page: WalkedPage }
  | { readonly kind: 'holds'; readonly logs: readonly LogRead[] }
  | { readonly kind: 'failed'; readonly unusable: boolean; readonly message: string };

/** So many pages may wait to be taken: a large log must not fill the memory. */
const AHEAD = 16;
/** With fewer pages before it the other thread has time. */
const WAITS_BELOW = 2;

async function read({ reading, taken }: Order): Promise<Said> {
  let given = 0;
  const pages = new WalkedPages((page) => {
    say({ kind: 'page', page }, [page.bytes.buffer, page.places.buffer]);
    given += 1;
    for (let seen = Atomics.load(taken, 0); given - seen > AHEAD; seen = Atomics.load(taken, 0)) {
      Atomics.wait(taken, 0, seen);
    }
  });
  let checked = true;
  const waits = (): boolean => given - Atomics.load(taken, 0) < WAITS_BELOW;
  const sink: Sink = {
    check: (bound) => {
      checked = !waits();
      return !checked || hashHolds(bound);
    },
    take: (receipt) => pages.add(receipt, checked),
  };
  try {
    const logs = await readAll(reading, sink);
    pages.flush();
    return { kind: 'holds', logs };
  } catch (error) {
    const message = error instanceof Error ? error.message : 'failed';
    return { kind: 'failed', unusable: error instanceof Unusable, message };
  }
}

const say = (said: Said, transferred: ArrayBuffer[] = []): void => parentPort?.postMessage(said, transferred);

say(await read(workerData));
