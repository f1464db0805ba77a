// The life of a hold in the embedded store: held → exposed → settled | voided, with its claims. Every way out of `held`
// or `exposed` goes through one function, so that money and claims cannot part.
import type { DatabaseSync } from 'node:sqlite';
import type { Ending, ExposeOutcome, Purchase } from '../domain/hold.ts';
import type { ClaimNames } from './claims.ts';
import { EmbeddedClaims } from './embedded-claims.ts';
import { EmbeddedCounters, oldestPart } from './embedded-counters.ts';
import type { EmbeddedStops } from './embedded-orders.ts';
import { Repeats, Runs } from './embedded-repeats.ts';
import { type HoldRow, HoldRows } from './embedded-rows.ts';
import {
  type Counted,
  type EndAs,
  type HoldAnswer,
  type HoldStep,
  IDENTITY_STAYS_MS,
  KEY_STAYS_MS,
  RELEASED_STAYS_MS,
  SWEEP,
  WHOLE_STAYS_MS,
} from './store.ts';

/** The holds of one database. Every method is told the store's time and runs in its caller's transaction. */
export class EmbeddedHolds {
  readonly counters: EmbeddedCounters;
  readonly rows: HoldRows;
  readonly repeats: Repeats;
  readonly #runs: Runs;
  readonly #stops: EmbeddedStops;
  readonly #claims: EmbeddedClaims;
  readonly #windowMs: number;

