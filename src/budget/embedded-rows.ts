// Holds as rows of the embedded store: the shape, and reading it strictly. It judges nothing.
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Ending, OpenHold, Purchase } from '../domain/hold.ts';
import type { Micros } from '../domain/money.ts';
import type { Place } from './embedded-counters.ts';

/** Where a keyless purchase stands among its repeats: being made, with its agent there, or without it. */
export type Stage = 'held' | 'live' | 'gone';

/** One hold. Times are milliseconds since 1970 by the store's clock, 0 while they have not come. */
export interface HoldRow {
  readonly id: string;
  state: Purchase['state'];
  readonly micros: Micros;
  readonly exchange: string;
  readonly agent: string;
  readonly service: string;
  readonly wallet: string;
  readonly key_name: string | null;
  readonly repeat_name: string;
  readonly challenge_name: string;
  readonly identity_name: string;
  readonly pair_name: string;
  readonly lines: readonly Place[];
  readonly run: string;
  readonly redeemable_until: number;
  readonly held_at: number;
  readonly lease_end: number;
  exposed_at: number;
  runs_until: number;
  closed_at: number;
  ended_at: number;
  /** Its agent has gone. */
  left: boolean;
  whole: boolean;
  /** It is in the count of unsettled holds of its pair. */
  counted: boolean;
  ending: Ending | null;
  stage: Stage | null;
  /** When nothing of it is needed any more; null while it is open. */
  forget: number | null;
}

const COLUMNS = [
  ...['id', 'state', 'micros', 'exchange', 'agent', 'service', 'wallet', 'key_name', 'repeat_name', 'challenge_name'],
  ...['identity_name', 'pair_name', 'lines', 'run', 'redeemable_until', 'held_at', 'lease_end', 'exposed_at'],
  ...[
    'runs_until',
    'closed_at',
    'ended_at',
    'left',
    'whole',
    'counted',
    'ending',
    'stage',
    'stage_run',
    'since',
    'forget',
  ],
];
const CHANGING = [
  ...['state', 'exposed_at', 'runs_until', 'closed_at', 'ended_at', 'left', 'whole', 'counted', 'ending', 'stage'],
  ...['stage_run', 'since', 'forget'],
];

/** The holds of one database; statements are prepared once. */
export class HoldRows {
  readonly #find;
  readonly #insert;
  readonly #update;
  readonly #lapsed;
  readonly #open;
  readonly #forget;
  readonly #gone;
  readonly #live;
  readonly #waiting;
  readonly #runs;

