// What the state thread does for the ledger: seals entries onto the chain, remembers what is unfinished, reads back.
// Hashing and signing happen here, away from the gateway's event loop.
import type { DatabaseSync } from 'node:sqlite';
import { codedError, type Operations } from '../domain/operations.ts';
import { type ReceiptEntry, receiptEntry, type Sealed } from '../domain/receipt.ts';
import { bindReceipt, type DatedKey, type Head, type Link, nextLink, RECEIPT_TYP, signingInput } from './chain.ts';
import { checkpointOperations } from './checkpoints.ts';
import { openMaskKey } from './key-files.ts';
import { type Keys, openKeys } from './key-ring.ts';
import type { ReceiptFilter } from './ledger.ts';
import { addLogKey, datedKeys } from './log-keys.ts';
import { receiptAt, sealedOf, selectReceipts, seqOfId } from './query.ts';
import { checkSegments } from './segments.ts';
import { Signing } from './signing.ts';
import { headOf, prepareTables, RECEIPT_COLUMNS, type SELECTORS } from './tables.ts';
import { unfinishedOperations } from './unfinished.ts';

/** What the ledger needs to know in the state thread. */
export interface LedgerSettings {
  /** The state folder, where the keys are. */
  readonly dir: string;
  /** A development issuer or sandbox wallet is in use: every receipt says so. */
  readonly development: boolean;
}

/** What the gateway's side is told at first, and again after a rotation. */
export interface LedgerAbout {
  readonly log: string;
  /** All public keys of the log, the current one last. */
  readonly keys: readonly DatedKey[];
  /** A rotation is sealed, but the key before it still lies beside the new one. */
  readonly rotating: boolean;
  readonly maskKey: Uint8Array;
  /** The newest receipt's number; 0 when there is none. */
  readonly newest: number;
}

/** What sealing added to the entry. */
export interface SealedLink {
  readonly link: Link;
  readonly hash: string;
}

/** Who rotates the log's key, and why. */
export interface Rotation {
  readonly by: string;
  readonly because: string;
}

const LIST_DEFAULT = 100;
const LIST_MOST = 1_000;

/**
 * The ledger's operations on this database. `now` is the wall clock in milliseconds. Throws an Error with code
 * `state_damaged` or `state_unsafe` when the log's keys or segments are not what the receipts need.
 */
export function ledgerOperations(db: DatabaseSync, settings: LedgerSettings, now: () => number): Operations {
  const { log } = prepareTables(db);
  checkSegments(db);
  const keys = openKeys(db, settings.dir);
  const maskKey = openMaskKey(settings.dir, headOf(db).seq);
  const seal = sealer(db, { log, keys, development: settings.development, now });
  const about = (): LedgerAbout => ({
    ...{ log, keys: datedKeys(db), rotating: keys.rotating(), maskKey },
    newest: headOf(db).seq,
  });
  const synced = db.prepare("INSERT OR REPLACE INTO ledger VALUES ('synced', ?)");
  return {
    'ledger.about': { durable: false, run: about },
    'ledger.seal': { durable: true, run: (entry) => sealOne(seal, readEntry(entry)) },
    'ledger.find': { durable: false, run: (id) => find(db, seqOfId(log, String(id))) },
    'ledger.list': { durable: false, run: (filter) => list(db, filter as ReceiptFilter) },
    'ledger.exchange': { durable: false, run: (exchange) => ofExchange(db, String(exchange)) },
    'ledger.rotate': { durable: true, run: (rotation) => rotate(db, keys, seal, rotation as Rotation) },
    // What was committed before it, also by a process that is gone, is on the disk once this is answered.
    'ledger.sync': { durable: true, run: () => void synced.run(String(now())) },
    'ledger.retire': { durable: false, run: () => keys.retire() },
    ...unfinishedOperations(db, seal),
    ...checkpointOperations(db, log, () => keys.current()),
  };
}

function readEntry(value: unknown): ReceiptEntry {
  const entry = receiptEntry.safeParse(value);
  if (!entry.success) throw codedError('entry_invalid', `not a receipt entry: ${entry.error.message}`);
  const { kind, hold, exchange } = entry.data;
  if ((kind === 'intended' || isOutcome(kind)) && (!hold || !exchange)) {
    throw codedError('entry_invalid', `a receipt of kind ${kind} must name its hold and its exchange`);
  }
  if (entry.data.nextKey) throw codedError('entry_invalid', 'only a rotation names a next key');
  return entry.data;
}

const isOutcome = (kind: ReceiptEntry['kind']): boolean =>
  kind === 'settled' || kind === 'voided' || kind === 'uncertain' || kind === 'resolved';

interface Sealer {
  readonly log: string;
  readonly keys: Keys;
  readonly development: boolean;
  readonly now: () => number;
}

/** Appends entries to the chain, in their order. */
type Seal = (entries: Iterable<ReceiptEntry>) => Appended[];

