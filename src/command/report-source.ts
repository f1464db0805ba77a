// Where a report's receipts come from: the live log, or exports of one or more logs. Every receipt is checked against
// the hash chain as it is read, and the chain's end against its signature; nothing is reported of what does not hold.
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { exportLines } from '../ledger/export.ts';
import { readByteLines } from '../ledger/lines.ts';
import { logEnd, ownKeys } from '../ledger/own-log.ts';
import { LedgerReader } from '../ledger/reader.ts';
import { verifyLog } from '../ledger/verify.ts';
import {
  type Bound,
  boundInLine,
  ChainFault,
  ChainWalk,
  type HashCheck,
  logIn,
  type Reached,
  type Walked,
} from '../ledger/walk.ts';
import { isStorageError, openReadOnly } from '../state/database.ts';

/** What was read of one log, and proved. */
export interface LogRead extends Reached {
  /** When its first receipt was sealed; null when it has none. */
  readonly begins: string | null;
  /** Everything sealed before this instant is in it. */
  readonly readAt: string;
}

/** A log or export that does not hold; the message says where and how. */
export class Damaged extends Error {}

/** A file that cannot be read as what it was named for: a mistake on the command line. */
export class Unusable extends Error {}

/** Where receipts go as they are read, each right after its hash was checked. */
export interface Sink {
  readonly take: (receipt: Walked) => void;
  readonly check: HashCheck;
}

const CHUNK_BYTES = 1_048_576;

/** The log in a state folder, as of now. */
interface LiveReading {
  readonly dir: string;
  readonly nowMs: number;
}

/** What is to be read: a live log, or exports whose keys these are. */
export type Reading = LiveReading | { readonly files: readonly string[]; readonly keys: unknown };

/** Reads all of it. Throws Damaged and Unusable. */
export async function readAll(reading: Reading, sink: Sink): Promise<readonly LogRead[]> {
  if ('files' in reading) return readExports(reading.files, reading.keys, sink);
  return [await readLive(reading, sink)];
}

/** Exports, with the keys that are named or those of the log in `stateDir`; else that log. Throws Unusable. */
export function readingOf(
  { from, keys }: { readonly from?: readonly string[]; readonly keys?: readonly string[] },
  stateDir: string | null,
  nowMs: number,
): Reading {
  if (from) return { files: from, keys: logKeys(keys, stateDir) };
  if (stateDir === null) throw new Unusable('there is no log to read');
  return { dir: stateDir, nowMs };
}

/** The log in a state folder, also while its gateway runs; what is sealed meanwhile is left out. */
async function readLive({ dir, nowMs }: LiveReading, sink: Sink): Promise<LogRead> {
  const reader = new LedgerReader(openReadOnly(dir));
  try {
    const end = logEnd(reader, dir, nowMs);
    const { head, at } = end;
    if (head.seq === 0) return { log: reader.log, first: 1, ...head, begins: null, readAt: at };
    const begins: string[] = [];
    let walk: ChainWalk | undefined;
    for (const { bytes, hash } of reader.chain({ first: 0, last: head.seq })) {
      const bound = { text: bytes, bytes, hash };
      if (!walk) {
        walk = ChainWalk.from(bound, sink.check);
        if (walk.first !== 1) throw new ChainFault(1, `the log begins at seq ${walk.first}`);
      }
      sink.take(noteFirst(walk.take(bound), begins));
    }
    const lines = [...exportLines(reader.stored({ first: head.seq, last: head.seq }), end)];
    await provedEnd(walk, lines, ownKeys(reader, dir));
    return { log: reader.log, first: 1, ...head, begins: begins[0] ?? null, readAt: at };
  } catch (error) {
    throw damaged('the log', error);
  } finally {
    reader.close();
  }
}

/**
 * Exports of one or more logs, merged ones too, each log an unbroken run; later files of a log must go on where the
 * earlier one ended.
 */
async function readExports(files: readonly string[], keys: unknown, sink: Sink): Promise<LogRead[]> {
  const walks = new Map<string, ChainWalk>();
  const logs = new Map<string, LogRead>();
  for (const file of files) {
    for (const read of await readExport(file, keys, walks, sink)) {
      logs.set(read.log, { ...read, begins: logs.get(read.log)?.begins ?? read.begins });
    }
  }
  return [...logs.values()];
}

/** The keys of JWKS files as one, or those of the log in `stateDir` where none are named. Throws Unusable. */
function logKeys(files: readonly string[] | undefined, stateDir: string | null): { keys: unknown[] } {
  if (files) return { keys: files.flatMap(readKeySet) };
  try {
    if (stateDir !== null) return readOwnKeys(stateDir);
  } catch {
    // Answered below: without a key of its own this place cannot check an export by itself.
  }
  throw new Unusable('--from needs --keys FILE here: what GET /keys of the gateway that sealed the receipts answers');
}

function readOwnKeys(dir: string): { keys: unknown[] } {
  const reader = new LedgerReader(openReadOnly(dir));
  try {
    return ownKeys(reader, dir);
  } finally {
    reader.close();
  }
}

function readKeySet(file: string): unknown[] {
  let set: unknown;
  try {
    set = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new Unusable(`--keys ${file} is not a file with a JSON key set; save what GET /keys answers`);
  }
  const keys: unknown = Object(set).keys;
  if (!Array.isArray(keys)) throw new Unusable(`--keys ${file} has no list "keys"; save what GET /keys answers`);
  return keys;
}

/** One log of a file: where its walk came to, and the lines that prove it. */
interface Part {
  walk: ChainWalk | undefined;
  last: Uint8Array | undefined;
  head: Uint8Array | undefined;
  readonly begins: string[];
}

