// A report as a table, CSV, JSON or FOCUS data set. Amounts are strings with six decimals everywhere; what came from
// outside is shown without characters that a terminal or a spreadsheet would obey.
import { formatMicros, type Micros } from '../domain/money.ts';
import { barChart } from '../report/chart.ts';
import { csvRecord } from '../report/csv.ts';
import type { Dimension } from '../report/dimensions.ts';
import { FOCUS_COLUMNS, FOCUS_VERSION, focusRecord } from '../report/focus.ts';
import type { Period } from '../report/period.ts';
import type { Row, SpendReport } from '../report/spend.ts';
import { average, type Totals } from '../report/totals.ts';
import type { Io } from './io.ts';
import type { AccountingDays } from './report-period.ts';
import type { LogRead } from './report-source.ts';
import { table, visible } from './table.ts';

/** Everything that is printed. */
export interface Answer extends SpendReport {
  readonly dimensions: readonly Dimension[];
  readonly period: Period;
  readonly days: AccountingDays;
  readonly logs: readonly LogRead[];
  /** What somebody who adds these numbers up should know. */
  readonly notes: readonly string[];
}

const NONE = '(none)';
const GUARANTEE = 'an unbroken hash chain up to its last receipt, whose signature is good';

const FIGURES = [
  ['settled', ({ settled }: Totals) => formatMicros(settled)],
  ['settled_fees', ({ settledFees }: Totals) => formatMicros(settledFees)],
  ['payments', ({ payments }: Totals) => payments.toString()],
  ['uncertain', ({ uncertain }: Totals) => formatMicros(uncertain)],
  ['uncertain_fees', ({ uncertainFees }: Totals) => formatMicros(uncertainFees)],
  ['uncertain_payments', ({ uncertainPayments }: Totals) => uncertainPayments.toString()],
  ['average', (totals: Totals) => optional(average(totals))],
  ['largest', ({ largest }: Totals) => optional(largest)],
] as const;

/** For people: the groups, their total, and where the numbers come from. */
export function printTable(answer: Answer, chart: boolean, io: Io): void {
  const { dimensions, rows, total, currency } = answer;
  const blank = dimensions.map((_, index) => (index === 0 ? 'total' : ''));
  const lines = [...rows.map((row) => [...shownValues(row), ...figures(row.totals)]), [...blank, ...figures(total)]];
  io.out(`Spend ${periodText(answer)}${currency === null ? '' : `, in ${visible(currency)}`}\n\n`);
  io.out(
    table(...aligned(lines, [...dimensions.map(({ name }) => visible(name)), ...figureNames()], dimensions.length)),
  );
  if (chart && rows.length > 0) {
    io.out(`\n${barChart(rows.map((row) => ({ name: shownValues(row).join(' / '), totals: row.totals })))}`);
  }
  io.out(`\n${sources(answer)}`);
}

/** A record for each group, none for the total, so that a sum over a column is right. */
export function printCsv(answer: Answer, io: Io): void {
  const { dimensions, rows, currency } = answer;
  io.out(csvRecord([...dimensions.map(({ name }) => visible(name)), 'currency', ...FIGURES.map(([name]) => name)]));
  for (const { values, totals } of rows) {
    io.out(csvRecord([...values.map(shownOrNull), currency, ...FIGURES.map(([, figure]) => figure(totals) || null)]));
  }
  io.err(sources(answer));
}

/** The columns of FOCUS, as CSV. */
export function printFocus(answer: Answer, io: Io): void {
  const { rows, currency, days } = answer;
  io.out(csvRecord(FOCUS_COLUMNS));
  for (const row of rows) {
    io.out(csvRecord(focusRecord(row, currency ?? '', (day) => days.period(day)).map(shownOrNull)));
  }
  io.err(`FOCUS ${FOCUS_VERSION}; uncertain amounts are no cost there and stand in x_ columns\n${sources(answer)}`);
}

export function printJson({ dimensions, period, days, rows, total, currency, logs, notes }: Answer, io: Io): void {
  const whole = {
    period: { since: instant(period.sinceMs), until: instant(period.untilMs), timeZone: days.zone },
    currency,
    by: dimensions.map(({ name }) => name),
    rows: rows.map(({ values, totals }) => ({
      group: Object.fromEntries(dimensions.map(({ name }, index) => [name, values[index] ?? null])),
      ...jsonTotals(totals),
    })),
    total: jsonTotals(total),
    logs: logs.map(({ log, first, seq, hash, readAt }) => ({ log, first, last: seq, hash, readAt })),
    guarantee: GUARANTEE,
    notes,
  };
  io.out(`${visible(JSON.stringify(whole))}\n`);
}

function jsonTotals(totals: Totals): Record<string, string | number | null> {
  return {
    settled: formatMicros(totals.settled),
    settledFees: formatMicros(totals.settledFees),
    payments: Number(totals.payments),
    uncertain: formatMicros(totals.uncertain),
    uncertainFees: formatMicros(totals.uncertainFees),
    uncertainPayments: Number(totals.uncertainPayments),
    average: optional(average(totals)) || null,
    largest: optional(totals.largest) || null,
  };
}

/** Where the numbers come from, what holds of it, and what to know about them. */
function sources({ logs, notes }: Answer): string {
  const from = logs.map(({ log, first, seq, hash }) =>
    seq < first
      ? `From log ${log}, which has no receipts.`
      : `From log ${log}, seq ${first} to ${seq} (last hash ${hash}): ${GUARANTEE}.`,
  );
  return [...from, ...notes.map((note) => `Note: ${note}.`)].map((line) => `${visible(line)}\n`).join('');
}

function periodText({ period: { sinceMs, untilMs }, days }: Answer): string {
  const since = sinceMs === undefined ? '' : ` from ${instant(sinceMs)}`;
  const until = untilMs === undefined ? '' : ` to before ${instant(untilMs)}`;
  return `by what was bought${since}${until} (time zone ${days.zone})`;
}

/** Figures to the right, so that their points stand under each other. */
function aligned(lines: readonly string[][], header: readonly string[], from: number): [string[][], readonly string[]] {
  const widths = header.map((name, column) =>
    lines.reduce((most, line) => Math.max(most, line[column]?.length ?? 0), name.length),
  );
  const right = (line: readonly string[]) =>
    line.map((cell, column) => (column < from ? cell : cell.padStart(widths[column] ?? 0)));
  return [lines.map(right), right(header)];
}

const figures = (totals: Totals): string[] => FIGURES.map(([, figure]) => figure(totals));

const figureNames = (): string[] => FIGURES.map(([name]) => name.replace('_', ' '));

const shownValues = ({ values }: Row): string[] => values.map((value) => (value === null ? NONE : visible(value)));

const shownOrNull = (value: string | null): string | null => (value === null ? null : visible(value));

const instant = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

function optional(amount: Micros | null): string {
  return amount === null ? '' : formatMicros(amount);
}
