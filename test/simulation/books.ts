// The stores and the logs as somebody reads them who shares no code with the gateway: rows and keys as they lie there.
import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { RedisModel } from './redis/model.ts';

/** One hold as a store has it. */
export interface HoldEntry {
  readonly id: string;
  readonly state: string;
  readonly micros: bigint;
  /** Where it is counted: a line's name and where its window starts. */
  readonly places: readonly string[];
  readonly agent: string;
  readonly service: string;
  readonly wallet: string;
  readonly heldAt: number;
  readonly lease: number;
  readonly exposedAt: number;
  /** Whose purchases of unknown outcome are counted together. */
  readonly pair: string;
  /** Its request has ended. */
  readonly closed: boolean;
}

/** One window, or part of a rolling one, of a line. */
export interface LineEntry {
  readonly budget: string;
  readonly scope: string;
  readonly start: number;
  readonly settled: bigint;
  readonly held: bigint;
  readonly payments: number;
}

/** All of a store. */
export interface StoreEntries {
  readonly holds: ReadonlyMap<string, HoldEntry>;
  /** By place: budget, scope and start. */
  readonly lines: ReadonlyMap<string, LineEntry>;
  /** `kind:id` of what is stopped. */
  readonly stops: ReadonlySet<string>;
  /** How often it was begun anew, and whether it is complete. */
  readonly generation: number;
  readonly open: boolean;
  /** A log brings what it has: first what its lines hold, then the purchases. */
  readonly bringing: boolean;
}

/** The nonce of a payment: what its name on the rail ends with. */
export const nonceOf = ({ identity }: { readonly identity: string }): string =>
  identity.slice(identity.lastIndexOf(':') + 1);

export const placeOf = (budget: string, scope: string, start: number): string => `${budget} ${scope} ${start}`;

/** Reads the embedded store. */
export function readEmbedded(db: DatabaseSync): StoreEntries {
  const holds = new Map<string, HoldEntry>();
  for (const row of all(db, 'SELECT * FROM budget_holds')) {
    const places = JSON.parse(String(row.lines)) as { budget: string; scope: string; windowStart: number }[];
    holds.set(String(row.id), {
      ...{ id: String(row.id), state: String(row.state), micros: BigInt(Number(row.micros)) },
      places: places.map(({ budget, scope, windowStart }) => placeOf(budget, scope, windowStart)),
      ...{ agent: String(row.agent), service: String(row.service), wallet: String(row.wallet) },
      ...{ heldAt: Number(row.held_at), lease: Number(row.lease_end), exposedAt: Number(row.exposed_at) },
      ...{ pair: String(row.pair_name), closed: Number(row.closed_at) > 0 },
    });
  }
  const lines = new Map<string, LineEntry>();
  for (const row of all(db, 'SELECT * FROM budget_counters')) {
    const line = {
      ...{ budget: String(row.budget), scope: String(row.scope), start: Number(row.start) },
      ...{ settled: BigInt(Number(row.settled)), held: BigInt(Number(row.held)), payments: Number(row.payments) },
    };
    lines.set(placeOf(line.budget, line.scope, line.start), line);
  }
  const stops = new Set(all(db, 'SELECT kind, id FROM budget_stops').map(({ kind, id }) => `${kind}:${id}`));
  return { holds, lines, stops, generation: 1, bringing: false, open: true };
}

const STATEMENTS = new WeakMap<DatabaseSync, Map<string, ReturnType<DatabaseSync['prepare']>>>();

function all(db: DatabaseSync, sql: string, ...values: number[]) {
  const known = STATEMENTS.get(db) ?? new Map<string, ReturnType<DatabaseSync['prepare']>>();
  STATEMENTS.set(db, known);
  let statement = known.get(sql);
  if (!statement) {
    statement = db.prepare(sql);
    known.set(sql, statement);
  }
  return statement.all(...values);
}

/** Reads the shared store. */
export function readRedis(model: RedisModel): StoreEntries {
  const holds = new Map<string, HoldEntry>();
  const lines = new Map<string, LineEntry>();
  const epoch = hashOf(model, '{town}:epoch');
  const generation = Number(epoch.get('gen') ?? 0);
  const stops = new Set(hashOf(model, '{town}:stop').keys());
  const prefix = `{town}:${generation}:`;
  for (const [key, entry] of model.data) {
    if (entry.type !== 'hash' || !key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length);
    if (name.startsWith('l:')) {
      for (const line of linesOf(name, entry.fields)) lines.set(placeOf(line.budget, line.scope, line.start), line);
    } else if (name.startsWith('h:')) {
      const hold = holdOf(name.slice(2), entry.fields);
      if (hold) holds.set(hold.id, hold);
    }
  }
  for (const [place, sums] of countedTwice(model, generation)) {
    const line = lines.get(place);
    if (line)
      lines.set(place, { ...line, settled: line.settled - sums.settled, payments: line.payments - sums.payments });
  }
  const bringing = [...hashOf(model, '{town}:members')].some(
    ([field, value]) => field.startsWith('begun:') && value.startsWith(`${generation} `),
  );
  return { holds, lines, stops, generation, bringing, open: epoch.get('state') === 'open' };
}

/**
 * What the others said for a gateway that is bringing its own figures just now: until it has brought them all, both
 * stand there, so that nothing is ever too low.
 */
