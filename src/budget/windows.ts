// When budget windows begin and end in the accounting time zone. Pure: it never asks what time it is. The windows of
// one kind are a gapless partition of time whatever a time zone does to its clocks, so no window opens twice.
import { DateTime, IANAZone } from 'luxon';
import type { Window } from '../domain/hold.ts';

/** A calendar window: what turns over by the calendar of a time zone. */
export type CalendarKind = Exclude<Window['kind'], 'rolling'>;

/** One window, milliseconds since 1970: `start` inclusive, `end` exclusive; `end` is null when it never ends. */
export interface Bounds {
  readonly start: number;
  readonly end: number | null;
}

const HOUR_MS = 3_600_000;
const TOTAL: Bounds = { start: 0, end: null };

/** Parts a rolling window is counted in. One more can be partly inside. */
export const ROLLING_PARTS = 60;

/**
 * The length in milliseconds of one part of a rolling window, at least 1: a sixtieth, rounded up. A part begins at
 * ⌊now ÷ part⌋ × part and counts until it is wholly older than the window's length.
 */
export function rollingPartMs(lengthMs: number): number {
  if (!Number.isSafeInteger(lengthMs) || lengthMs < 1)
    throw new RangeError('a rolling window has a whole length above 0');
  return Math.ceil(lengthMs / ROLLING_PARTS);
}

/** The calendar of one time zone. Keeps the newest window of each kind, since nearly every question is about it. */
export class Calendar {
  readonly #zone: IANAZone;
  readonly #newest = new Map<CalendarKind, Bounds>();

  /** `timeZone` is an IANA name; throws RangeError when it is not known here. */
  constructor(timeZone: string) {
    this.#zone = IANAZone.create(timeZone);
    if (!this.#zone.isValid) throw new RangeError(`unknown time zone ${JSON.stringify(timeZone)}`);
  }

  /** The window of `kind` that holds the instant `at` (milliseconds since 1970, up to the year 9999). */
  bounds(kind: CalendarKind, at: number): Bounds {
    if (kind === 'total') return TOTAL;
    if (!Number.isSafeInteger(at)) throw new RangeError('an instant is a whole number of milliseconds');
    const known = this.#newest.get(kind);
    if (known && known.start <= at && (known.end === null || at < known.end)) return known;
    const found = kind === 'hour' ? this.#hour(at) : this.#calendar(kind, at);
    this.#newest.set(kind, found);
    return found;
  }

  /** Hours begin where local clocks show minute 0; a shift of half an hour makes one longer window, never a second. */
  #hour(at: number): Bounds {
    const floored = this.#floor(at, this.#offset(at));
    const start = this.#floor(floored, this.#offset(floored));
    const next = floored + HOUR_MS;
    const offset = this.#offset(next);
    const back = this.#floor(next, offset);
    return { start, end: back === next ? next : back + HOUR_MS };
  }

  #floor(at: number, offsetMs: number): number {
    return Math.floor((at + offsetMs) / HOUR_MS) * HOUR_MS - offsetMs;
  }

  #offset(at: number): number {
    return Math.round(this.#zone.offset(at) * 60_000);
  }

  /** Walks from a midnight that is surely not later than `at` to the window that holds it. */
  #calendar(kind: 'day' | 'week' | 'month' | 'year', at: number): Bounds {
    // A day earlier, because clocks set back over midnight show yesterday's date again after today has begun.
    let date = DateTime.fromMillis(at, { zone: this.#zone }).setZone('utc', { keepLocalTime: true });
    date = date.minus({ days: 1 }).startOf(kind);
    let start = this.#firstMidnight(date);
    for (;;) {
      date = date.plus({ [`${kind}s`]: 1 });
      const end = this.#firstMidnight(date);
      if (at < end) return { start, end };
      start = end;
    }
  }

  /** The first instant at which local clocks reach 00:00 of a date, or pass it where that midnight is left out. */
  #firstMidnight(date: DateTime): number {
    const { year, month, day } = date;
    const midnight = DateTime.fromObject({ year, month, day }, { zone: this.#zone });
    const instants = midnight.getPossibleOffsets().map((possible) => possible.toMillis());
    return Math.min(midnight.toMillis(), ...instants);
  }
}