/** The logs of a file, and the one whose line was read last. */
interface Parts {
  readonly byLog: Map<string, Part>;
  current: Part | undefined;
}

async function readExport(file: string, keys: unknown, walks: Map<string, ChainWalk>, sink: Sink): Promise<LogRead[]> {
  const chunks = await openExport(file);
  const parts: Parts = { byLog: new Map(), current: undefined };
  try {
    for await (const lines of readByteLines(chunks)) {
      for (const line of lines) takeLine(line, file, parts, walks, sink);
    }
    if (parts.byLog.size === 0) throw new ChainFault(1, 'the signed head at the end is missing: the log is cut short');
    const logs: LogRead[] = [];
    for (const part of parts.byLog.values()) logs.push(await concluded(part, keys));
    return logs;
  } catch (error) {
    throw damaged(`--from ${file}`, error);
  } finally {
    chunks.destroy();
  }
}

function takeLine(line: Uint8Array, file: string, parts: Parts, walks: Map<string, ChainWalk>, sink: Sink): void {
  const bound = boundInLine(line);
  if (!bound && startsWith(line, '{"checkpoint":') && !Buffer.from(line).includes(',"receipt":')) return;
  const head = !bound && startsWith(line, '{"head":{');
  const { current } = parts;
  const next = (): number => (current?.walk?.reached.seq ?? 0) + 1;
  if (!bound && !head) throw new ChainFault(next(), 'a line is not one of "purser receipts export"');
  const log = bound ? logIn(bound) : String(JSON.parse(Buffer.from(line).toString('utf8')).head.log);
  const part = parts.byLog.get(log) ?? { walk: undefined, last: undefined, head: undefined, begins: [] };
  parts.byLog.set(log, part);
  parts.current = part;
  if (part.head) throw new ChainFault((part.walk?.reached.seq ?? 0) + 1, 'something follows the signed head');
  if (!bound) {
    part.head = line;
    return;
  }
  part.walk ??= walkOf(begun(bound, next, sink.check), walks, file);
  sink.take(noteFirst(part.walk.take(bound), part.begins));
  part.last = line;
}

/** A walk that begins here; what is no receipt at all stands in the place of the next one of the log before it. */
function begun(bound: Bound, next: () => number, check: HashCheck): ChainWalk {
  try {
    return ChainWalk.from(bound, check);
  } catch (error) {
    throw error instanceof ChainFault ? new ChainFault(next(), error.message) : error;
  }
}

async function concluded({ walk, last, head, begins }: Part, keys: unknown): Promise<LogRead> {
  const lines = [last, head].filter((line) => line !== undefined).map((line) => Buffer.from(line).toString('utf8'));
  const end = await provedEnd(walk, lines, keys);
  const { at } = JSON.parse(lines.at(-1) ?? '').head;
  return { ...(walk?.reached ?? end), begins: begins[0] ?? null, readAt: String(at) };
}

/** The walk of the log this run belongs to, when it goes on where the run before it ended. */
function walkOf(begun: ChainWalk, walks: Map<string, ChainWalk>, file: string): ChainWalk {
  const known = walks.get(begun.log);
  if (!known) walks.set(begun.log, begun);
  else if (known.reached.seq + 1 !== begun.first) {
    const { log, first, seq } = known.reached;
    const read = `seq ${first} to ${seq} of log ${log} were read already`;
    throw new Unusable(
      `--from ${file} begins at seq ${begun.first}, but ${read}; name unbroken runs, each once, in order`,
    );
  }
  return known ?? begun;
}

async function openExport(file: string) {
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Unusable(`--from ${file} is a folder; name a file that "purser receipts export" wrote`);
  }
  const stream = createReadStream(file, { highWaterMark: CHUNK_BYTES });
  await new Promise<void>((resolve, reject) => {
    stream.once('ready', resolve);
    stream.once('error', () =>
      reject(new Unusable(`--from ${file} cannot be read; name a file that "purser receipts export" wrote`)),
    );
  });
  return stream;
}

/** The last receipt and the signed head after it, judged by the verifier: with the walk they vouch for all before. */
async function provedEnd(walk: ChainWalk | undefined, lines: readonly string[], keys: unknown): Promise<Reached> {
  const verdict = await verifyLog(lines, { keys });
  const seq = walk?.reached.seq ?? 0;
  if (!verdict.ok) throw new ChainFault(Math.max(seq, 1), verdict.fault);
  if (verdict.last !== seq || (walk && verdict.hash !== walk.reached.hash) || (walk && verdict.log !== walk.log)) {
    throw new ChainFault(seq + 1, 'the signed head names another receipt');
  }
  return { log: verdict.log, first: 1, seq, hash: verdict.hash };
}

const startsWith = (line: Uint8Array, text: string): boolean =>
  Buffer.from(line.subarray(0, text.length)).toString('latin1') === text;

function noteFirst(receipt: Walked, begins: string[]): Walked {
  if (begins.length === 0) begins.push(receipt.at);
  return receipt;
}

/** What a walk over damaged bytes throws is a fault of the log; answers that say their own reason pass. */
function damaged(what: string, error: unknown): unknown {
  if (error instanceof ChainFault) return new Damaged(`${what} is damaged at seq ${error.seq}: ${error.message}`);
  if (error instanceof TypeError || error instanceof SyntaxError) {
    return new Damaged(`${what} holds a receipt that cannot be read: ${error.message}`);
  }
  if (isStorageError(error) || (error instanceof Error && error.constructor === Error && !('code' in error))) {
    return new Damaged(`${what} is damaged: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
  return error;
}
