// `purser receipts list | show | export | verify`: reads the receipt log, also while the gateway runs. Never writes to
// it.
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { canonicalJson } from '../domain/canonical.ts';
import { RECEIPT_KINDS, type Sealed } from '../domain/receipt.ts';
import { readInstant } from '../domain/rfc3339.ts';
import { exportLines } from '../ledger/export.ts';
import { readLogKey } from '../ledger/key-files.ts';
import type { ReceiptFilter } from '../ledger/ledger.ts';
import { readLines } from '../ledger/lines.ts';
import { LedgerReader } from '../ledger/reader.ts';
import { type Verdict, type VerifyOptions, verifyLog } from '../ledger/verify.ts';
import { openReadOnly } from '../state/database.ts';
import type { Io } from './io.ts';
import { LineFile } from './line-file.ts';
import { readConfig } from './read-config.ts';
import { table, visible } from './table.ts';

/** What every receipts command takes. */
export interface ReceiptsOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** As written on the command line. */
export interface ListOptions extends ReceiptsOptions, Partial<Record<Selector | 'kind' | 'since' | 'until', string>> {
  /** At most this many; 100 in a table and all in JSON unless told. */
  readonly limit?: number;
}

export interface ShowOptions extends ReceiptsOptions {
  /** Of a receipt, or of an exchange. */
  readonly id: string;
}

export interface ExportOptions extends ReceiptsOptions {
  readonly since?: string;
  readonly until?: string;
  /** The file to write; standard output when absent. */
  readonly out?: string;
}

export interface VerifyCommandOptions extends ReceiptsOptions {
  /** The export to check; the live log of the configuration when absent. */
  readonly file?: string;
  /** A JWKS file; the configuration's own key when absent. */
  readonly keys?: string;
  /** A file with a head kept elsewhere. */
  readonly head?: string;
}

type Selector = (typeof SELECTORS)[number];

const SELECTORS = ['agent', 'owner', 'team', 'service', 'task', 'code', 'payee', 'trace'] as const;
const LIST_DEFAULT = 100;
const HEADER = ['at', 'id', 'kind', 'agent', 'service', 'amount', 'payee', 'code', 'exchange'];

/** A mistake on the command line: exit code 2. */
class Usage extends Error {}

/** Receipts that match, newest first. */
export function list(options: ListOptions, io: Io): Promise<number> {
  return withExit(io, () => {
    const filter = filterOf(options);
    return reading(options, io, (reader) => {
      const found = reader.iterate(filter);
      if (options.json) listJson(found, io);
      else listTable(Array.from(found), filter.limit ?? LIST_DEFAULT, io);
      return 0;
    });
  });
}

/** One receipt by its id, or all receipts of an exchange; exit code 1 when there is none. */
export function show({ id, ...options }: ShowOptions, io: Io): Promise<number> {
  return withExit(io, () =>
    reading(options, io, (reader) => {
      const one = reader.find(id);
      const found = one ? [one] : Array.from(reader.iterate({ exchange: id, ascending: true }));
      for (const { receipt, hash } of found) io.out(`${shown(JSON.stringify({ receipt, hash }, null, 2))}\n`);
      if (found.length > 0) return 0;
      io.err(`no receipt and no exchange ${visible(id)} in log ${reader.log}; see "purser receipts list"\n`);
      return 1;
    }),
  );
}

/** An unbroken run of receipts as JSON Lines, ended by a signed head. */
function exportLog(options: ExportOptions, io: Io): Promise<number> {
  return withExit(io, () => {
    const times = timesOf(options);
    return reading(options, io, (reader, dir) => {
      const range = reader.range(times);
      if (range.first > range.last && reader.head().seq > 0) {
        io.err('there are no receipts in this time: nothing was exported\n');
        return 1;
      }
      const key = readLogKey(dir, reader.kid());
      const end = { log: reader.log, head: reader.headAt(range.last), at: new Date().toISOString(), key };
      const lines = exportLines(reader.stored(range), end);
      if (options.out === undefined) for (const line of lines) io.out(`${line}\n`);
      else new LineFile(options.out).writeAll(lines);
      return 0;
    });
  });
}

export { exportLog as export };

/** Checks an export, or the live log, from its bytes; exit code 1 at the first fault. */
export function verify(options: VerifyCommandOptions, io: Io): Promise<number> {
  return withExit(io, async () => {
    const head = options.head === undefined ? {} : { head: readText(options.head) };
    const { file, keys } = options;
    if (file !== undefined && keys !== undefined) {
      return conclude(await verifyFile(file, { keys: readJwks(keys), ...head }), options, io);
    }
    return reading(options, io, async (reader, dir) => {
      const key = readLogKey(dir, reader.kid());
      const against = { keys: keys === undefined ? { keys: [key.jwk] } : readJwks(keys), ...head };
      if (file !== undefined) return conclude(await verifyFile(file, against), options, io);
      const end = { log: reader.log, head: reader.head(), at: new Date().toISOString(), key };
      const lines = exportLines(reader.stored({ first: 0, last: end.head.seq }), end);
      return conclude(await verifyLog(lines, { ...against, fromStart: true }), options, io);
    });
  });
}

