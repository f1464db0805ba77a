// Paid answers kept in memory for a repeat of the same purchase, oldest out first. Nothing here is ever written to
// disk.

/** An answer as the agent got it, or would have. */
export interface KeptAnswer {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly string[];
  readonly body: readonly Buffer[];
  readonly bytes: number;
}

/** An answer while it arrives; gives up by itself when it and those that arrive beside it outgrow the whole store. */
export interface Keeping {
  add(chunk: Buffer): void;
  /** It is whole: from now on a repeat can have it. */
  keep(head: { status: number; reason: string; headers: readonly string[] }): void;
  drop(): void;
  /** Could it still be kept? */
  fits(): boolean;
}

/** All kept answers of this process, by hold id. */
export class KeptAnswers {
  readonly #limitBytes: number;
  readonly #kept = new Map<string, KeptAnswer>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  find(hold: string): KeptAnswer | undefined {
    return this.#kept.get(hold);
  }

  /** Starts keeping the answer of a purchase. What has come of it counts from its first byte. */
  begin(hold: string): Keeping {
    let body: Buffer[] | null = [];
    let bytes = 0;
    const giveUp = (): void => {
      if (body) this.#bytes -= bytes;
      body = null;
    };
    return {
      add: (chunk) => {
        if (!body) return;
        bytes += chunk.length;
        body.push(chunk);
        this.#bytes += chunk.length;
        this.#makeRoom();
        if (this.#bytes > this.#limitBytes) giveUp();
      },
      keep: (head) => {
        const whole = body;
        giveUp();
        if (whole) this.#insert(hold, { ...head, body: whole, bytes });
      },
      drop: () => {
        giveUp();
        this.#remove(hold);
      },
      fits: () => body !== null,
    };
  }

  #insert(hold: string, answer: KeptAnswer): void {
    this.#kept.set(hold, answer);
    this.#bytes += answer.bytes + OVERHEAD_BYTES;
    this.#makeRoom();
  }

  #makeRoom(): void {
    if (this.#bytes <= this.#limitBytes) return;
    for (const oldest of this.#kept.keys()) {
      this.#remove(oldest);
      if (this.#bytes <= this.#limitBytes) return;
    }
  }

  #remove(hold: string): void {
    const answer = this.#kept.get(hold);
    if (!answer) return;
    this.#kept.delete(hold);
    this.#bytes -= answer.bytes + OVERHEAD_BYTES;
  }
}

/** What an entry costs beside its body, so that a million empty answers are bounded too. */
const OVERHEAD_BYTES = 1_024;