  constructor(db: DatabaseSync) {
    const all = 'SELECT * FROM budget_holds WHERE';
    this.#find = db.prepare(`${all} id = ?`);
    this.#insert = db.prepare(
      `INSERT INTO budget_holds (${COLUMNS.join()}) VALUES (${COLUMNS.map((name) => `:${name}`).join()})`,
    );
    this.#update = db.prepare(
      `UPDATE budget_holds SET ${CHANGING.map((name) => `${name} = :${name}`).join()} WHERE id = :id`,
    );
    this.#lapsed = db.prepare(`${all} state = 'held' AND lease_end <= :now ORDER BY lease_end LIMIT :most`);
    this.#open = db.prepare(`${all} state IN ('held', 'exposed') ORDER BY held_at, id`);
    this.#forget = db.prepare(
      'DELETE FROM budget_holds WHERE id IN (SELECT id FROM budget_holds WHERE forget <= :now LIMIT :most)',
    );
    const stage = `${all} repeat_name = :name AND stage =`;
    const oldest = 'ORDER BY since, id LIMIT 1';
    this.#gone = db.prepare(`${stage} 'gone' AND stage_run = '' ${oldest}`);
    this.#live = db.prepare(`${stage} 'live' AND stage_run = :run ${oldest}`);
    this.#waiting = db.prepare(`${stage} 'held' AND stage_run = '' AND since > :now ${oldest}`);
    // The next run after the last one, so that a run costs one step of the index however many holds it has.
    const next = `SELECT min(stage_run) FROM budget_holds WHERE repeat_name = :name AND stage = 'live'`;
    this.#runs = db.prepare(`WITH RECURSIVE runs (run) AS (
      ${next} UNION ALL SELECT (${next} AND stage_run > runs.run) FROM runs WHERE run IS NOT NULL
    ) SELECT run FROM runs WHERE run IS NOT NULL`);
    const readers = [this.#find, this.#lapsed, this.#open, this.#gone, this.#live, this.#waiting];
    for (const reader of readers) reader.setReadBigInts(true);
  }

  find(id: string): HoldRow | undefined {
    return rowOf(this.#find.get(id));
  }

  insert(row: HoldRow): void {
    const { left, whole, counted, ending, lines, ...plain } = row;
    const texts = { lines: JSON.stringify(lines), ending: ending && JSON.stringify(ending) };
    this.#insert.run({
      ...plain,
      ...texts,
      ...standing(row),
      left: Number(left),
      whole: Number(whole),
      counted: Number(counted),
    });
  }

  /** Writes what may change in the life of a hold. */
  update(row: HoldRow): void {
    const { id, state, exposed_at, runs_until, closed_at, ended_at, stage, forget } = row;
    const flags = { left: Number(row.left), whole: Number(row.whole), counted: Number(row.counted) };
    const ending = row.ending && JSON.stringify(row.ending);
    this.#update.run({
      id,
      state,
      exposed_at,
      runs_until,
      closed_at,
      ended_at,
      stage,
      forget,
      ending,
      ...flags,
      ...standing(row),
    });
  }

  /** Held holds whose lease is over, longest first. */
  lapsed(now: number, most: number): HoldRow[] {
    return this.#lapsed.all({ now, most }).flatMap((row) => rowOf(row) ?? []);
  }

  /** Held and exposed holds, oldest first. */
  open(): HoldRow[] {
    return this.#open.all().flatMap((row) => rowOf(row) ?? []);
  }

  /** Deletes holds that nothing needs any more. */
  forget(now: number, most: number): void {
    this.#forget.run({ now, most });
  }

  /** The oldest purchase under a keyless name whose agent has gone. */
  oldestGone(name: string): HoldRow | undefined {
    return rowOf(this.#gone.get({ name }));
  }

  /** The oldest exposed purchase of one run under a keyless name whose agent is still there, as far as is known. */
  oldestLive(name: string, run: string): HoldRow | undefined {
    return rowOf(this.#live.get({ name, run }));
  }

  /** The runs that have live purchases under a keyless name. */
  runs(name: string): string[] {
    return this.#runs.all({ name }).map((row) => String(row.run));
  }

  /** The oldest purchase under a keyless name that is held and has not lapsed. */
  waiting(name: string, now: number): HoldRow | undefined {
    return rowOf(this.#waiting.get({ name, now }));
  }
}

/** A hold as operators see it; `running`: its request is still under way. */
export function openHold(row: HoldRow, running: boolean): OpenHold {
  const { id, exchange, agent, service, wallet, micros, lines, ending } = row;
  return {
    ...{ id, exchange, agent, service, wallet, micros, lines, ending },
    payment: null,
    state: row.state === 'held' ? 'held' : running ? 'exposed' : 'uncertain',
    heldAt: row.held_at,
    redeemableUntil: row.redeemable_until,
  };
}

/** How a stage is ordered: those that wait by their lease, the others by their exposure, live ones apart by run. */
function standing({ stage, run, lease_end, exposed_at }: HoldRow) {
  return { stage_run: stage === 'live' ? run : '', since: stage === 'held' ? lease_end : exposed_at };
}

type Raw = Readonly<Record<string, SQLOutputValue>>;

function rowOf(raw: Raw | undefined): HoldRow | undefined {
  if (!raw) return undefined;
  const text = (name: string) => String(raw[name]);
  const time = (name: string) => Number(raw[name]);
  const { micros, key_name, ending, forget, stage, state } = raw;
  if (typeof micros !== 'bigint' || !isState(state)) throw new Error('a hold of the budget store is not readable');
  return {
    ...{ id: text('id'), state, micros, exchange: text('exchange'), agent: text('agent') },
    ...{ service: text('service'), wallet: text('wallet'), key_name: typeof key_name === 'string' ? key_name : null },
    ...{ repeat_name: text('repeat_name'), challenge_name: text('challenge_name') },
    ...{ identity_name: text('identity_name'), pair_name: text('pair_name'), run: text('run') },
    lines: JSON.parse(text('lines')) as Place[],
    ...{ redeemable_until: time('redeemable_until'), held_at: time('held_at'), lease_end: time('lease_end') },
    ...{ exposed_at: time('exposed_at'), runs_until: time('runs_until'), closed_at: time('closed_at') },
    ...{ ended_at: time('ended_at'), left: time('left') === 1, whole: time('whole') === 1 },
    counted: time('counted') === 1,
    ending: typeof ending === 'string' ? (JSON.parse(ending) as Ending) : null,
    stage: stage === 'held' || stage === 'live' || stage === 'gone' ? stage : null,
    forget: forget === null ? null : Number(forget),
  };
}

function isState(value: unknown): value is Purchase['state'] {
  return value === 'held' || value === 'exposed' || value === 'settled' || value === 'voided';
}