  constructor(db: DatabaseSync, stops: EmbeddedStops, repeatWindowMs: number) {
    this.counters = new EmbeddedCounters(db);
    this.rows = new HoldRows(db);
    this.#runs = new Runs(db);
    this.repeats = new Repeats(this.rows, this.#runs, repeatWindowMs);
    this.#claims = new EmbeddedClaims(db);
    this.#stops = stops;
    this.#windowMs = repeatWindowMs;
  }

  /** Own id → purchase claim → stops → unsettled → challenge id → rail identity → lines. */
  hold(step: HoldStep, now: number): HoldAnswer {
    this.#sweep(now, SWEEP.hold);
    for (const name of namesOf(step.names)) this.#releaseLapsed(name, now);
    const own = this.rows.find(step.id);
    if (own) return this.#heldBefore(own, step, now);
    const repeat = this.#repeat(step.names, step.saysRetry, now);
    if (repeat) return { kind: 'repeat', purchase: this.repeats.purchase(repeat, step.names.repeat, now) };
    const stop = this.#stops.forbidding(step.agent, step.service, step.wallet);
    if (stop) return { kind: 'stopped', stop };
    const unsettled = this.#claims.unsettled(step.names.pair);
    if (unsettled >= step.unsettledLimit) return { kind: 'paused', unsettled };
    if (this.#claims.holder(`c:${step.names.challenge}`, now)) return { kind: 'challenge_taken' };
    if (this.#claims.holder(`p:${step.names.identity}`, now)) return { kind: 'identity_taken' };
    const read = this.counters.read(step.lines, now);
    if (read.kind === 'again') return read;
    const over = firstOver(step, read.counted);
    if (over) return { kind: 'exceeded', ...over, counted: read.counted };
    this.#place(step, now);
    return { kind: 'held', counted: read.counted };
  }

  /** held → exposed, unless it lapsed or a stop forbids it: then it is released. */
  expose(id: string, runForMs: number, now: number): ExposeOutcome {
    const row = this.rows.find(id);
    if (row?.state === 'exposed') return { kind: 'exposed' };
    if (row?.state !== 'held') return { kind: 'lapsed' };
    const stop = this.#stops.forbidding(row.agent, row.service, row.wallet);
    if (row.lease_end <= now || stop) {
      this.#end(row, 'released', now);
      return row.lease_end <= now || !stop ? { kind: 'lapsed' } : { kind: 'stopped', stop };
    }
    row.state = 'exposed';
    row.exposed_at = now;
    row.runs_until = now + runForMs;
    if (row.stage === 'held') row.stage = row.left ? 'gone' : 'live';
    this.rows.update(row);
    return { kind: 'exposed' };
  }

  /** Ends an open hold; `released` leaves a mark for an unknown one. */
  end(id: string, as: EndAs, now: number): void {
    const row = this.rows.find(id);
    if (row?.state === 'held' || row?.state === 'exposed') this.#end(row, as, now);
    else if (!row && as === 'released') this.rows.insert(releasedMark(id, now));
  }

  /** The request of a hold that was exposed has ended. */
  close(id: string, ending: Ending, whole: boolean, now: number): void {
    const row = this.rows.find(id);
    if (!row || row.exposed_at === 0) return;
    row.ending = ending;
    row.whole ||= whole;
    row.closed_at ||= now;
    if (row.whole) row.stage = null;
    else if (row.stage === 'live') row.stage = 'gone';
    if (row.state === 'exposed' && !row.counted) {
      row.counted = true;
      this.#claims.countUnsettled(row.pair_name, 1);
    }
    if (row.forget !== null) row.forget = this.#forgetAt(row);
    this.rows.update(row);
  }

  /** Its agent has gone. */
  leave(id: string): void {
    const row = this.rows.find(id);
    if (!row || row.closed_at > 0) return;
    row.left = true;
    if (row.stage === 'live') row.stage = 'gone';
    this.rows.update(row);
  }

  /** What a key stands for; a lapsed hold stands for nothing. */
  lookUp(names: Pick<ClaimNames, 'key' | 'repeat'>, now: number): Purchase | undefined {
    const row = names.key === null ? undefined : this.#keyed(names.key, now);
    return row && this.repeats.purchase(row, names.repeat, now);
  }

  /** Voided before any proof was made of it: it has given its challenge id back too, which no other way out does. */
  wasReleased(id: string): boolean {
    const row = this.rows.find(id);
    return row?.state === 'voided' && this.#claims.holder(`c:${row.challenge_name}`, 0) !== id;
  }

  /** A gateway is alive; and the time to clear up. */
  beat(run: string, now: number): void {
    this.#runs.beat(run, now);
    this.#sweep(now, SWEEP.beat);
    this.#claims.forget(now, SWEEP.beat);
    this.counters.forget(now, SWEEP.beat);
    this.rows.forget(now, SWEEP.beat);
  }

  #heldBefore(own: HoldRow, step: HoldStep, now: number): HoldAnswer {
    if (own.state !== 'held' || isLapsed(own, now)) throw new Error('this hold has already gone on or ended');
    const read = this.counters.read(step.lines, now);
    if (read.kind === 'again') return read;
    const counted = read.counted.map((line, index) => {
      const start = own.lines[index]?.windowStart ?? 0;
      const { window } = step.lines[index] ?? {};
      const counts = window?.kind === 'rolling' ? start > oldestPart(window, now) : start === line.windowStart;
      return counts ? { ...line, held: line.held - own.micros, payments: line.payments - 1 } : line;
    });
    return { kind: 'held', counted };
  }

  #repeat(names: ClaimNames, saysRetry: boolean, now: number): HoldRow | undefined {
    if (names.key === null) return this.repeats.find(names.repeat, saysRetry, now);
    return this.#keyed(names.key, now);
  }

  #keyed(key: string, now: number): HoldRow | undefined {
    const hold = this.#claims.holder(`k:${key}`, now);
    const row = hold === undefined ? undefined : this.rows.find(hold);
    return row && !isLapsed(row, now) ? row : undefined;
  }

