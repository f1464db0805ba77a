// Checks exported logs from their bytes and the public keys alone, and stops at the first fault. It shares nothing with
// the code that writes logs but canonical JSON and the hashes of a Merkle tree.
import { canonicalJson } from '../domain/canonical.ts';
import { readKey } from '../domain/note.ts';
import { readCheckpointLine, readKeptCheckpoint } from './verify-checkpoint.ts';
import { cutLine, cutStored, type StoredLine } from './verify-cut.ts';
import { type KnownKey, LogKeys, readKeySet } from './verify-keys.ts';
import { asObject, expectMembers, HEX, INSTANT, type Json, readCanonical, readJws } from './verify-lines.ts';
import { HEAD, LogRun, type RunOptions, type SignedHead, signs, type VerifiedLog } from './verify-run.ts';

/** What logs are checked against. */
export interface VerifyOptions {
  /** The public keys: a JWKS, as `GET /keys` serves it, or several as one. */
  readonly keys: unknown;
  /** A `{head, signature}` line kept elsewhere, which the log must contain. */
  readonly head?: string;
  /** A checkpoint kept elsewhere, whose receipts the log must begin with. */
  readonly checkpoint?: string;
  /** The log must begin at its first receipt; otherwise any unbroken run is checked from its first `prev`. */
  readonly fromStart?: boolean;
  /** Keys of witnesses (vkeys), one of which must have cosigned what is checked. */
  readonly witnesses?: readonly string[];
  /** Read each receipt whole and verify its signature by itself, also where a checkpoint's tree covers it. */
  readonly everySignature?: boolean;
}

/** What was found wrong first. `seq` is the receipt it was found at, or the one expected there. */
export interface Fault {
  readonly ok: false;
  readonly seq: number;
  readonly fault: string;
  /** The log it was found in; null when that is not known. */
  readonly log: string | null;
}

/** What came out for one log. */
export type Verdict = ({ readonly ok: true } & VerifiedLog) | Fault;

/** What came out for a stream of one or more logs. */
export type StreamVerdict = { readonly ok: true; readonly logs: readonly VerifiedLog[] } | Fault;

type Line = string | StoredLine;
type Lines = AsyncIterable<Line> | Iterable<Line>;

interface Stream {
  readonly runs: Map<string, LogRun>;
  readonly options: RunOptions;
  /** The run of the last line that named one. */
  current: LogRun | undefined;
}

/** Checks the lines (without line feeds) of an unfiltered export of one log. Never throws for what is in them. */
export async function verifyLog(lines: Lines, options: VerifyOptions): Promise<Verdict> {
  const verdict = await verifyLogs(lines, options);
  if (!verdict.ok) return verdict;
  const [log, other] = verdict.logs;
  if (!log) return { ok: false, seq: 1, fault: CUT_SHORT, log: null };
  if (!other) return { ok: true, ...log };
  return { ok: false, seq: other.first, fault: `it is of another log, ${other.log}`, log: other.log };
}

/** Checks the lines of one or more logs, each of which stands in order in them. Never throws for what is in them. */
export async function verifyLogs(lines: Lines, options: VerifyOptions): Promise<StreamVerdict> {
  const runs = new Map<string, LogRun>();
  let stream: Stream | undefined;
  try {
    stream = { runs, options: readOptions(options), current: undefined };
    for await (const line of lines) takeLine(line, stream);
    if (runs.size === 0) throw new Error(CUT_SHORT);
    const { kept, checkpoint } = stream.options;
    for (const named of [kept, checkpoint]) {
      if (named && !runs.has(named.log)) throw new Error(`what was kept is of another log, ${named.log}`);
    }
    const logs: VerifiedLog[] = [];
    for (const run of runs.values()) {
      stream.current = run;
      logs.push(run.conclude());
    }
    return { ok: true, logs };
  } catch (error) {
    const fault = error instanceof Error ? error.message : 'unreadable';
    return { ok: false, seq: stream?.current?.next ?? 1, fault, log: stream?.current?.log ?? null };
  }
}

