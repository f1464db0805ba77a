// Time, randomness and identifiers are handed in, never reached for, so that a simulation can own them.

/** The gateway's own clock. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970 (UTC). */
  now(): number;
  /** A clock that only goes forward, in milliseconds from an arbitrary start. */
  monotonic(): number;
}

/** A timer that was set. */
export interface Timer {
  /** Calls it off; nothing happens when it is over. */
  close(): unknown;
  /** The process need not wait for it. */
  unref(): unknown;
}

/** What waits for time to pass. */
export interface Timers {
  /** Calls back once, after so many milliseconds. */
  after(ms: number, callback: () => void): Timer;
  /** Calls back again and again, each time after so many milliseconds. */
  every(ms: number, callback: () => void): Timer;
  /** Calls back one turn of the event loop later, when what has arrived was read. */
  turn(callback: () => void): void;
}

/** Resolves after so many milliseconds. */
export function sleep(timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => void timers.after(ms, resolve));
}

/** This process's own timers. */
export const SYSTEM_TIMERS: Timers = {
  after: (ms, callback) => setTimeout(callback, ms),
  every: (ms, callback) => setInterval(callback, ms),
  turn: (callback) => void setImmediate(callback),
};

/** Where unpredictable bytes come from. */
export interface Random {
  /** `length` fresh, unpredictable bytes. */
  bytes(length: number): Uint8Array;
}
