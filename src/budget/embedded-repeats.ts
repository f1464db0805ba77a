// Which earlier purchase a request without a key stands for, and whether a purchase is still running. The Lua of the
// Redis store does the same, rule for rule.
import type { DatabaseSync } from 'node:sqlite';
import type { Purchase } from '../domain/hold.ts';
import type { HoldRow, HoldRows } from './embedded-rows.ts';
import { HEARD_MS, KEY_STAYS_MS } from './store.ts';

/** What the store knows of gateways' lives. */
export class Runs {
  readonly #heard;
  readonly #beat;
  readonly #forget;

  constructor(db: DatabaseSync) {
    this.#heard = db.prepare('SELECT heard FROM budget_runs WHERE run = ?');
    this.#beat = db.prepare(
      'INSERT INTO budget_runs (run, heard) VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET heard = excluded.heard',
    );
    this.#forget = db.prepare('DELETE FROM budget_runs WHERE heard <= ?');
  }

  /** When a run was last heard of, 0 when that is long ago. */
  lastHeard(run: string): number {
    return Number(this.#heard.get(run)?.heard ?? 0);
  }

  isHeard(run: string, now: number): boolean {
    return now - this.lastHeard(run) < HEARD_MS;
  }

  beat(run: string, now: number): void {
    this.#beat.run(run, now);
    this.#forget.run(now - KEY_STAYS_MS - HEARD_MS);
  }
}

/** The rules of repeats over the rows of one database. */
export class Repeats {
  readonly #rows: HoldRows;
  readonly #runs: Runs;
  readonly #windowMs: number;

  /** `windowMs`: how long a purchase that has ended stands for its repeats. */
  constructor(rows: HoldRows, runs: Runs, windowMs: number) {
    this.#rows = rows;
    this.#runs = runs;
    this.#windowMs = windowMs;
  }

  /** The oldest purchase that a keyless request stands for; drops those it passes that stand no more. */
  find(name: string, saysRetry: boolean, now: number): HoldRow | undefined {
    const candidates = [this.#standing(() => this.#rows.oldestGone(name), now)];
    for (const run of this.#rows.runs(name)) {
      const live = this.#standing(() => this.#rows.oldestLive(name, run), now);
      if (live && (saysRetry || now >= live.runs_until || !this.#runs.isHeard(run, now))) candidates.push(live);
    }
    const oldest = candidates.filter((row) => row !== undefined).sort(byExposure)[0];
    return oldest ?? (saysRetry ? this.#rows.waiting(name, now) : undefined);
  }

  /** Is the request that made it still under way? */
  isRunning(row: HoldRow, now: number): boolean {
    if (row.state === 'held') return row.lease_end > now;
    if (row.state === 'voided' || row.closed_at > 0) return false;
    return now < row.runs_until && this.#runs.isHeard(row.run, now);
  }

  /** What its repeat is told. */
  purchase(row: HoldRow, repeatName: string, now: number): Purchase {
    return {
      hold: row.id,
      exchange: row.exchange,
      state: row.state,
      running: this.isRunning(row, now),
      sameRequest: row.repeat_name === repeatName,
      micros: row.micros,
      redeemableUntil: row.redeemable_until,
      ending: row.ending,
    };
  }

  #standing(next: () => HoldRow | undefined, now: number): HoldRow | undefined {
    for (;;) {
      const row = next();
      if (!row || this.#stands(row, now)) return row;
      row.stage = null;
      this.#rows.update(row);
    }
  }

  #stands(row: HoldRow, now: number): boolean {
    if (row.state === 'exposed') return true;
    if (row.closed_at === 0 && this.#runs.isHeard(row.run, now)) return true;
    const since = row.closed_at > 0 ? row.closed_at : this.#runs.lastHeard(row.run);
    return now < Math.max(row.ended_at, since) + this.#windowMs;
  }
}

function byExposure(a: HoldRow, b: HoldRow): number {
  if (a.exposed_at !== b.exposed_at) return a.exposed_at - b.exposed_at;
  return a.id < b.id ? -1 : 1;
}
