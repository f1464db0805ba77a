// What receipts say, in the form in which a shared store takes it: the places of lines, the names of claims. Pure.
import type { AccountHold, AccountTotal } from '../domain/account.ts';
import type { Window } from '../domain/hold.ts';
import { type ClaimHasher, nameOfHash } from './claims.ts';
import { paymentText } from './redis-answers.ts';
import type { BroughtHold, BroughtLine, PlacedLine } from './redis-members.ts';
import { COUNTER_STAYS_MS, IDENTITY_STAYS_MS, MAX_SKEW_MS, RESTORED_RUNS_MS } from './store.ts';
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

/** The names of what is brought; each pair's is made once, since few pairs have all the purchases. */
export class BroughtNames {
  readonly #hasher: ClaimHasher;
  readonly #pairs = new Map<string, string>();

  constructor(hasher: ClaimHasher) {
    this.#hasher = hasher;
  }

  /** The names of a purchase's challenge and of its payment. */
  claims({ service, challengeId, payment }: AccountHold): readonly [challenge: string, identity: string] {
    return [this.#hasher.challenge(service, challengeId), this.#hasher.identity(payment)];
  }

  /** What unsettled purchases are counted under. */
  pair({ subject, service }: AccountHold): string {
    const both = JSON.stringify([subject, service]);
    const known = this.#pairs.get(both);
    if (known !== undefined) return known;
    const name = this.#hasher.pair(subject, service);
    this.#pairs.set(both, name);
    return name;
  }
}

/** A total at its place. */
export function broughtLine(places: Places, total: AccountTotal): BroughtLine {
  const { settled, held, payments } = total;
  return { ...places.place(total), settled, held, payments };
}

/** A purchase under the names that it was claimed by. */
export function broughtHold(places: Places, names: BroughtNames, hold: AccountHold): BroughtHold {
  const { id, state, claim, intendedAt, closedAt, endedAt, whole } = hold;
  const open = state === 'exposed';
  const [challenge, identity] = names.claims(hold);
  const pair = open ? names.pair(hold) : '';
  const key = claim.key === null ? '' : nameOfHash(claim.key);
  const repeat = nameOfHash(claim.repeat);
  const record = ['key', key, 'repeatName', repeat];
  if (open) record.push('challenge', challenge, 'identity', identity, 'pair', pair);
  recordPurchase(record, hold);
  if (open) recordOpen(record, hold);
  return {
    ...{ id, state, key, repeat, challenge, identity, exposedAt: intendedAt, whole, endedAt, closedAt, record },
    pair: closedAt > 0 ? pair : '',
    claimedUntil: hold.redeemableUntil + IDENTITY_STAYS_MS,
    lines: open ? hold.lines.map((line) => places.place(line)) : [],
  };
}

/** What is 0 or empty is left out: that says the same. */
function recordPurchase(record: string[], hold: AccountHold): void {
  const { state, micros, exchange, redeemableUntil, intendedAt, closedAt, endedAt, ending, whole } = hold;
  record.push('state', state, 'micros', `${micros}`, 'exchange', exchange, 'until', `${redeemableUntil}`);
  record.push('exposedAt', `${intendedAt}`, 'runsUntil', `${intendedAt + RESTORED_RUNS_MS}`);
  if (closedAt > 0) record.push('closedAt', `${closedAt}`);
  if (endedAt > 0) record.push('endedAt', `${endedAt}`);
  if (ending !== '') record.push('ending', ending);
  if (whole) record.push('whole', '1');
}

function recordOpen(record: string[], hold: AccountHold): void {
  const { agent, service, wallet, intendedAt, closedAt, payment } = hold;
  record.push('agent', agent, 'service', service, 'wallet', wallet, 'heldAt', `${intendedAt}`);
  record.push('payment', paymentText(payment));
  if (closedAt > 0) record.push('counted', '1');
}
