// `purser report`: what was spent, for charge-back. It only reads: the log of this configuration, also while the
// gateway runs, or exports. What it prints is whole or nothing: of a log that does not hold it prints nothing, exit 1.
import { DIMENSION_NAMES, type Dimension, dimension } from '../report/dimensions.ts';
import { FOCUS_DIMENSIONS } from '../report/focus.ts';
import type { Period } from '../report/period.ts';
import { Spend } from '../report/spend.ts';
import { nearest } from '../yaml/words.ts';
import type { Io } from './io.ts';
import { readConfig } from './read-config.ts';
import { type Answer, printCsv, printFocus, printJson, printTable } from './report-output.ts';
import { AccountingDays, PeriodWrong, type WrittenPeriod } from './report-period.ts';
import { readReceipts } from './report-reading.ts';
import { type LogRead, readingOf, Unusable } from './report-source.ts';
import { visible } from './table.ts';

/** As written on the command line. */
export interface ReportOptions extends WrittenPeriod {
  readonly config: string;
  /** Names with commas between; `team,service` unless told. */
  readonly by?: string;
  /** Export files instead of the live log. */
  readonly from?: readonly string[];
  /** JWKS files with the keys of the exports' logs; this configuration's own key unless told. */
  readonly keys?: readonly string[];
  /** Instead of `accounting.timeZone`. */
  readonly timeZone?: string;
  readonly csv?: boolean;
  readonly json?: boolean;
  readonly focus?: boolean;
  readonly chart?: boolean;
}

/** A mistake on the command line: exit code 2. */
class Usage extends Error {}

const LABEL = 'label.';
const BY_DEFAULT = 'team,service';
const MOST_DIMENSIONS = 8;

/** Prints the report; exit code 1 when the log does not hold, 2 for what was asked wrongly. */
export async function report(options: ReportOptions, io: Io, nowMs = Date.now()): Promise<number> {
  try {
    const dimensions = options.focus ? focusDimensions(options) : readDimensions(options.by ?? BY_DEFAULT);
    checkFormats(options);
    const place = placeOf(options, io);
    if (!place) return 1;
    const days = new AccountingDays(place.timeZone);
    const period = days.read(options);
    const spend = new Spend(dimensions, period, days);
    const reading = readingOf(options, place.stateDir, nowMs);
    const logs = await readReceipts(reading, (receipt) => spend.take(receipt));
    const { currency, ...made } = spend.result();
    const answer: Answer = { ...made, currency: currency ?? place.currency, dimensions, period, days, logs, notes: [] };
    print({ ...answer, notes: notesOf(answer) }, options, io);
    return 0;
  } catch (error) {
    const lines = (error instanceof Error ? error.message : 'failed').split('\n');
    io.err(`purser report: ${lines.map(visible).join('\n')}\n`);
    return error instanceof Usage || error instanceof PeriodWrong || error instanceof Unusable ? 2 : 1;
  }
}

interface Place {
  readonly timeZone: string;
  readonly currency: string | null;
  /** Null when the configuration was not needed. */
  readonly stateDir: string | null;
}

/** Exports with their keys and a time zone need no configuration; everything else is in it. */
function placeOf(options: ReportOptions, io: Io): Place | undefined {
  const { from, keys, timeZone } = options;
  if (keys && !from) throw new Usage('--keys belongs to exports: name them with --from, or leave out --keys');
  if (from && keys && timeZone !== undefined) return { timeZone, currency: null, stateDir: null };
  const config = readConfig(options.config, io, 'skip');
  if (!config) return undefined;
  const { accounting, state } = config;
  return { timeZone: timeZone ?? accounting.timeZone, currency: accounting.currency, stateDir: state.dir };
}

function readDimensions(by: string): Dimension[] {
  const names = by.split(',').map((name) => name.trim());
  const found = names.map((name) => {
    const known = dimension(name);
    if (known) return known;
    const near = nearest(name, DIMENSION_NAMES);
    const hint = near === undefined ? '.' : `; did you mean ${near}?`;
    throw new Usage(`--by ${name || '""'} is not known${hint} Choose among ${DIMENSION_NAMES.join(', ')}`);
  });
  if (new Set(names).size < names.length) throw new Usage(`--by ${by} names something twice; keep one`);
  if (names.length > MOST_DIMENSIONS) throw new Usage(`--by takes at most ${MOST_DIMENSIONS} names`);
  return found;
}

function focusDimensions({ by }: ReportOptions): readonly Dimension[] {
  if (by !== undefined) throw new Usage('--focus has its own columns: leave out --by, or take --csv');
  return FOCUS_DIMENSIONS;
}

function checkFormats({ csv, json, focus, chart }: ReportOptions): void {
  const chosen = [csv && '--csv', json && '--json', focus && '--focus', chart && '--chart'].filter(Boolean);
  if (chosen.length > 1) throw new Usage(`choose one of ${chosen.join(' and ')}`);
}

/** What somebody who adds these numbers up should know of them. */
function notesOf({ period, development, missingLogs, logs, total, rows, dimensions }: Answer): string[] {
  const notes: string[] = [];
  const { uncertainPayments } = total;
  if (rows.length === 0) {
    const spans = logs.map(({ log, begins, readAt }) => `log ${log} from ${begins ?? 'no receipt'} to ${readAt}`);
    notes.push(`nothing was bought in this time; what was read is ${spans.join(', ')}`);
  }
  for (const [index, { name }] of dimensions.entries()) {
    if (name.startsWith(LABEL) && rows.length > 0 && rows.every(({ values }) => values[index] === null)) {
      notes.push(`no payment of this time has the ${name.replace('.', ' ')}; labels are as the register writes them`);
    }
  }
  if (uncertainPayments > 0n) {
    notes.push(`uncertain payments: ${uncertainPayments}, each may still go either way; see "purser holds list"`);
  }
  if (development > 0) notes.push(`payments made in a development set-up: ${development}, which may be play money`);
  for (const log of missingLogs) {
    notes.push(`holds of log ${log} were resolved here, but its receipts were not read: name its export too (--from)`);
  }
  return [...notes, ...logs.flatMap((log) => gaps(log, period))];
}

function gaps({ log, first, begins, readAt }: LogRead, { sinceMs, untilMs }: Period): string[] {
  const notes: string[] = [];
  const missesBegin = first > 1 && begins !== null && (sinceMs === undefined || Date.parse(begins) > sinceMs);
  if (missesBegin)
    notes.push(`the export of log ${log} begins at seq ${first}, ${begins}: what came before is missing`);
  if (untilMs !== undefined && Date.parse(readAt) < untilMs) {
    notes.push(`log ${log} was read as of ${readAt}, before the end of this time: the numbers are those so far`);
  }
  return notes;
}

function print(answer: Answer, options: ReportOptions, io: Io): void {
  if (options.json) printJson(answer, io);
  else if (options.csv) printCsv(answer, io);
  else if (options.focus) printFocus(answer, io);
  else printTable(answer, options.chart === true, io);
}
