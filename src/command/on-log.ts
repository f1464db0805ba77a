// What the commands on the receipt log have in common: it is opened for reading, times and files are read strictly, and
// a mistake on the command line ends with exit code 2.
import { createReadStream, type ReadStream, readFileSync, statSync } from 'node:fs';
import { readInstant } from '../domain/rfc3339.ts';
import { readLines } from '../ledger/lines.ts';
import { LedgerReader } from '../ledger/reader.ts';
import { readKeySet } from '../ledger/verify-keys.ts';
import { openReadOnly } from '../state/database.ts';
import type { Io } from './io.ts';
import { readConfig } from './read-config.ts';
import { visible } from './table.ts';

/** What every command on the log takes. */
export interface LogOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** A mistake on the command line: exit code 2. */
export class Usage extends Error {}

/** Opens the log of the configuration for reading, for as long as `work` takes. */
export async function reading(
  options: LogOptions,
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

/** The exit code of `work`; what it throws is one line on standard error. */
export async function withExit(io: Io, work: () => number | Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    io.err(`${visible(error instanceof Error ? error.message : 'failed')}\n`);
    return error instanceof Usage ? 2 : 1;
  }
}

/** `--since` and `--until` as receipts write instants. Throws {@link Usage}. */
export function timesOf({ since, until }: { readonly since?: string; readonly until?: string }) {
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

/** A file as text. Throws {@link Usage}. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Usage(unreadable(path));
  }
}

/** A file with a JSON key set. Throws {@link Usage}. */
export function readJwks(path: string): unknown {
  try {
    const keys: unknown = JSON.parse(readText(path));
    readKeySet(keys);
    return keys;
  } catch (error) {
    throw error instanceof Usage
      ? error
      : new Usage(`${path} is not a JSON key set; GET /keys of the gateway answers one`);
  }
}

/** What is said of a file that is not there or cannot be opened. */
export const unreadable = (path: string): string => `${path || '""'} cannot be read; name a file that is there`;

/** A file that is open for reading. Throws {@link Usage}. */
export async function openStream(path: string): Promise<ReadStream> {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Usage(`${path} is a folder; name an export`);
  }
  const stream = createReadStream(path);
  await new Promise<void>((resolve, reject) => {
    stream.once('ready', resolve);
    stream.once('error', () => reject(new Usage(unreadable(path))));
  });
  return stream;
}

/** The lines of an open file. Throws {@link Usage}. */
export async function openLines(path: string): Promise<AsyncGenerator<string>> {
  return readLines(await openStream(path));
}
