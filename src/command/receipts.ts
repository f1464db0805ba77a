// `purser receipts list | show`: reads the receipt log, also while the gateway runs. Never writes to it.
import { canonicalJson } from '../domain/canonical.ts';
import { RECEIPT_KINDS, type Sealed } from '../domain/receipt.ts';
import type { ReceiptFilter } from '../ledger/ledger.ts';
import type { Io } from './io.ts';
import { type LogOptions, reading, timesOf, Usage, withExit } from './on-log.ts';
import { table, visible } from './table.ts';

/** As written on the command line. */
export interface ListOptions extends LogOptions, Partial<Record<Selector | 'kind' | 'since' | 'until', string>> {
  /** At most this many; 100 in a table and all in JSON unless told. */
  readonly limit?: number;
}

export interface ShowOptions extends LogOptions {
  /** Of a receipt, or of an exchange. */
  readonly id: string;
}

type Selector = (typeof SELECTORS)[number];

const SELECTORS = ['agent', 'owner', 'team', 'service', 'task', 'code', 'payee', 'trace'] as const;
const LIST_DEFAULT = 100;
const HEADER = ['at', 'id', 'kind', 'agent', 'service', 'amount', 'payee', 'code', 'exchange', 'change'];

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
  if (found.length === 0) io.err('no receipt matches\n');
  io.out(table(found.map(rowOf), HEADER));
  if (found.length === limit) io.err(`the newest ${limit} are shown; --limit N shows more\n`);
}

function rowOf({ receipt }: Sealed): string[] {
  const { at, id, kind, agent, service, hold, offer, decision, summary, exchange, change } = receipt;
  const amount = hold ? `${hold.amount} ${offer?.currency ?? ''}`.trim() : offer && `${offer.value} ${offer.currency}`;
  const code = decision?.code ?? (summary && `${summary.count} × ${summary.code}`);
  const cells = [at, id, kind, agent?.id ?? agent?.subject, service?.id, amount, offer?.payee, code, exchange];
  return [...cells, change && orderOf(change)].map((cell) => visible(cell ?? ''));
}

/** What was changed, by whom and why; whole it is in `receipts show`. */
function orderOf({ what, outcome, by, because }: NonNullable<Sealed['receipt']['change']>): string {
  const whose = by === undefined ? '' : ` by ${by}`;
  return `${what}: ${outcome}${whose}${because === undefined ? '' : `, ${because}`}`;
}

const shown = (text: string): string => text.split('\n').map(visible).join('\n');
