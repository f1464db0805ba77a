// Steps that are still owed to the store for holds: a release whose hold had no known result, an agent's leaving that
// could not be marked. Each is tried until the store has done it; should this process end first, leases and recovery
// are the backstop.
import type { Timer, Timers } from '../domain/clock.ts';

const RETRY_MS = 100;

/** A queue of one kind of step, which must do nothing when it is done twice. */
export class LateSteps {
  readonly #owed = new Set<string>();
  readonly #step: (hold: string) => Promise<void>;
  readonly #timers: Timers;
  #timer: Timer | undefined;
  #stopped = false;

  /** `step` throws when the store does not answer. */
  constructor(timers: Timers, step: (hold: string) => Promise<void>) {
    this.#timers = timers;
    this.#step = step;
  }

  /** Does the step soon, and again until it worked. */
  add(hold: string): void {
    this.#owed.add(hold);
    this.#schedule();
  }

  /** Tries each that is owed once. Never throws. */
  async tryAll(): Promise<void> {
    for (const hold of this.#owed) {
      try {
        await this.#step(hold);
        this.#owed.delete(hold);
      } catch {
        // Still owed. The others are tried all the same: one that the store cannot read must not keep them back.
      }
    }
  }

  /** Throws while one is owed that cannot be done now. */
  async allDone(): Promise<void> {
    await this.tryAll();
    if (this.#owed.size > 0) throw new Error(`${this.#owed.size} steps are owed to the store first`);
  }

  /** Tries no more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.close();
  }

  #schedule(): void {
    if (this.#stopped || this.#timer || this.#owed.size === 0) return;
    this.#timer = this.#timers.after(RETRY_MS, () => void this.#work());
    this.#timer.unref();
  }

  async #work(): Promise<void> {
    await this.tryAll();
    this.#timer = undefined;
    this.#schedule();
  }
}
