// Selecting receipts: a filter becomes one statement over the indexes. Used by the state thread and by read-only
// readers.
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { type Receipt, receipt as receiptShape, type Sealed } from '../domain/receipt.ts';
import type { ReceiptFilter } from './ledger.ts';
import { type Part, readAt } from './segments.ts';
import { headOf, type SELECTORS } from './tables.ts';

/** A receipt as its row holds it. */
export interface StoredReceipt {
  readonly seq: number;
  readonly bytes: string;
  readonly hash: string;
  readonly kid: string;
  readonly signature: string;
}

/** A run of sequence numbers, both ends included; empty when `first` is above `last`. */
export interface SeqRange {
  readonly first: number;
  readonly last: number;
}

const PAGE = 500;

/**
 * The smallest run that holds every receipt with `since` ≤ at < `until`. Clocks may step back, so the first and the
 * last
 * match bound it, not the first and last by time.
 */
export function seqRange(db: DatabaseSync, { since, until }: Pick<ReceiptFilter, 'since' | 'until'>): SeqRange {
  const { seq } = headOf(db);
  if (since === undefined && until === undefined) return { first: 1, last: seq };
  const where = [...(since === undefined ? [] : ['at >= ?']), ...(until === undefined ? [] : ['at < ?'])].join(' AND ');
  const bounds = [since, until].filter((bound) => bound !== undefined);
  const edge = (end: 'min' | 'max') => {
    const sql = `SELECT ${end}(seq) AS seq FROM receipts INDEXED BY receipts_at WHERE ${where} AND seq BETWEEN ? AND ?`;
    const read: ReadPage = (part) =>
      part.db
        .prepare(sql)
        .all(...bounds, part.first, part.last)
        .filter((row) => row.seq);
    const [found] = readPages(db, { first: 1, last: seq }, end === 'min', 1, read);
    return found?.seq;
  };
  return { first: Number(edge('min') ?? 1), last: Number(edge('max') ?? 0) };
}

type Row = Record<string, SQLOutputValue>;

/** At most `most` rows of one part, each with its `seq`, in the order that is asked for. */
export type ReadPage = (part: Part, most: number) => Row[];

/**
 * The rows that `read` finds in a run, part by part, at most `limit`: in pages, so that no long read keeps the writer's
 * log from being tidied up.
 */
export function* readPages(
  db: DatabaseSync,
  { first, last }: SeqRange,
  ascending: boolean,
  limit: number,
  read: ReadPage,
): Generator<Row> {
  let [from, to, left] = [Math.max(first, 1), last, limit];
  while (left > 0 && from <= to) {
    const most = Math.min(left, PAGE);
    const { rows, part } = readAt(db, ascending ? from : to, (whole) => {
      const part = { db: whole.db, first: Math.max(from, whole.first), last: Math.min(to, whole.last) };
      return { part, rows: read(part, most) };
    });
    yield* rows;
    left -= rows.length;
    const reached = rows.length < most ? undefined : Number(rows.at(-1)?.seq);
    if (ascending) from = (reached ?? part.last) + 1;
    else to = (reached ?? part.first) - 1;
  }
}

/**
 * The order in which selectors lead: what usually names the fewest receipts first. The others are looked up in their
 * own indexes for each receipt that the leading one names, so that no pair reads the receipts it leaves out.
 */
const LEADING: readonly Selector[] = [
  ...(['exchange', 'trace', 'task', 'code', 'payee'] as const),
  ...(['service', 'owner', 'team', 'agent', 'kind'] as const),
];

type Selector = (typeof SELECTORS)[number];

/** The statement of a filter, its values, and `:first`, `:last` and `:most` for the page. */
function statementOf(filter: ReceiptFilter): { sql: string; values: Record<string, SQLInputValue> } {
  const values: Record<string, SQLInputValue> = {};
  const given = LEADING.filter((column) => filter[column] !== undefined);
  for (const column of given) values[column] = filter[column] ?? null;
  const [leading, ...others] = given;
  const times = [
    ...(filter.since === undefined ? [] : ['t.at >= :since']),
    ...(filter.until === undefined ? [] : ['t.at < :until']),
  ];
  if (filter.since !== undefined) values.since = filter.since;
  if (filter.until !== undefined) values.until = filter.until;
  const where = [
    ...(leading === undefined ? [] : [`${leading} = :${leading}`]),
    'seq BETWEEN :first AND :last',
    ...others.map(
      (column) =>
        `EXISTS (SELECT 1 FROM receipts t INDEXED BY receipts_${column} ` +
        `WHERE t.${column} = :${column} AND t.seq = receipts.seq)`,
    ),
    // Last, since it alone has to read the receipt's own row.
    ...(times.length === 0
      ? []
      : [`EXISTS (SELECT 1 FROM receipts t WHERE t.seq = receipts.seq AND ${times.join(' AND ')})`]),
  ];
  const from = leading === undefined ? 'receipts' : `receipts INDEXED BY receipts_${leading}`;
  const order = filter.ascending ? 'ASC' : 'DESC';
  const columns = 'seq, bytes, hash, kid, signature';
  const sql = `SELECT ${columns} FROM ${from} WHERE ${where.join(' AND ')} ORDER BY seq ${order} LIMIT :most`;
  return { sql, values };
}

