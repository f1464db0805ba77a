// `purser audit`: do receipts, budgets and rails say the same? It only reads, and prints every difference in either
// direction; exit code 1 when there is one. Of a log that does not hold it prints nothing.
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type BudgetVerdict, compareWithStore } from '../audit/against-budgets.ts';
import { type AuditPeriod, compareWithBook, PurchaseIndex } from '../audit/against-rails.ts';
import { readBooks } from '../audit/books.ts';
import { CsvWrong } from '../audit/csv.ts';
import { Purchases } from '../audit/purchases.ts';
import type { Book } from '../audit/transfer.ts';
import type { Config } from '../config/config.ts';
import { asOperator, type OrderOptions } from './as-operator.ts';
import { type Chains, readChains } from './audit-chain.ts';
import { type AuditAnswer, agree, printAudit } from './audit-output.ts';
import { readStore, type StoreRead } from './audit-store.ts';
import type { Io } from './io.ts';
import { readConfig } from './read-config.ts';
import { AccountingDays, PeriodWrong, type WrittenPeriod } from './report-period.ts';
import { readReceipts } from './report-reading.ts';
import { type LogRead, readingOf, Unusable } from './report-source.ts';
import { visible } from './table.ts';

/** As written on the command line. */
export interface AuditOptions extends OrderOptions, WrittenPeriod {
  /** Export files instead of the live log. */
  readonly from?: readonly string[];
  /** JWKS files with the keys of the exports' logs; this configuration's own key unless told. */
  readonly keys?: readonly string[];
  /** Extracts of payees' books. */
  readonly books?: readonly string[];
  /** Payees that the extracts answer for, though they may have no row of them. */
  readonly payee?: readonly string[];
  /** Ask the nodes of `networks` too. */
  readonly chain?: boolean;
  readonly withoutBudgets?: boolean;
  /** Instead of `accounting.timeZone`. */
  readonly timeZone?: string;
  readonly csv?: boolean;
}

/** A mistake on the command line: exit code 2. */
class Usage extends Error {}

/** What was sealed so shortly before the budgets were asked may not have reached them yet. */
const GRACE_MS = 2_000;
/** A payment may be taken long after it was intended: purchases from so long before the period are known too. */
const LEAD_MS = 7 * 86_400_000;
const TRAIL_MS = 3_600_000;
const MOST_BOOK_BYTES = 512 * 1024 * 1024;

/** Prints what came of it: 0 when all sides agree, 1 when they do not or a log does not hold, 2 when asked wrongly. */
export async function audit(options: AuditOptions, io: Io, now = Date.now): Promise<number> {
  try {
    if (options.csv && options.json) throw new Usage('choose one of --csv and --json');
    if (options.payee && !options.books) throw new Usage('--payee says for whom --books answers: name those too');
    if (options.keys && !options.from) {
      throw new Usage('--keys belongs to exports: name them with --from, or leave out --keys');
    }
    if (options.withoutBudgets && !options.books && !options.chain) {
      throw new Usage('there is nothing to compare with: name --books or --chain, or leave out --without-budgets');
    }
    const place = placeOf(options, io);
    if (!place) return 1;
    const days = new AccountingDays(place.timeZone);
    const asked = options.month ?? options.since ?? options.until;
    const period = asked === undefined ? {} : days.read(options);
    const books = await Promise.all((options.books ?? []).map((file) => readBook(file, options, place.config)));
    const store = options.withoutBudgets ? null : await askStore(options, place.timeZone, io, now);
    if (store === undefined) return 1;
    const answer = await compare({ options, place, period, books, store, now });
    printAudit({ ...answer, period, timeZone: days.zone }, options, io);
    return agree(answer) ? 0 : 1;
  } catch (error) {
    const lines = (error instanceof Error ? error.message : 'failed').split('\n');
    io.err(`purser audit: ${lines.map(visible).join('\n')}\n`);
    return error instanceof Usage || error instanceof PeriodWrong || error instanceof Unusable ? 2 : 1;
  }
}

interface Place {
  readonly timeZone: string;
  /** Null when it was not needed. */
  readonly config: Config | null;
}

/** Exports with their keys and a time zone need no configuration unless its own gateway or its nodes are asked. */
function placeOf(options: AuditOptions, io: Io): Place | undefined {
  const { from, keys, timeZone, withoutBudgets, gateway, chain } = options;
  if (from && keys && timeZone !== undefined && (withoutBudgets || gateway !== undefined) && !chain) {
    return { timeZone, config: null };
  }
  // The addresses of nodes are secrets.
  const config = readConfig(options.config, io, chain ? 'read' : 'skip');
  return config && { timeZone: timeZone ?? config.accounting.timeZone, config };
}

/** Null is never its answer: undefined when the store could not be read, which has been said then. */
async function askStore(
  options: AuditOptions,
  timeZone: string,
  io: Io,
  now: () => number,
): Promise<StoreRead | undefined> {
  let read: StoreRead | undefined;
  await asOperator(options, io, async (operator) => {
    read = await readStore(operator, timeZone, now);
    return 0;
  });
  return read;
}

