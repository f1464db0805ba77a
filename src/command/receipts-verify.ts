// `purser receipts verify`: derives everything again from bytes, of exports, merged streams, single proofs, or the live
// log. Exit code 1 at the first fault.
import { createReadStream, statSync } from 'node:fs';
import { readKey } from '../domain/note.ts';
import { headLine, receiptLine } from '../ledger/export.ts';
import { readLines } from '../ledger/lines.ts';
import { type LogEnd, logEnd, ownKeys } from '../ledger/own-log.ts';
import type { LedgerReader } from '../ledger/reader.ts';
import { locateFault, type StreamVerdict, type VerifyOptions, verifyLogs } from '../ledger/verify.ts';
import type { StoredLine } from '../ledger/verify-cut.ts';
import type { VerifiedLog } from '../ledger/verify-run.ts';
import type { Io } from './io.ts';
import { type LogOptions, openStream, reading, readJwks, readText, Usage, withExit } from './on-log.ts';
import { visible } from './table.ts';

export interface VerifyCommandOptions extends LogOptions {
  /** The export, merged stream or proof to check; the live log of the configuration when absent. */
  readonly file?: string;
  /** A JWKS file; the configuration's own keys when absent. */
  readonly keys?: string;
  /** A file with a head kept elsewhere. */
  readonly head?: string;
  /** A file with a checkpoint kept elsewhere. */
  readonly checkpoint?: string;
  /** A file with the keys of witnesses, one a line. */
  readonly witness?: string;
  /** Verify each signature by itself, also those that a checkpoint covers. */
  readonly everySignature?: boolean;
}

/** Checks a file, or the live log; exit code 1 at the first fault. */
export function verify(options: VerifyCommandOptions, io: Io): Promise<number> {
  return withExit(io, async () => {
    const against = againstOf(options);
    const { file, keys } = options;
    if (file !== undefined && keys !== undefined) {
      return conclude(await verifyFile(file, { ...against, keys: readJwks(keys) }), options, io);
    }
    return reading(options, io, async (reader, dir) => {
      const named = { ...against, keys: keys === undefined ? ownKeys(reader, dir) : readJwks(keys) };
      if (file !== undefined) return conclude(await verifyFile(file, named), options, io);
      return conclude(await verifyLive(reader, dir, named), options, io);
    });
  });
}

function againstOf({ head, checkpoint, witness, everySignature }: VerifyCommandOptions): Omit<VerifyOptions, 'keys'> {
  return {
    ...(head === undefined ? {} : { head: readHeadLine(head) }),
    ...(checkpoint === undefined ? {} : { checkpoint: readText(checkpoint) }),
    ...(witness === undefined ? {} : { witnesses: readKeyLines(witness) }),
    everySignature: everySignature === true,
  };
}

function verifyLive(reader: LedgerReader, dir: string, against: VerifyOptions): Promise<StreamVerdict> {
  // The checkpoint first: the log only grows after it.
  const own = reader.checkpoint()?.note;
  const end = logEnd(reader, dir, Date.now());
  const known = own === undefined ? against : { checkpoint: own, ...against };
  const open = () => storedLines(reader, end);
  return locateFault(open, { ...known, fromStart: true });
}

/** The log as it is stored, written as lines only where that is asked for. */
function* storedLines(reader: LedgerReader, end: LogEnd): Generator<string | StoredLine> {
  for (const stored of reader.stored({ first: 0, last: end.head.seq })) {
    yield { ...stored, line: () => receiptLine(stored) };
  }
  yield headLine(end.log, end.head, end.at, end.key);
}

async function verifyFile(path: string, against: VerifyOptions): Promise<StreamVerdict> {
  const stream = await openStream(path);
  // What is no file, such as a pipe, can be read only once.
  const again = () => (stream.bytesRead === 0 ? stream : createReadStream(path));
  return statSync(path).isFile()
    ? locateFault(() => readLines(again()), against)
    : verifyLogs(readLines(stream), against);
}

/** A file with a signed head, as an export ends with. Throws {@link Usage}. */
function readHeadLine(path: string): string {
  const text = readText(path);
  try {
    if (JSON.parse(text).head && JSON.parse(text).signature) return text;
  } catch {
    // Answered below.
  }
  throw new Usage(`${path} is not a signed head; keep the last line of an export`);
}

/** The keys in a file, one a line; empty lines and those that begin with # say nothing. */
function readKeyLines(path: string): string[] {
  const lines = readText(path)
    .split('\n')
    .map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const wrong = keys.findIndex((key) => !isWitnessKey(key));
  if (keys.length > 0 && wrong < 0) return keys;
  throw new Usage(`${path} is not a list of witness keys, one a line: what "purser witness" prints when it starts`);
}

function isWitnessKey(text: string): boolean {
  try {
    return readKey(text).kind === 'witness';
  } catch {
    return false;
  }
}

function conclude(verdict: StreamVerdict, options: LogOptions, io: Io): number {
  if (options.json) {
    io.out(`${visible(JSON.stringify(verdict))}\n`);
    return verdict.ok ? 0 : 1;
  }
  if (!verdict.ok) {
    const where = verdict.log === null ? '' : `${visible(verdict.log)} `;
    io.err(`the log ${where}is NOT intact: at seq ${verdict.seq}: ${visible(verdict.fault)}\n`);
    io.err('Keep it as it is, and compare it with an export or a signed head from elsewhere.\n');
    return 1;
  }
  for (const log of verdict.logs) tell(log, io);
  return 0;
}

function tell(verified: VerifiedLog, io: Io): void {
  const { log, first, last, hash, warnings, provedIn, cosigned } = verified;
  for (const warning of warnings) io.err(`warning: ${visible(warning)}\n`);
  const count = last - first + 1;
  const run = count > 0 ? `${count} receipts, seq ${first} to ${last}` : 'no receipts yet';
  const name = visible(log);
  if (provedIn === null) io.out(`log ${name} is intact: ${run}, last hash ${hash}\n`);
  else io.out(`receipt ${name}.${last} is in log ${name}: proved against a checkpoint of ${provedIn} receipts\n`);
  if (cosigned) io.out(`${visible(cosigned.by)} has seen its first ${cosigned.size} receipts, at ${cosigned.at}\n`);
}