/** Matching receipts, streamed. */
export function* selectReceipts(db: DatabaseSync, filter: ReceiptFilter): Generator<StoredReceipt> {
  const { sql, values } = statementOf(filter);
  const read: ReadPage = ({ db: part, first, last }, most) => part.prepare(sql).all({ ...values, first, last, most });
  const { ascending = false, limit = Number.MAX_SAFE_INTEGER } = filter;
  for (const row of readPages(db, seqRange(db, filter), ascending, limit, read)) yield storedOf(row);
}

/** These columns of all receipts of a run in order, streamed. */
function inRange(db: DatabaseSync, range: SeqRange, columns: string): Generator<Row> {
  const sql = `SELECT seq, ${columns} FROM receipts WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?`;
  const read: ReadPage = ({ db: part, first, last }, most) => part.prepare(sql).all(first, last, most);
  return readPages(db, range, true, Number.MAX_SAFE_INTEGER, read);
}

/** All receipts of a run in order, whatever they hold. */
export function* storedInRange(db: DatabaseSync, range: SeqRange): Generator<StoredReceipt> {
  for (const row of inRange(db, range, 'bytes, hash, kid, signature')) yield storedOf(row);
}

/** What the chain is made of. */
export type ChainPart = Pick<StoredReceipt, 'bytes' | 'hash'>;

/**
 * As {@link storedInRange}, but only what the chain is made of, and read as arrays, which cost SQLite's binding less: a
 * reader of whole logs does little else.
 */
export function* chainInRange(db: DatabaseSync, range: SeqRange): Generator<ChainPart> {
  const sql = 'SELECT seq, bytes, hash FROM receipts WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?';
  const read: ReadPage = ({ db: part, first, last }, most) => {
    const statement = part.prepare(sql);
    statement.setReturnArrays(true);
    // The binding's types do not know what it returns then.
    const rows = statement.all(first, last, most) as unknown[] as SQLOutputValue[][];
    return rows.map(([seq = null, bytes = null, hash = null]) => ({ seq, bytes, hash }));
  };
  for (const { bytes, hash } of readPages(db, range, true, Number.MAX_SAFE_INTEGER, read)) {
    yield { bytes: String(bytes), hash: String(hash) };
  }
}

/** As {@link storedInRange}, but only what the leaves of the tree are made of. */
export function* leavesInRange(
  db: DatabaseSync,
  range: SeqRange,
): Generator<Pick<StoredReceipt, 'hash' | 'signature'>> {
  for (const { hash, signature } of inRange(db, range, 'hash, signature')) {
    yield { hash: String(hash), signature: String(signature) };
  }
}

/** One receipt by its sequence number. */
export function receiptAt(db: DatabaseSync, seq: number): StoredReceipt | undefined {
  const row = readAt(db, seq, (part) => bySeq(part.db).get(seq));
  return row && storedOf(row);
}

const statements = new WeakMap<DatabaseSync, StatementSync>();

/** Prepared once for a database: what was left open is looked up thousands of times in a row. */
function bySeq(db: DatabaseSync): StatementSync {
  const known = statements.get(db);
  const statement = known ?? db.prepare('SELECT seq, bytes, hash, kid, signature FROM receipts WHERE seq = ?');
  if (!known) statements.set(db, statement);
  return statement;
}

/** The sequence number in an id of this log, or undefined when it is another's or none. */
export function seqOfId(log: string, id: string): number | undefined {
  const match = /^([^.]+)\.([1-9][0-9]{0,15})$/.exec(id);
  return match?.[1] === log ? Number(match[2]) : undefined;
}

/** A row read back into its receipt. Throws when the bytes in the database are not a receipt any more. */
export function sealedOf(stored: StoredReceipt): Sealed {
  const value: Receipt = receiptShape.parse(JSON.parse(stored.bytes));
  return { receipt: value, hash: stored.hash };
}

function storedOf(row: Record<string, unknown>): StoredReceipt {
  return {
    seq: Number(row.seq),
    bytes: String(row.bytes),
    hash: String(row.hash),
    kid: String(row.kid),
    signature: String(row.signature),
  };
}