async function readBook(file: string, options: AuditOptions, config: Config | null): Promise<Book> {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (!stats?.isFile()) throw new Usage(`--books ${file} is not a file; name a CSV extract`);
  if (stats.size > MOST_BOOK_BYTES) throw new Usage(`--books ${file} is too large; split it by time`);
  const bytes = await readFile(file);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return readBooks(text, { name: basename(file), assetOf: assetNames(config), payees: options.payee ?? [] });
  } catch (error) {
    if (error instanceof CsvWrong) throw new Usage(`--books ${file}:${error.line}: ${error.message}`);
    if (error instanceof TypeError) throw new Usage(`--books ${file} is not UTF-8; save it as UTF-8`);
    throw error;
  }
}

/** An asset is called by its id, or as its rail calls it where only one asset is called so. */
function assetNames(config: Config | null): (written: string) => string {
  return (written) => {
    const assets = config?.assets ?? [];
    if (assets.some(({ id }) => id === written)) return written;
    const [called, ...more] = assets.filter(({ token }) => token.toLowerCase() === written.toLowerCase());
    return called && more.length === 0 ? called.id : written;
  };
}

interface Sides {
  readonly options: AuditOptions;
  readonly place: Place;
  readonly period: AuditPeriod;
  readonly books: readonly Book[];
  readonly store: StoreRead | null;
  readonly now: () => number;
}

async function compare(sides: Sides): Promise<Omit<AuditAnswer, 'period' | 'timeZone'>> {
  const { period, store } = sides;
  const movingSince = store ? store.askedAt - GRACE_MS : Number.POSITIVE_INFINITY;
  const { sinceMs = 0, untilMs = Number.POSITIVE_INFINITY } = period;
  const keep = (at: number): boolean => at >= sinceMs - LEAD_MS && at < untilMs + TRAIL_MS;
  const purchases = new Purchases({ keep, movingSince }, new Set(store?.holds.map(({ id }) => id)));
  const reading = readingOf(sides.options, sides.place.config?.state.dir ?? null, sides.now());
  const logs = await readReceipts(reading, (receipt) => purchases.take(receipt));
  purchases.finish();
  const budgets = store && compareWithStore(purchases, store, movingSince);
  const index = new PurchaseIndex(purchases.kept.values());
  const chains = await askNodes(sides, index, logs);
  const books = [...sides.books, ...chains.books];
  const rails = books.map((book) => compareWithBook(index, book, period));
  const inPeriod = index.all.filter(({ at }) => at >= sinceMs && at < untilMs);
  return {
    currency: purchases.currency,
    logs,
    purchases: inPeriod,
    store,
    budgets,
    rails,
    uncovered: inPeriod.filter((one) => one.end === 'settled' && !books.some((book) => book.covers(one))),
    differences: [...(budgets?.differences ?? []), ...rails.flatMap(({ differences }) => differences)],
    notes: [...notesOf(sides, logs, budgets), ...emptyNotes(sides), ...chains.unasked.map(unaskedNote)],
  };
}

/** From the first receipt on: what was moved before there was a log says nothing of it. */
async function askNodes(
  { options, place, period, now }: Sides,
  index: PurchaseIndex,
  logs: readonly LogRead[],
): Promise<Chains> {
  if (!options.chain || !place.config) return { books: [], unasked: [] };
  const begins = logs.map((log) => (log.begins === null ? now() : Date.parse(log.begins)));
  return readChains(place.config, index.all, period.sinceMs ?? Math.min(...begins), now());
}

const unaskedNote = (network: string): string =>
  `no node of ${network} is configured (networks): what was paid there was not compared with its chain`;

/** Rails that have nothing to compare with: no difference to them says little. */
function emptyNotes({ options, place, books, period }: Sides): string[] {
  const { sinceMs = 0, untilMs = Number.POSITIVE_INFINITY } = period;
  const chain = options.chain && place.config?.networks.length === 0;
  const unasked = chain ? ['--chain asked nobody: the configuration names no node (networks)'] : [];
  const empty = books.flatMap(({ name, transfers }) => {
    if (transfers.some(({ at }) => at >= sinceMs && at < untilMs)) return [];
    if (transfers.length > 0) return [`${name} has ${transfers.length} rows, and none of them in this time`];
    return [`${name} has no row: it answers for nobody but those that --payee names`];
  });
  return [...unasked, ...empty];
}

/** What somebody who goes after a difference should know. */
function notesOf({ options, place, store }: Sides, logs: readonly LogRead[], budgets: BudgetVerdict | null): string[] {
  const notes: string[] = [];
  for (const { log, first, begins, readAt } of logs) {
    if (first > 1) notes.push(`what log ${log} has before seq ${first}, ${begins}, was not read`);
    if (store && options.from && Date.parse(readAt) < store.askedAt) {
      notes.push(
        `log ${log} was read as of ${readAt}, the budgets later: what was bought between shows as differences`,
      );
    }
  }
  for (const log of budgets?.missingLogs ?? []) {
    notes.push(
      `the budget store holds money for log ${log}, whose receipts were not read: name its export too (--from)`,
    );
  }
  if (store && place.config?.budgets.store === 'redis' && logs.length === 1) {
    notes.push('other gateways may count in the same store: name the exports of all of them, or counters differ');
  }
  for (const id of budgets?.goneBudgets ?? []) {
    notes.push(`budget ${id} is in receipts, but no policy in force has it: its counters were not compared`);
  }
  for (const id of budgets?.partBudgets ?? []) {
    notes.push(`budget ${id} counts for more scopes than can be listed: only its fullest ones were compared`);
  }
  return notes;
}
