// The thread that reads receipts of a large log and proves them, while the thread that asked adds them up. It hands
// over only receipts that say something of a purchase, and is at most a few handfuls of them ahead.
import { once } from 'node:events';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { Walked } from '../ledger/walk.ts';
import { type LogRead, type Reading, readAll, type Sink, Unusable } from './report-source.ts';

/** What the thread says: receipts, any number of times, each answered; then how it ended. */
export type FromReading =
  | { readonly kind: 'receipts'; readonly receipts: readonly Handed[] }
  | { readonly kind: 'read'; readonly logs: readonly LogRead[] }
  | { readonly kind: 'failed'; readonly unusable: boolean; readonly message: string };

/** What a `Walked` is made of. */
export type Handed = ReturnType<Walked['parts']>;

const OF_PURCHASES = new Set(['intended', 'settled', 'voided', 'resolved']);
const MOST_AHEAD = 8;

/** Hands receipts to the other thread. */
class Handing implements Sink {
  readonly #port: MessagePort;
  readonly #logs = new Set<string>();
  #receipts: Handed[] = [];
  #ahead = 0;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', () => {
      this.#ahead -= 1;
    });
  }

  /** The first of each log in any case: the other side counts the logs. */
  take(receipt: Walked): void {
    if (!OF_PURCHASES.has(receipt.kind) && this.#logs.has(receipt.log)) return;
    this.#logs.add(receipt.log);
    this.#receipts.push(receipt.parts());
  }

  async pause(): Promise<void> {
    if (this.#receipts.length > 0) {
      say(this.#port, { kind: 'receipts', receipts: this.#receipts });
      this.#receipts = [];
      this.#ahead += 1;
    }
    while (this.#ahead >= MOST_AHEAD) await once(this.#port, 'message');
  }
}

async function read(port: MessagePort, reading: Reading): Promise<void> {
  try {
    const sink = new Handing(port);
    const logs = await readAll(reading, sink);
    await sink.pause();
    say(port, { kind: 'read', logs });
  } catch (error) {
    const message = error instanceof Error ? error.message : 'failed';
    say(port, { kind: 'failed', unusable: error instanceof Unusable, message });
  }
}

const say = (port: MessagePort, message: FromReading): void => port.postMessage(message);

if (parentPort) await read(parentPort, workerData);
