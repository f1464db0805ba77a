// Holds whose step had no known result. Each is released as soon as the store answers again; until then it is kept
// here, and should this process end first, the hold's lease is the backstop.

const RETRY_MS = 100;

/** The queue of releases that are still owed to the store. */
export class LateReleases {
  readonly #owed = new Set<string>();
  readonly #release: (hold: string) => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `release` throws when the store does not answer. */
  constructor(release: (hold: string) => Promise<void>) {
    this.#release = release;
  }

  /** How many releases are owed. */
  get size(): number {
    return this.#owed.size;
  }

  /** Releases the hold soon, and again until it worked. */
  add(hold: string): void {
    this.#owed.add(hold);
    this.#schedule();
  }

  /** Tries no more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#stopped || this.#timer || this.#owed.size === 0) return;
    this.#timer = setTimeout(() => void this.#work(), RETRY_MS);
    this.#timer.unref();
  }

  async #work(): Promise<void> {
    for (const hold of this.#owed) {
      try {
        await this.#release(hold);
        this.#owed.delete(hold);
      } catch {
        break; // The store is still silent; the next round begins with the same hold.
      }
    }
    this.#timer = undefined;
    this.#schedule();
  }
}
