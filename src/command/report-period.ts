// The time a report is about, as people write it, in the days and months of the accounting time zone.
import { DateTime } from 'luxon';
import { Calendar } from '../budget/windows.ts';
import { readInstant } from '../domain/rfc3339.ts';
import type { ChargePeriod } from '../report/focus.ts';
import type { Days, Period } from '../report/period.ts';

/** As written on the command line. */
export interface WrittenPeriod {
  readonly month?: string;
  readonly since?: string;
  readonly until?: string;
}

/** What is wrong with a period, naming the flag and the fix. */
export class PeriodWrong extends Error {}

/** Days and months of one time zone. They begin and end with the windows that budgets count in. */
export class AccountingDays implements Days {
  readonly zone: string;
  readonly #calendar: Calendar;
  #start = Number.NaN;
  #name = '';

  /** Throws PeriodWrong when the zone is not known. */
  constructor(zone: string) {
    this.zone = zone;
    try {
      this.#calendar = new Calendar(zone);
    } catch {
      throw new PeriodWrong(`--time-zone ${zone} is not known; give an IANA name such as Europe/Berlin`);
    }
  }

  day(ms: number): string {
    const { start } = this.#calendar.bounds('day', ms);
    if (start !== this.#start) {
      this.#start = start;
      this.#name = DateTime.fromMillis(start, { zone: this.zone }).toFormat('yyyy-MM-dd');
    }
    return this.#name;
  }

  monthStart(ms: number): number {
    return this.#calendar.bounds('month', ms).start;
  }

  /** The day of this name and its month. */
  period(day: string): ChargePeriod {
    const noon = DateTime.fromISO(`${day}T12:00:00`, { zone: this.zone }).toMillis();
    const [of, month] = [this.#calendar.bounds('day', noon), this.#calendar.bounds('month', noon)];
    return {
      dayStart: seconds(of.start),
      dayEnd: seconds(of.end ?? of.start),
      monthStart: seconds(month.start),
      monthEnd: seconds(month.end ?? month.start),
    };
  }

  /** Reads what stands after --month, or after --since and --until. Throws PeriodWrong. */
  read({ month, since, until }: WrittenPeriod): Period {
    if (month === undefined && since === undefined && until === undefined) {
      throw new PeriodWrong('say which time: --month 2026-11, or --since 2026-11-01 --until 2026-11-16');
    }
    if (month !== undefined) {
      if (since !== undefined || until !== undefined) {
        throw new PeriodWrong('--month says the whole time: leave out --since and --until, or --month');
      }
      return this.#month(month);
    }
    const sinceMs = since === undefined ? undefined : this.#instant('--since', since);
    const untilMs = until === undefined ? undefined : this.#instant('--until', until);
    if (sinceMs !== undefined && untilMs !== undefined && sinceMs >= untilMs) {
      throw new PeriodWrong(`--until ${until} is not after --since ${since}; --until itself is left out`);
    }
    return { ...(sinceMs === undefined ? {} : { sinceMs }), ...(untilMs === undefined ? {} : { untilMs }) };
  }

  #month(written: string): Period {
    const noon = /^\d{4}-\d\d$/.test(written) ? this.#midday(`${written}-15`) : undefined;
    if (noon === undefined) throw new PeriodWrong(`--month ${written} is not a month; write it as 2026-11`);
    const { start, end } = this.#calendar.bounds('month', noon);
    return { sinceMs: start, ...(end === null ? {} : { untilMs: end }) };
  }

  #instant(flag: string, written: string): number {
    const noon = /^\d{4}-\d\d-\d\d$/.test(written) ? this.#midday(written) : undefined;
    const instant = noon === undefined ? readInstant(written) : this.#calendar.bounds('day', noon).start;
    if (instant === undefined) {
      throw new PeriodWrong(`${flag} ${written} is not a time; write 2026-11-23 or 2026-11-23T10:00:00Z`);
    }
    return instant;
  }

  /** Noon of a date that the calendar has, since 1970; undefined for any other. */
  #midday(date: string): number | undefined {
    if (readInstant(`${date}T12:00:00Z`) === undefined) return undefined;
    return DateTime.fromISO(`${date}T12:00:00`, { zone: this.zone }).toMillis();
  }
}

const seconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