function countedTwice(model: RedisModel, generation: number): Map<string, { settled: bigint; payments: number }> {
  const members = hashOf(model, '{town}:members');
  const twice = new Map<string, { settled: bigint; payments: number }>();
  for (const [field, value] of members) {
    const [, log] = /^begun:(.*)$/.exec(field) ?? [];
    const spokenFor = members.get(`guess:${log}`) === String(generation);
    if (log === undefined || !spokenFor || !value.startsWith(`${generation} `)) continue;
    for (const [at, sums] of hashOf(model, `{town}:${generation}:guess:${log}`)) {
      const [, start = '', key = ''] = /^(\d+) (.*)$/.exec(at) ?? [];
      const [settled = '', , payments = ''] = sums.split(' ');
      const { budget, scope } = nameOf(key.replace(/^\{town\}:\d+:/, ''));
      if (key === '') continue;
      const place = placeOf(budget, scope, Number(start));
      const before = twice.get(place) ?? { settled: 0n, payments: 0 };
      twice.set(place, { settled: before.settled + BigInt(settled), payments: before.payments + Number(payments) });
    }
  }
  return twice;
}

function hashOf(model: RedisModel, key: string): ReadonlyMap<string, string> {
  const entry = model.data.get(key);
  return entry?.type === 'hash' ? entry.fields : new Map();
}

/** The name of a line: where its window starts or `rolling`, the length of the budget's name, that name, the scope. */
function nameOf(key: string): { readonly budget: string; readonly scope: string } {
  const [, , length = '0', ...rest] = key.split(':');
  const text = rest.join(':');
  return { budget: text.slice(0, Number(length)), scope: text.slice(Number(length) + 1) };
}

function linesOf(key: string, fields: ReadonlyMap<string, string>): LineEntry[] {
  const starts = new Set([...fields.keys()].map((field) => field.slice(0, field.indexOf(':'))));
  return [...starts].map((start) => ({
    ...nameOf(key),
    start: Number(start),
    settled: BigInt(fields.get(`${start}:s`) ?? '0'),
    held: BigInt(fields.get(`${start}:h`) ?? '0'),
    payments: Number(fields.get(`${start}:n`) ?? '0'),
  }));
}

/** Undefined for the mark that a release leaves of a hold that never was. */
function holdOf(id: string, written: ReadonlyMap<string, string>): HoldEntry | undefined {
  const fields = new Map([...broughtFields(written.get('brought') ?? ''), ...written]);
  const text = (field: string): string => fields.get(field) ?? '';
  if (!fields.has('exchange')) return undefined;
  const places = Array.from({ length: Number(text('n')) }, (_, i) => {
    const { budget, scope } = nameOf(text(`k${i + 1}`).replace(/^\{town\}:\d+:/, ''));
    return placeOf(budget, scope, Number(text(`w${i + 1}`)));
  });
  return {
    ...{ id, state: text('state'), micros: BigInt(text('micros')), places },
    ...{ agent: text('agent'), service: text('service'), wallet: text('wallet') },
    ...{ heldAt: Number(text('heldAt')), lease: Number(text('lease')), exposedAt: Number(text('exposedAt')) },
    ...{ pair: text('pair'), closed: Number(text('closedAt')) > 0 },
  };
}

/** A receipt as far as the oracle reads it. */
export interface ReceiptEntry {
  readonly seq: number;
  readonly id: string;
  readonly prev: string;
  readonly at: string;
  readonly kind: string;
  readonly exchange?: string;
  readonly agent?: { readonly id?: string };
  readonly challenge?: { readonly id: string };
  readonly offer?: { readonly atoms: string; readonly asset: string };
  readonly decision?: {
    readonly outcome: string;
    readonly code?: string;
    readonly policy: string;
    readonly entitlement?: string;
  };
  readonly hold?: {
    readonly id: string;
    readonly amount: string;
    readonly budgets: readonly { readonly id: string; readonly scope: string; readonly window: string }[];
  };
  readonly proof?: { readonly identity: string; readonly redeemableUntil: string };
}

/** A disk that lost its power early may have nothing yet. */
const hasLog = (db: DatabaseSync): boolean => all(db, "SELECT 1 FROM sqlite_schema WHERE name = 'receipts'").length > 0;

/** The last receipt of a log; 0 when there is none. */
export const lastIn = (db: DatabaseSync): number =>
  hasLog(db) ? Number(all(db, 'SELECT max(seq) AS seq FROM receipts')[0]?.seq ?? 0) : 0;

/** One log, read on from where it was read to. Throws an Error that says what is wrong with the chain. */
export class LogReader {
  seq = 0;
  #hash = '0'.repeat(64);

  /** What was appended since. */
  read(db: DatabaseSync): ReceiptEntry[] {
    if (!hasLog(db)) return [];
    return all(db, 'SELECT seq, bytes, hash FROM receipts WHERE seq > ? ORDER BY seq LIMIT 5000', this.seq).map(
      (row) => {
        const bytes = String(row.bytes);
        const receipt = JSON.parse(bytes) as ReceiptEntry;
        if (receipt.seq !== this.seq + 1 || Number(row.seq) !== receipt.seq)
          throw new Error(`receipt ${row.seq} does not follow`);
        if (receipt.prev !== this.#hash) throw new Error(`receipt ${receipt.id} does not name the one before it`);
        this.seq = receipt.seq;
        this.#hash = createHash('sha256').update(bytes).digest('hex');
        if (this.#hash !== row.hash) throw new Error(`receipt ${receipt.id} has another hash`);
        return receipt;
      },
    );
  }
}

/** What a rebuild brought of a hold: a field and its value on each two lines. */
function broughtFields(brought: string): [string, string][] {
  const texts = brought.split('\n');
  return Array.from({ length: Math.floor(texts.length / 2) }, (_, n) => [texts[2 * n] ?? '', texts[2 * n + 1] ?? '']);
}