/**
 * As {@link verifyLogs}, for lines that can be read again: where the checkpoint's tree shows only that something before
 * it was changed, a second look at every signature says where.
 */
export async function locateFault(open: () => Lines, options: VerifyOptions): Promise<StreamVerdict> {
  const first = await verifyLogs(open(), options);
  if (first.ok || options.everySignature) return first;
  const second = await verifyLogs(open(), { ...options, everySignature: true });
  return second.ok ? first : second;
}

const CUT_SHORT = 'the signed head at the end is missing: the log is cut short';

function readOptions(options: VerifyOptions): RunOptions {
  const keys = readKeySet(options.keys);
  return {
    keys,
    kept: options.head === undefined ? undefined : readKept(options.head, keys),
    checkpoint: options.checkpoint === undefined ? undefined : readKeptCheckpoint(options.checkpoint),
    fromStart: options.fromStart === true,
    everySignature: options.everySignature === true,
    witnesses: (options.witnesses ?? []).map(readKey),
  };
}

function takeLine(line: Line, stream: Stream): void {
  if (!stream.options.everySignature) {
    const cut = typeof line === 'string' ? cutLine(line) : cutStored(line);
    const run = cut && stream.runs.get(cut.log);
    if (cut && run?.covers(cut)) {
      stream.current = run;
      run.takeCovered(cut);
      return;
    }
  }
  takeWhole(typeof line === 'string' ? line : line.line(), stream);
}

function takeWhole(line: string, stream: Stream): void {
  const value = readCanonical(line);
  if ('head' in value) {
    const head = readHead(value);
    runOf(stream, head.log).takeHead(head, readJws(value.signature, HEAD, Buffer.from(canonicalJson(value.head))));
  } else if ('receipt' in value && 'checkpoint' in value) {
    runOf(stream, logOf(value), { everySignature: true }).takeProof(value);
  } else if ('checkpoint' in value) {
    const checkpoint = readCheckpointLine(value);
    runOf(stream, checkpoint.log).takeCheckpoint(checkpoint);
  } else {
    runOf(stream, logOf(value)).takeReceipt(line, value);
  }
}

function logOf(line: Json): string {
  const { log } = asObject(line.receipt, 'receipt');
  if (typeof log !== 'string') throw new Error('log is missing');
  return log;
}

function runOf(stream: Stream, log: string, more: Partial<RunOptions> = {}): LogRun {
  const known = stream.runs.get(log);
  const run = known ?? new LogRun(log, { ...stream.options, ...keptOf(stream.options, log), ...more });
  if (!known) {
    if (stream.runs.size >= MOST_LOGS) throw new Error(`these are more than ${MOST_LOGS} logs`);
    stream.runs.set(log, run);
  }
  stream.current = run;
  return run;
}

/** The most logs of one stream: each keeps a little memory. */
const MOST_LOGS = 10_000;

/** What was kept elsewhere counts for its own log. */
function keptOf({ kept, checkpoint }: RunOptions, log: string): Pick<RunOptions, 'kept' | 'checkpoint'> {
  return {
    kept: kept?.log === log ? kept : undefined,
    checkpoint: checkpoint?.log === log ? checkpoint : undefined,
  };
}

function readKept(line: string, keys: readonly KnownKey[]): SignedHead {
  const value = readCanonical(line.replace(/\r?\n$/, ''));
  const head = readHead(value);
  const jws = readJws(value.signature, HEAD, Buffer.from(canonicalJson(value.head)));
  if (!signs(jws, new LogKeys(head.log, keys).ofHead(jws.kid, head.seq))) throw new Error('the signature is wrong');
  return head;
}

function readHead(line: Json): SignedHead {
  expectMembers(line, ['head', 'signature']);
  const head = asObject(line.head, 'head');
  expectMembers(head, ['at', 'hash', 'log', 'seq']);
  const { log, seq, hash, at } = head;
  if (typeof log !== 'string' || typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) {
    throw new Error('the head is unreadable');
  }
  if (typeof hash !== 'string' || !HEX.test(hash) || typeof at !== 'string' || !INSTANT.test(at)) {
    throw new Error('the head is unreadable');
  }
  return { log, seq, hash };
}
