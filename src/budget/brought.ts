// What receipts say, in the form in which a shared store takes it: the places of lines, the names of claims. Pure.
import type { AccountHold, AccountTotal } from '../domain/account.ts';
import type { Window } from '../domain/hold.ts';
import { type ClaimHasher, nameOfHash } from './claims.ts';
import { paymentText } from './redis-answers.ts';
import type { BroughtHold, BroughtLine, PlacedLine } from './redis-members.ts';
import { COUNTER_STAYS_MS, IDENTITY_STAYS_MS, MAX_SKEW_MS } from './store.ts';
import { type Calendar, type CalendarKind, rollingPartMs } from './windows.ts';

/** Knows where lines lie at one moment; made anew for each rebuild. */
export class Places {
  readonly #windows: ReadonlyMap<string, Window>;
  readonly #calendar: Calendar;
  readonly #now: number;
  readonly #ends = new Map<string, number | null>();

  /** `windows` are those of the recorded terms; `now` is the store's time. */
  constructor(windows: ReadonlyMap<string, Window>, calendar: Calendar, now: number) {
    this.#windows = windows;
    this.#calendar = calendar;
    this.#now = now;
  }

  /** From which window on a budget's totals can still count, a clock that is somewhat behind included. */
  since(): { budget: string; from: number }[] {
    return [...this.#windows].map(([budget, window]) => {
      if (window.kind === 'rolling') {
        return { budget, from: this.#now - window.lengthMs - rollingPartMs(window.lengthMs) - MAX_SKEW_MS };
      }
      return { budget, from: this.#calendar.bounds(window.kind, Math.max(0, this.#now - 2 * MAX_SKEW_MS)).start };
    });
  }

  /** Where a line's counters stand. A budget whose terms nobody remembers is kept for ever, as one without an end. */
  place({ budget, scope, windowStart }: Pick<AccountTotal, 'budget' | 'scope' | 'windowStart'>): PlacedLine {
    const window = this.#windows.get(budget);
    if (window?.kind === 'rolling') {
      const expires = this.#now + window.lengthMs + rollingPartMs(window.lengthMs) + IDENTITY_STAYS_MS;
      return { budget, scope, windowStart, key: 'rolling', expires };
    }
    const end = window ? this.#endOf(window.kind, windowStart) : null;
    return { budget, scope, windowStart, key: windowStart, expires: end === null ? null : end + COUNTER_STAYS_MS };
  }

  #endOf(kind: CalendarKind, start: number): number | null {
    const name = `${kind} ${start}`;
    const known = this.#ends.get(name);
    if (known !== undefined) return known;
    const { end } = this.#calendar.bounds(kind, start);
    this.#ends.set(name, end);
    return end;
  }
}

/** A total at its place. */
export function broughtLine(places: Places, total: AccountTotal): BroughtLine {
  return { ...places.place(total), settled: total.settled, payments: total.payments };
}

/** A purchase under the names that it was claimed by. */
export function broughtHold(places: Places, hasher: ClaimHasher, hold: AccountHold): BroughtHold {
  const names = hasher.others(hold.subject, hold.service, hold.challengeId, hold.payment);
  const key = hold.claim.key === null ? '' : nameOfHash(hold.claim.key);
  const open = hold.state === 'exposed';
  const lines = JSON.stringify(open ? hold.lines.map(({ budget, scope }) => [budget, scope]) : []);
  return {
    fields: [
      ...[hold.id, hold.state, `${hold.micros}`, hold.exchange, hold.agent, hold.service, hold.wallet],
      ...[`${hold.redeemableUntil}`, key, nameOfHash(hold.claim.repeat), names.challenge, names.identity, names.pair],
      ...[lines, `${hold.intendedAt}`, `${hold.closedAt}`, `${hold.endedAt}`, hold.ending, hold.whole ? '1' : '0'],
      open ? paymentText(hold.payment) : '',
    ],
    lines: open ? hold.lines.map((line) => places.place(line)) : [],
  };
}
