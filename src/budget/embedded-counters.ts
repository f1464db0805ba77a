// The counters of the embedded store: what is settled, held and counted per line and window. One row per window, or per
// part of a rolling one, so that reading a line costs the same however many holds are open.
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Micros } from '../domain/money.ts';
import { type Again, COUNTER_STAYS_MS, type Counted, type EndAs, type LineStep } from './store.ts';

/** Where a hold is counted; kept with the hold for life. */
export interface Place {
  readonly budget: string;
  readonly scope: string;
  readonly windowStart: number;
}

const SUMS = `coalesce(sum(settled), 0) AS settled, coalesce(sum(held), 0) AS held,
  coalesce(sum(payments), 0) AS payments, 
  coalesce(max(start) FILTER (WHERE held + settled + payments > 0), 0) AS newest`;

type Row = Readonly<Record<string, SQLOutputValue>>;

/** The counters of one database; statements are prepared once. */
export class EmbeddedCounters {
  readonly #one;
  readonly #parts;
  readonly #add;
  readonly #settle;
  readonly #void;
  readonly #scopesOfWindow;
  readonly #scopesOfParts;
  readonly #forget;

  constructor(db: DatabaseSync) {
    const line = 'FROM budget_counters WHERE budget = :budget AND scope = :scope';
    this.#one = db.prepare(`SELECT ${SUMS} ${line} AND start = :start`);
    this.#parts = db.prepare(`SELECT ${SUMS} ${line} AND start > :after`);
    const place = 'WHERE budget = :budget AND scope = :scope AND start = :start';
    this.#add = db.prepare(`INSERT INTO budget_counters (budget, scope, start, settled, held, payments, forget)
      VALUES (:budget, :scope, :start, 0, :micros, 1, :forget) ON CONFLICT (budget, scope, start)
      DO UPDATE SET held = held + excluded.held, payments = payments + 1`);
    this.#settle = db.prepare(`UPDATE budget_counters SET held = held - :micros, settled = settled + :micros ${place}`);
    this.#void = db.prepare(`UPDATE budget_counters SET held = held - :micros, payments = payments - 1 ${place}`);
    const fullest = 'GROUP BY scope HAVING sum(held + settled + payments) > 0';
    const order = 'ORDER BY sum(held + settled) DESC, sum(payments) DESC, scope LIMIT :most';
    const budget = 'FROM budget_counters WHERE budget = :budget AND';
    this.#scopesOfWindow = db.prepare(`SELECT scope, ${SUMS} ${budget} start = :start ${fullest} ${order}`);
    this.#scopesOfParts = db.prepare(`SELECT scope, ${SUMS} ${budget} start > :after ${fullest} ${order}`);
    this.#forget = db.prepare(`DELETE FROM budget_counters WHERE (budget, scope, start) IN
      (SELECT budget, scope, start FROM budget_counters WHERE forget <= :now LIMIT :most)`);
    for (const one of [this.#one, this.#parts, this.#scopesOfWindow, this.#scopesOfParts]) one.setReadBigInts(true);
  }

  /** The counters of each line at `now`, or `again` when a calendar window does not hold that instant. */
  read(lines: readonly LineStep[], now: number): Again | { kind: 'counted'; counted: Counted[] } {
    if (lines.some((line) => isOutside(line, now))) return { kind: 'again', now };
    return { kind: 'counted', counted: lines.map((line) => this.#readLine(line, now)) };
  }

  /** The fullest scopes of a budget at `now`; scopes that count nothing are left out. */
  scopes(line: Omit<LineStep, 'scope'>, most: number, now: number) {
    if (isOutside(line, now)) return { kind: 'again' as const, now };
    const { budget, window } = line;
    const rows =
      window.kind === 'calendar'
        ? this.#scopesOfWindow.all({ budget, start: window.start, most })
        : this.#scopesOfParts.all({ budget, after: oldestPart(window, now), most });
    const scopes = rows.map((row) => ({ scope: String(row.scope), ...counted(row, startAt(line, now)) }));
    return { kind: 'scopes' as const, scopes };
  }

  /** Counts a hold on every line. Only after {@link read} in the same transaction said that it fits. */
  hold(lines: readonly LineStep[], micros: Micros, now: number): Place[] {
    return lines.map((line) => {
      const { budget, scope } = line;
      const start = startAt(line, now);
      this.#add.run({ budget, scope, start, micros, forget: forgetAt(line, start) });
      return { budget, scope, windowStart: start };
    });
  }

  /** Takes an open hold out of `held`. Counters that are gone belong to windows that no longer decide anything. */
  end(places: readonly Place[], micros: Micros, as: EndAs): void {
    const statement = as === 'settled' ? this.#settle : this.#void;
    for (const { budget, scope, windowStart } of places) statement.run({ budget, scope, start: windowStart, micros });
  }

  /** Drops counters whose window has long passed, at most `most`. */
  forget(now: number, most: number): void {
    this.#forget.run({ now, most });
  }

  #readLine(line: LineStep, now: number): Counted {
    const { budget, scope, window } = line;
    const row =
      window.kind === 'calendar'
        ? this.#one.get({ budget, scope, start: window.start })
        : this.#parts.get({ budget, scope, after: oldestPart(window, now) });
    return counted(row, startAt(line, now));
  }
}

/** Where a hold at `now` is counted: the window's start, or its part's. */
function startAt({ window }: Pick<LineStep, 'window'>, now: number): number {
  return window.kind === 'calendar' ? window.start : Math.floor(now / window.partMs) * window.partMs;
}

/** Parts that began at or before this are wholly older than the window. */
export function oldestPart(window: { lengthMs: number; partMs: number }, now: number): number {
  return now - window.lengthMs - window.partMs;
}

function isOutside({ window }: Pick<LineStep, 'window'>, now: number): boolean {
  return window.kind === 'calendar' && (now < window.start || (window.end !== null && now >= window.end));
}

function forgetAt({ window }: LineStep, start: number): number | null {
  if (window.kind === 'rolling') return start + window.partMs + window.lengthMs;
  return window.end === null ? null : window.end + COUNTER_STAYS_MS;
}

function counted(row: Row | undefined, start: number): Counted {
  const newest = Number(whole(row?.newest));
  return {
    windowStart: start,
    newest: newest === 0 ? start : newest,
    settled: whole(row?.settled),
    held: whole(row?.held),
    payments: Number(whole(row?.payments)),
  };
}

function whole(value: SQLOutputValue | undefined): bigint {
  if (typeof value !== 'bigint' || value < 0n) throw new Error('a counter of the budget store is not a whole number');
  return value;
}
