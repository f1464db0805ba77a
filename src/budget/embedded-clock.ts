// The embedded store's time: the wall clock, which never steps back and is believed only while it agrees with the
// monotonic clock. When it is not believed nothing is moved.
import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../domain/clock.ts';
import { MAX_SKEW_MS } from './store.ts';

/** The store's clock over one database. */
export class EmbeddedClock {
  readonly #clock: Clock;
  readonly #offset: number;
  readonly #read;
  readonly #write;

  constructor(db: DatabaseSync, clock: Clock) {
    this.#clock = clock;
    this.#offset = clock.now() - clock.monotonic();
    this.#read = db.prepare('SELECT high FROM budget_clock');
    this.#write = db.prepare(
      'INSERT INTO budget_clock (one, high) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET high = excluded.high',
    );
  }

  /**
   * Milliseconds since 1970, never before any time it gave a step that wrote, also across restarts. Throws when the
   * wall clock is more than 60 s from the monotonic clock or behind the highest time on record.
   */
  now(): number {
    const wall = Math.floor(this.#clock.now());
    const expected = this.#offset + this.#clock.monotonic();
    if (!(Math.abs(wall - expected) <= MAX_SKEW_MS)) {
      throw new Error('the clock of this machine was set by more than 60 s while the gateway ran: restart it');
    }
    const high = Number(this.#read.get()?.high ?? 0);
    if (high - wall > MAX_SKEW_MS) {
      throw new Error(
        'the clock of this machine is more than 60 s behind the time the budget store last saw: set it right',
      );
    }
    return Math.max(wall, high);
  }

  /** As {@link now}, for a step that writes: no later step, nor one after a restart, will see an earlier time. */
  tick(): number {
    const now = this.now();
    this.#write.run(now);
    return now;
  }
}