/** A receipt as it was appended: with its canonical bytes. */
export interface Appended extends SealedLink {
  readonly bytes: string;
}

function sealer(db: DatabaseSync, { log, keys, development, now }: Sealer): Seal {
  // By place, not by name: binding names costs a third of the insert.
  const values = RECEIPT_COLUMNS.map(() => '?').join(', ');
  const insert = db.prepare(`INSERT INTO receipts (${RECEIPT_COLUMNS.join(', ')}) VALUES (${values})`);
  const remember = rememberer(db);
  const last = db.prepare('SELECT seq, hash FROM receipts ORDER BY seq DESC LIMIT 1');
  // Head and key are read each time rather than kept: a batch that is rolled back then needs no undoing here.
  const headNow = (): Head => {
    const row = last.get();
    return row ? { seq: Number(row.seq), hash: String(row.hash) } : headOf(db);
  };
  return (entries) => {
    const key = keys.current();
    const signing = new Signing(key.privateKey);
    let head = headNow();
    const bound = Array.from(entries, (entry) => {
      const link = nextLink(log, head, new Date(now()).toISOString(), development);
      const { bytes, hash } = bindReceipt(entry, link);
      signing.add(signingInput(bytes, RECEIPT_TYP, key.kid));
      head = { seq: link.seq, hash };
      return { entry, link, bytes, hash };
    });
    const signatures = signing.finish();
    return bound.map(({ entry, link, bytes, hash }, index) => {
      const row: Readonly<Record<string, string | number | null>> = {
        ...{ seq: link.seq, at: link.at, ...selectorsOf(entry) },
        ...{ hash, kid: key.kid, signature: signatures[index] ?? null, bytes },
      };
      insert.run(...RECEIPT_COLUMNS.map((column) => row[column] ?? null));
      remember(entry, link.seq);
      return { link, hash, bytes };
    });
  };
}

/** What of it crosses back to the gateway's thread, which knows the entry. */
function sealOne(seal: Seal, entry: ReceiptEntry): SealedLink {
  const [appended] = seal([entry]);
  if (!appended) throw new Error('nothing was appended');
  return { link: appended.link, hash: appended.hash };
}

// The old key seals that the new one takes over: who trusts the old one can then trust the new one.
function rotate(db: DatabaseSync, keys: Keys, seal: Seal, { by, because }: Rotation): SealedRotation {
  const { kid, x } = keys.next();
  const change = { what: 'rotate the log key', outcome: 'applied', by, because } as const;
  const entry: ReceiptEntry = { kind: 'operator', change, nextKey: { kid, x } };
  const sealed = sealOne(seal, entry);
  addLogKey(db, { seq: sealed.link.seq + 1, kid, x });
  return { ...sealed, entry };
}

/** A rotation as it was sealed. */
export interface SealedRotation extends SealedLink {
  readonly entry: ReceiptEntry;
}

function selectorsOf(entry: ReceiptEntry): Record<(typeof SELECTORS)[number], string | null> {
  return {
    kind: entry.kind,
    exchange: entry.exchange ?? null,
    agent: entry.agent?.id ?? entry.summary?.agent ?? null,
    owner: entry.agent?.owner ?? null,
    team: entry.agent?.team ?? null,
    service: entry.service?.id ?? null,
    task: entry.agent?.task ?? entry.agent?.taskClaimed ?? null,
    code: entry.decision?.code ?? entry.summary?.code ?? null,
    payee: entry.offer?.payee ?? null,
    trace: entry.trace ?? null,
  };
}

// Which holds recovery has to look at, kept in the same transaction as the receipts themselves.
function rememberer(db: DatabaseSync): (entry: ReceiptEntry, seq: number) => void {
  const intend = db.prepare('INSERT OR IGNORE INTO unfinished (hold, intended) VALUES (?, ?)');
  const end = db.prepare(
    'INSERT INTO unfinished (hold, outcome) VALUES (?, ?) ON CONFLICT (hold) DO UPDATE SET outcome = excluded.outcome',
  );
  return (entry, seq) => {
    if (!entry.hold) return;
    if (entry.kind === 'intended') intend.run(entry.hold.id, seq);
    else if (isOutcome(entry.kind)) end.run(entry.hold.id, seq);
  };
}

function find(db: DatabaseSync, seq: number | undefined): Sealed | undefined {
  const stored = seq === undefined ? undefined : receiptAt(db, seq);
  return stored && sealedOf(stored);
}

function list(db: DatabaseSync, filter: ReceiptFilter): Sealed[] {
  const limit = Math.min(filter.limit ?? LIST_DEFAULT, LIST_MOST);
  return Array.from(selectReceipts(db, { ...filter, limit }), sealedOf);
}

function ofExchange(db: DatabaseSync, exchange: string): Sealed[] {
  return Array.from(selectReceipts(db, { exchange, ascending: true }), sealedOf);
}
