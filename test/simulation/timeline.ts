// Simulated time: one queue of events for everybody, in order of time and then of asking. Between two events all that
// JavaScript itself still has to do is done, so that nothing depends on how fast this machine is.
import type { Timer, Timers } from '../../src/domain/clock.ts';

/** One life of a process: from its start to its crash. Nothing that belongs to a life happens after its end. */
export class Life {
  readonly name: string;
  alive = true;
  /** Events of this life so far. */
  events = 0;
  /** Ends before the event with this number. */
  endsBefore = Number.POSITIVE_INFINITY;
  /** The process stands still until then: what is due comes one after the other once it goes on. */
  pausedUntil = 0;
  /** Told of its end. */
  onEnd: () => void = () => {};

  constructor(name: string) {
    this.name = name;
  }

  end(): void {
    if (!this.alive) return;
    this.alive = false;
    this.onEnd();
  }
}

interface Event {
  at: number;
  order: number;
  readonly work: () => void;
  readonly life: Life | null;
  off: boolean;
}

/** The one clock that tells the truth, and everything that is to happen. Milliseconds since 1970. */
export class Timeline {
  now: number;
  /** Called after each event, once everything it caused at once is done. */
  afterEach: () => void = () => {};
  steps = 0;
  readonly #heap: Event[] = [];
  #order = 0;

  constructor(start: number) {
    this.now = start;
  }

  /** Does something after so many whole milliseconds, as node counts them; as part of a life, only while that lasts. */
  after(ms: number, work: () => void, life: Life | null = null): Event {
    this.#order += 1;
    const event = { at: this.now + Math.trunc(Math.max(0, ms)), order: this.#order, work, life, off: false };
    this.#push(event);
    return event;
  }

  /** A life's own timers. */
  timersOf(life: Life): Timers {
    const timer = (event: { off: boolean }): Timer => ({
      close: () => {
        event.off = true;
      },
      unref: () => {},
    });
    return {
      after: (ms, callback) => timer(this.after(ms, callback, life)),
      every: (ms, callback) => {
        const whole = { off: false };
        const next = (): void => {
          if (whole.off) return;
          this.after(ms, next, life);
          callback();
        };
        this.after(ms, next, life);
        return timer(whole);
      },
      turn: (callback) => void this.after(0, callback, life),
    };
  }

  /** Lets everything happen up to a moment. */
  async runUntil(end: number): Promise<void> {
    for (let event = this.#heap[0]; event && event.at <= end; event = this.#heap[0]) {
      this.#pop();
      if (this.#waits(event) || !this.#isDue(event)) continue;
      this.now = event.at;
      this.steps += 1;
      event.work();
      await settled();
      this.afterEach();
    }
    this.now = Math.max(this.now, end);
  }

  #waits(event: Event): boolean {
    const { off, life } = event;
    if (off || !life?.alive || life.pausedUntil <= event.at) return false;
    this.#order += 1;
    event.order = this.#order;
    event.at = life.pausedUntil;
    this.#push(event);
    return true;
  }

  #isDue({ off, life }: Event): boolean {
    if (off || life?.alive === false) return false;
    if (!life) return true;
    life.events += 1;
    if (life.events < life.endsBefore) return true;
    life.end();
    return false;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = heap[child + 1];
      if (right && before(right, heap[child] as Event)) child += 1;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Promises, ticks and streams come first: an immediate runs when none of them has anything left to do. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
