// Finishes what was decided but could not be written: an outcome whose seal or store step failed is tried again until
// it works. What is still unfinished when the process ends is finished by recovery at the next start.
import type { Timer } from '../domain/clock.ts';
import type { ReceiptEntry, Sealed } from '../domain/receipt.ts';
import type { Parts } from './parts.ts';

/** An outcome of a purchase: what to seal, then what to do in the store. */
export interface Outcome {
  readonly entry: ReceiptEntry;
  /** Idempotent by hold id. */
  apply(receipt: string): Promise<void>;
}

const RETRY_MS = 1_000;

/** Seals and applies outcomes, again and again where the first try fails. */
export class Finisher {
  readonly #parts: Parts;
  readonly #waiting: { outcome: Outcome; sealed: Sealed | null }[] = [];
  readonly #running = new Set<string>();
  #timer: Timer | null = null;
  #busy = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Seals, then applies. Answers the receipt's id, or null when it has to be finished later. Never throws. */
  async finish(outcome: Outcome): Promise<string | null> {
    const task = { outcome, sealed: null as Sealed | null };
    if (await this.#try(task)) return task.sealed?.receipt.id ?? null;
    this.#waiting.push(task);
    this.#timer ??= this.#parts.timers.every(RETRY_MS, () => void this.#retry());
    return null;
  }

  /** How many outcomes wait. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Is the end of this hold still ours to write: its purchase runs, or its outcome waits? Nobody else may end it. */
  holds(hold: string): boolean {
    return this.#running.has(hold) || this.#waiting.some(({ outcome }) => outcome.entry.hold?.id === hold);
  }

  /** While its proof may be sent and its answer be judged a hold is ours. */
  async running(hold: string, purchase: () => Promise<void>): Promise<void> {
    this.#running.add(hold);
    try {
      await purchase();
    } finally {
      this.#running.delete(hold);
    }
  }

  /** One last try, then no more. */
  async close(): Promise<void> {
    this.#timer?.close();
    await this.#retry();
  }

  async #retry(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      // All of them: one that the store or the log will never take must not keep the others back.
      for (const task of [...this.#waiting]) {
        if (await this.#try(task)) this.#waiting.splice(this.#waiting.indexOf(task), 1);
      }
    } finally {
      this.#busy = false;
    }
    if (this.#waiting.length > 0 || !this.#timer) return;
    this.#timer.close();
    this.#timer = null;
  }

  async #try(task: { outcome: Outcome; sealed: Sealed | null }): Promise<boolean> {
    try {
      if (!task.sealed) {
        task.sealed = await this.#parts.ledger.seal(task.outcome.entry);
      }
      await task.outcome.apply(task.sealed.receipt.id);
      this.#forget(task.sealed.receipt.seq);
      return true;
    } catch (fault) {
      this.#parts.watch.fault(task.sealed ? 'store' : 'ledger', fault);
      return false;
    }
  }

  /** Nobody waits for this: an outcome that is not forgotten is applied once more at the next start, to no effect. */
  #forget(seq: number): void {
    this.#parts.ledger.applied(seq).catch((fault: unknown) => this.#parts.watch.fault('ledger', fault));
  }
}