  #place(step: HoldStep, now: number): void {
    const { id, micros, exchange, agent, service, wallet, names, run, redeemableUntil } = step;
    this.rows.insert({
      ...{ id, state: 'held', micros, exchange, agent, service, wallet, run, redeemable_until: redeemableUntil },
      ...{ key_name: names.key, repeat_name: names.repeat, challenge_name: names.challenge },
      ...{ identity_name: names.identity, pair_name: names.pair },
      lines: this.counters.hold(step.lines, micros, now),
      ...{ held_at: now, lease_end: now + step.leaseMs, exposed_at: 0, runs_until: 0, closed_at: 0, ended_at: 0 },
      ...{ left: false, whole: false, counted: false, ending: null, forget: null },
      stage: names.key === null ? 'held' : null,
    });
    for (const name of namesOf(names)) this.#claims.put(name, id);
  }

  /** A claim of a hold that lapsed but was not swept yet goes with that hold. */
  #releaseLapsed(name: string, now: number): void {
    const hold = this.#claims.holder(name, now);
    const row = hold === undefined ? undefined : this.rows.find(hold);
    if (row && isLapsed(row, now)) this.#end(row, 'released', now);
  }

  #sweep(now: number, most: number): void {
    for (const row of this.rows.lapsed(now, most)) this.#end(row, 'released', now);
  }

  /** The only way out of `held` and `exposed` but for exposure. */
  #end(row: HoldRow, as: EndAs, now: number): void {
    this.counters.end(row.lines, row.micros, as);
    if (row.counted) this.#claims.countUnsettled(row.pair_name, -1);
    row.counted = false;
    row.state = as === 'settled' ? 'settled' : 'voided';
    row.ended_at = now;
    const dropped = as === 'released' || as === 'freed';
    if (dropped) row.stage = null;
    if (row.key_name !== null) {
      if (dropped) this.#claims.drop(`k:${row.key_name}`);
      else this.#claims.forgetAt(`k:${row.key_name}`, now + KEY_STAYS_MS);
    }
    for (const name of [`c:${row.challenge_name}`, `p:${row.identity_name}`]) {
      if (as === 'released') this.#claims.drop(name);
      else this.#claims.forgetAt(name, row.redeemable_until + IDENTITY_STAYS_MS);
    }
    row.forget = dropped ? now + RELEASED_STAYS_MS : this.#forgetAt(row);
    this.rows.update(row);
  }

  /** When an ended hold is no longer needed: as long as its claim stands, and a while for steps that come late. */
  #forgetAt(row: HoldRow): number {
    if (row.key_name !== null || row.closed_at === 0) return row.ended_at + KEY_STAYS_MS;
    const stays = row.whole ? WHOLE_STAYS_MS : Math.max(this.#windowMs, WHOLE_STAYS_MS);
    return Math.max(row.ended_at, row.closed_at) + stays;
  }
}

function isLapsed(row: HoldRow, now: number): boolean {
  return row.state === 'held' && row.lease_end <= now;
}

/** The names a hold claims, as they stand in the table of claims. */
function namesOf({ key, challenge, identity }: ClaimNames): string[] {
  const names = [`c:${challenge}`, `p:${identity}`];
  return key === null ? names : [`k:${key}`, ...names];
}

/** It fits when asked ≤ limit − settled − held, on every line. */
function firstOver({ lines, micros }: HoldStep, counted: readonly Counted[]) {
  for (const [index, line] of lines.entries()) {
    const now = counted[index];
    if (!now) throw new Error('a line of the budget store was not read');
    if (micros > line.limitMicros - now.settled - now.held) return { line: index, what: 'amount' as const };
    const over = line.limitPayments !== null && now.payments + 1 > line.limitPayments;
    if (over) return { line: index, what: 'payments' as const };
  }
  return undefined;
}

/** What stands for a hold that was released before its own step arrived. */
function releasedMark(id: string, now: number): HoldRow {
  const names = { key_name: null, repeat_name: '', challenge_name: '', identity_name: '', pair_name: '' };
  return {
    ...{ id, state: 'voided', micros: 0n, exchange: '', agent: '', service: '', wallet: '', run: '', lines: [] },
    ...{ ...names, redeemable_until: 0, held_at: now, lease_end: now, exposed_at: 0, runs_until: 0, closed_at: 0 },
    ...{ ended_at: now, left: false, whole: false, counted: false, ending: null, stage: null },
    forget: now + RELEASED_STAYS_MS,
  };
}
