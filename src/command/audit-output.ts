// An audit as a table, JSON or CSV: what each side comes to, every difference, and what is uncertain apart from them.
// What came from outside is shown without characters that a terminal or a spreadsheet would obey.
import type { BudgetVerdict } from '../audit/against-budgets.ts';
import type { AuditPeriod, Moved, RailVerdict } from '../audit/against-rails.ts';
import { DIFFERENCES, type Difference } from '../audit/difference.ts';
import type { Purchase } from '../audit/purchases.ts';
import { formatMicros } from '../domain/money.ts';
import { csvRecord } from '../report/csv.ts';
import type { StoreRead } from './audit-store.ts';
import type { Io } from './io.ts';
import type { LogRead } from './report-source.ts';
import { table, visible } from './table.ts';

/** Everything that is printed. */
export interface AuditAnswer {
  readonly period: AuditPeriod;
  readonly timeZone: string;
  readonly currency: string | null;
  readonly logs: readonly LogRead[];
  /** Those of the period. */
  readonly purchases: readonly Purchase[];
  /** Null where the budgets were left out. */
  readonly store: StoreRead | null;
  readonly budgets: BudgetVerdict | null;
  readonly rails: readonly RailVerdict[];
  /** Settled ones for whose payees no books were given. */
  readonly uncovered: readonly Purchase[];
  readonly differences: readonly Difference[];
  readonly notes: readonly string[];
}

/** Do all sides say the same? Not where there was no second one to be asked. */
export function agree({ differences, store, rails }: Pick<AuditAnswer, 'differences' | 'store' | 'rails'>): boolean {
  return differences.length === 0 && (store !== null || rails.length > 0);
}

/** Prints it in the form that was asked for. */
export function printAudit(
  answer: AuditAnswer,
  form: { readonly json?: boolean; readonly csv?: boolean },
  io: Io,
): void {
  if (form.json) io.out(`${visible(JSON.stringify(inJson(answer)))}\n`);
  else if (form.csv) printCsv(answer, io);
  else printTable(answer, io);
}

const COLUMNS = ['difference', 'about', 'receipts', 'budgets', 'rails', 'receipt'] as const;

const cellsOf = ({ kind, about, receipts, budgets, rails, receipt }: Difference) =>
  [kind, about, receipts, budgets, rails, receipt].map((cell) => (cell === null ? null : visible(cell)));

/** A record for each difference; everything else is said on standard error. */
function printCsv(answer: AuditAnswer, io: Io): void {
  io.out(csvRecord(COLUMNS));
  for (const difference of answer.differences) io.out(csvRecord(cellsOf(difference)));
  io.err(`${verdictOf(answer)}\n${sources(answer)}`);
}

function printTable(answer: AuditAnswer, io: Io): void {
  const { differences, currency } = answer;
  io.out(
    `Receipts, budgets and rails ${periodText(answer)}${currency === null ? '' : `, in ${visible(currency)}`}\n\n`,
  );
  io.out(
    table(
      totalsOf(answer).map(({ side, what, payments, amount }) => [side, what, payments, amount]),
      TOTALS,
    ),
  );
  io.out(`\n${verdictOf(answer)}\n`);
  if (differences.length > 0) {
    io.out(
      `\n${table(
        differences.map((one) => cellsOf(one).map((cell) => cell ?? '-')),
        COLUMNS,
      )}`,
    );
    const kinds = [...new Set(differences.map(({ kind }) => kind))];
    io.out(`\n${kinds.map((kind) => `${kind}: ${DIFFERENCES[kind]}\n`).join('')}`);
  }
  const uncertain = uncertainOf(answer);
  if (uncertain.length > 0) {
    io.out(`\nUncertain, and so no difference yet:\n\n`);
    io.out(
      table(
        uncertain.map((one) => Object.values(one).map((cell) => visible(cell ?? '-'))),
        UNCERTAIN,
      ),
    );
  }
  io.out(`\n${sources(answer)}`);
}

const TOTALS = ['side', 'what', 'payments', 'amount'];
const UNCERTAIN = ['hold', 'receipt', 'service', 'amount', 'redeemable until', 'budgets', 'rails'];

interface Total {
  readonly side: 'receipts' | 'budgets' | 'rails';
  readonly what: string;
  readonly payments: string;
  readonly amount: string;
}

/** What each side comes to. The rails count in atoms of assets, everybody else in the accounting currency. */
function totalsOf({ purchases, store, budgets, rails, uncovered }: AuditAnswer): Total[] {
  const ends = (['settled', 'uncertain', 'voided'] as const).map((end) =>
    inMoney(
      'receipts',
      end,
      purchases.filter((one) => one.end === end),
    ),
  );
  const held = store && inMoney('budgets', 'holds open now', store.holds);
  const lines = {
    side: 'budgets',
    what: 'lines compared',
    payments: String(budgets?.lines ?? 0),
    amount: '-',
  } as const;
  const moved = rails.flatMap(({ book, transfers, settled }) =>
    [...new Set([...transfers.keys(), ...settled.keys()])]
      .sort()
      .flatMap((asset) => [
        inAtoms('rails', `${book} has`, asset, transfers.get(asset)),
        inAtoms('receipts', `settled, for ${book}`, asset, settled.get(asset)),
      ]),
  );
  const beyond =
    rails.length === 0 || uncovered.length === 0 ? [] : [inMoney('receipts', 'settled, in no books', uncovered)];
  return [...ends, ...beyond, ...(held ? [held, lines] : []), ...moved];
}

