// Selecting receipts: a filter becomes one statement over the indexes. Used by the state thread and by read-only
// readers.
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { type Receipt, receipt as receiptShape, type Sealed } from '../domain/receipt.ts';
import type { ReceiptFilter } from './ledger.ts';
import type { SELECTORS } from './tables.ts';

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
  const where = [...(since === undefined ? [] : ['at >= ?']), ...(until === undefined ? [] : ['at < ?'])];
  const bounds = [since, until].filter((bound) => bound !== undefined);
  const index = where.length > 0 ? `INDEXED BY receipts_at WHERE ${where.join(' AND ')}` : '';
  const edge = (end: 'min' | 'max') => db.prepare(`SELECT ${end}(seq) AS edge FROM receipts ${index}`).get(...bounds);
  return { first: Number(edge('min')?.edge ?? 1), last: Number(edge('max')?.edge ?? 0) };
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

/** Matching receipts in pages, so that no long read keeps the writer's log from being tidied up. */
export function* selectReceipts(db: DatabaseSync, filter: ReceiptFilter): Generator<StoredReceipt> {
  const { first, last } = seqRange(db, filter);
  const { sql, values } = statementOf(filter);
  const statement = db.prepare(sql);
  let range = { first, last };
  let left = filter.limit ?? Number.MAX_SAFE_INTEGER;
  while (left > 0 && range.first <= range.last) {
    const most = Math.min(left, PAGE);
    const rows = statement.all({ ...values, first: range.first, last: range.last, most }).map(storedOf);
    yield* rows;
    const end = rows.at(-1);
    if (!end || rows.length < most) return;
    left -= rows.length;
    range = filter.ascending ? { ...range, first: end.seq + 1 } : { ...range, last: end.seq - 1 };
  }
}

/** All receipts of a run in order, whatever they hold, in pages. */
export function* storedInRange(db: DatabaseSync, range: SeqRange): Generator<StoredReceipt> {
  const statement = db.prepare(
    'SELECT seq, bytes, hash, kid, signature FROM receipts WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?',
  );
  let first = range.first;
  while (first <= range.last) {
    const rows = statement.all(first, range.last, PAGE).map(storedOf);
    yield* rows;
    const end = rows.at(-1);
    if (!end) return;
    first = end.seq + 1;
  }
}

/** What the chain is made of. */
export type ChainPart = Pick<StoredReceipt, 'bytes' | 'hash'>;

/** As {@link storedInRange}, but only what the chain is made of: much less work for a reader of whole logs. */
export function* chainInRange(db: DatabaseSync, range: SeqRange): Generator<ChainPart> {
  const statement = db.prepare('SELECT seq, bytes, hash FROM receipts WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?');
  statement.setReturnArrays(true);
  let first = range.first;
  while (first <= range.last) {
    const from = first;
    // Row by row, not in an array of rows: what is read is let go at once.
    for (const row of statement.iterate(first, range.last, PAGE)) {
      const parts: unknown = row;
      if (!Array.isArray(parts)) return;
      const [seq, bytes, hash] = parts;
      yield { bytes: String(bytes), hash: String(hash) };
      first = Number(seq) + 1;
    }
    if (first === from) return;
  }
}

/** One receipt by its sequence number. */
export function receiptAt(db: DatabaseSync, seq: number): StoredReceipt | undefined {
  const row = db.prepare('SELECT seq, bytes, hash, kid, signature FROM receipts WHERE seq = ?').get(seq);
  return row && storedOf(row);
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