async function verifyFile(path: string, against: VerifyOptions): Promise<Verdict> {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Usage(`${path} is a folder; name an export`);
  const stream = createReadStream(path);
  await new Promise<void>((resolve, reject) => {
    stream.once('ready', resolve);
    stream.once('error', () => reject(new Usage(unreadable(path))));
  });
  return verifyLog(readLines(stream), against);
}

function conclude(verdict: Verdict, options: ReceiptsOptions, io: Io): number {
  if (options.json) {
    io.out(`${visible(JSON.stringify(verdict))}\n`);
    return verdict.ok ? 0 : 1;
  }
  if (!verdict.ok) {
    io.err(`the log is NOT intact: at seq ${verdict.seq}: ${visible(verdict.fault)}\n`);
    io.err('Keep it as it is, and compare it with an export or a signed head from elsewhere.\n');
    return 1;
  }
  for (const warning of verdict.warnings) io.err(`warning: ${visible(warning)}\n`);
  const count = verdict.last - verdict.first + 1;
  const run = count > 0 ? `${count} receipts, seq ${verdict.first} to ${verdict.last}` : 'no receipts yet';
  io.out(`log ${visible(verdict.log)} is intact: ${run}, last hash ${verdict.hash}\n`);
  return 0;
}

async function reading(
  options: ReceiptsOptions,
  io: Io,
  work: (reader: LedgerReader, dir: string) => number | Promise<number>,
): Promise<number> {
  const config = readConfig(options.config, io, 'skip');
  if (!config) return 1;
  const reader = new LedgerReader(openReadOnly(config.state.dir));
  try {
    return await work(reader, config.state.dir);
  } finally {
    reader.close();
  }
}

async function withExit(io: Io, work: () => number | Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    io.err(`${visible(error instanceof Error ? error.message : 'failed')}\n`);
    return error instanceof Usage ? 2 : 1;
  }
}

function filterOf(options: ListOptions): ReceiptFilter {
  const chosen = SELECTORS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]));
  const kind = RECEIPT_KINDS.find((known) => known === options.kind);
  if (options.kind !== undefined && !kind) {
    throw new Usage(`--kind ${options.kind || '""'} is not known; choose one of ${RECEIPT_KINDS.join(', ')}`);
  }
  const limit = options.limit ?? (options.json ? undefined : LIST_DEFAULT);
  return {
    ...Object.fromEntries(chosen),
    ...(kind ? { kind } : {}),
    ...timesOf(options),
    ...(limit === undefined ? {} : { limit }),
  };
}

function timesOf({ since, until }: { readonly since?: string; readonly until?: string }) {
  return {
    ...(since === undefined ? {} : { since: instantOf('--since', since) }),
    ...(until === undefined ? {} : { until: instantOf('--until', until) }),
  };
}

function instantOf(name: string, written: string): string {
  const instant = readInstant(/^\d{4}-\d\d-\d\d$/.test(written) ? `${written}T00:00:00Z` : written);
  if (instant === undefined) throw new Usage(`${name} takes a time such as 2026-11-23 or 2026-11-23T10:00:00Z`);
  return new Date(instant).toISOString();
}

function listJson(found: Iterable<Sealed>, io: Io): void {
  io.out('{"receipts":[');
  let separator = '\n';
  for (const { receipt, hash } of found) {
    io.out(`${separator}${visible(canonicalJson({ receipt, hash }))}`);
    separator = ',\n';
  }
  io.out('\n]}\n');
}

function listTable(found: readonly Sealed[], limit: number, io: Io): void {
  io.out(table(found.map(rowOf), HEADER));
  if (found.length === limit) io.err(`the newest ${limit} are shown; --limit N shows more\n`);
}

function rowOf({ receipt }: Sealed): string[] {
  const { at, id, kind, agent, service, hold, offer, decision, summary, exchange } = receipt;
  const amount = hold ? `${hold.amount} ${offer?.currency ?? ''}`.trim() : offer && `${offer.value} ${offer.currency}`;
  const code = decision?.code ?? (summary && `${summary.count} × ${summary.code}`);
  const cells = [at, id, kind, agent?.id ?? agent?.subject, service?.id, amount, offer?.payee, code, exchange];
  return cells.map((cell) => visible(cell ?? ''));
}

const unreadable = (path: string): string => `${path || '""'} cannot be read; name a file that is there`;

const shown = (text: string): string => text.split('\n').map(visible).join('\n');

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Usage(unreadable(path));
  }
}

function readJwks(path: string): unknown {
  try {
    return JSON.parse(readText(path));
  } catch (error) {
    throw error instanceof Usage
      ? error
      : new Usage(`${path} is not a JSON key set; GET /keys of the gateway answers one`);
  }
}