function inMoney(side: Total['side'], what: string, of: readonly Pick<Purchase, 'amount'>[]): Total {
  return { side, what, payments: String(of.length), amount: amountOf(of) };
}

const amountOf = (of: readonly Pick<Purchase, 'amount'>[]): string =>
  formatMicros(of.reduce((sum, one) => sum + one.amount, 0n));

const assetsOf = ({ transfers, settled }: Pick<RailVerdict, 'transfers' | 'settled'>): string[] =>
  [...new Set([...transfers.keys(), ...settled.keys()])].sort();

function inAtoms(side: Total['side'], what: string, asset: string, moved: Moved | undefined): Total {
  const { payments, atoms } = moved ?? { payments: 0, atoms: 0n };
  return { side, what: visible(what), payments: String(payments), amount: `${atoms} atoms of ${visible(asset)}` };
}

/** What nobody can say yet, and what the other sides know of it. */
function uncertainOf({ purchases, store, rails }: AuditAnswer) {
  const held = new Map(store?.holds.map((hold) => [hold.id, hold.state]));
  return purchases
    .filter(({ end }) => end === 'uncertain')
    .map((purchase) => {
      const books = rails.filter(({ uncertain }) => uncertain.has(purchase));
      const found = books.map(({ uncertain }) => uncertain.get(purchase)).find((where) => typeof where === 'string');
      return {
        hold: purchase.hold,
        receipt: purchase.receipt,
        service: purchase.service,
        amount: formatMicros(purchase.amount),
        redeemableUntil: new Date(purchase.redeemableUntil).toISOString(),
        budgets: store ? (held.get(purchase.hold) ?? 'not held') : null,
        rails: found ? `redeemed (${found})` : books.length > 0 ? `not in ${books[0]?.book}` : null,
      };
    });
}

function verdictOf({ differences, store, rails }: AuditAnswer): string {
  const sides = ['receipts', ...(store ? ['budgets'] : []), ...(rails.length > 0 ? ['rails'] : [])];
  if (sides.length < 2) return 'Nothing was compared: there is only one side, the receipts.';
  if (differences.length === 0) return `No difference between ${list(sides)}.`;
  return `${differences.length} ${differences.length === 1 ? 'difference' : 'differences'} between ${list(sides)}.`;
}

const list = (names: readonly string[]): string => `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

function sources({ logs, notes }: AuditAnswer): string {
  const from = logs.map(
    ({ log, first, seq, hash }) =>
      `From log ${log}, seq ${first} to ${seq} (last hash ${hash}), an unbroken signed chain.`,
  );
  return [...from, ...notes.map((note) => `Note: ${note}.`)].map((line) => `${visible(line)}\n`).join('');
}

function periodText({ period: { sinceMs, untilMs }, timeZone }: AuditAnswer): string {
  const since = sinceMs === undefined ? '' : ` from ${instant(sinceMs)}`;
  const until = untilMs === undefined ? '' : ` to before ${instant(untilMs)}`;
  return since + until === '' ? 'of all time' : `of what was intended${since}${until} (time zone ${timeZone})`;
}

const instant = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

function inJson(answer: AuditAnswer) {
  const { period, timeZone, currency, purchases, store, budgets, rails, uncovered, logs, notes } = answer;
  const ended = (end: Purchase['end']) => moneyOf(purchases.filter((one) => one.end === end));
  return {
    agree: agree(answer),
    period: { since: instant(period.sinceMs), until: instant(period.untilMs), timeZone },
    currency,
    receipts: { settled: ended('settled'), uncertain: ended('uncertain'), voided: ended('voided') },
    budgets: store && { openHolds: moneyOf(store.holds), linesCompared: budgets?.lines ?? 0 },
    rails: rails.flatMap((rail) =>
      assetsOf(rail).map((asset) => ({
        book: rail.book,
        asset,
        moved: atomsOf(rail.transfers.get(asset)),
        settled: atomsOf(rail.settled.get(asset)),
      })),
    ),
    settledInNoBooks: moneyOf(uncovered),
    differences: answer.differences,
    uncertain: uncertainOf(answer),
    logs: logs.map(({ log, first, seq, hash, readAt }) => ({ log, first, last: seq, hash, readAt })),
    notes,
  };
}

const moneyOf = (of: readonly Pick<Purchase, 'amount'>[]) => ({ payments: of.length, amount: amountOf(of) });

const atomsOf = (moved: Moved | undefined) => ({
  payments: moved?.payments ?? 0,
  atoms: (moved?.atoms ?? 0n).toString(),
});
