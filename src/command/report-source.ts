// Where a report's receipts come from: the live log, or exports of one or more logs. Every receipt is checked against
// the hash chain as it is read, and the chain's end against its signature; nothing is reported of what does not hold.
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { exportLines } from '../ledger/export.ts';
import { readLogKey } from '../ledger/key-files.ts';
import { readByteLines } from '../ledger/lines.ts';
import { LedgerReader } from '../ledger/reader.ts';
import { verifyLog } from '../ledger/verify.ts';
import { boundInLine, ChainFault, ChainWalk, type Reached, type Walked } from '../ledger/walk.ts';
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

type Take = (receipt: Walked) => void;

const CHUNK_BYTES = 1_048_576;

/** The whole log in a state folder, also while its gateway runs; what is sealed meanwhile is left out. */
export async function readLive(dir: string, nowMs: number, take: Take): Promise<LogRead> {
  const reader = new LedgerReader(openReadOnly(dir));
  try {
    const at = new Date(nowMs).toISOString();
    const head = reader.head();
    if (head.seq === 0) return { log: reader.log, first: 1, ...head, begins: null, readAt: at };
    const key = readLogKey(dir, reader.kid());
    const begins: string[] = [];
    let walk: ChainWalk | undefined;
    for (const { bytes, hash } of reader.chain({ first: 0, last: head.seq })) {
      const bound = { text: bytes, bytes, hash };
      if (!walk) {
        walk = ChainWalk.from(bound);
        if (walk.first !== 1) throw new ChainFault(1, `the log begins at seq ${walk.first}`);
      }
      take(noteFirst(walk.take(bound), begins));
    }
    const end = { log: reader.log, head, at, key };
    await provedEnd(walk, [...exportLines(reader.stored({ first: head.seq, last: head.seq }), end)], {
      keys: [key.jwk],
    });
    return { log: reader.log, first: 1, ...head, begins: begins[0] ?? null, readAt: at };
  } catch (error) {
    throw damaged('the log', error);
  } finally {
    reader.close();
  }
}

/** Exports of one or more logs, each an unbroken run; later ones of a log must go on where the earlier one ended. */
export async function readExports(files: readonly string[], keys: unknown, take: Take): Promise<LogRead[]> {
  const walks = new Map<string, ChainWalk>();
  const logs = new Map<string, LogRead>();
  for (const file of files) {
    const begins: string[] = [];
    const read = await readExport(file, keys, walks, (receipt) => take(noteFirst(receipt, begins)));
    logs.set(read.log, { ...read, begins: logs.get(read.log)?.begins ?? begins[0] ?? null });
  }
  return [...logs.values()];
}

/** The keys of one or more JWKS files as one, or the own key in `stateDir` where none are named. Throws Unusable. */
export function logKeys(files: readonly string[] | undefined, stateDir: string | null): { keys: unknown[] } {
  if (files) return { keys: files.flatMap(readKeySet) };
  try {
    if (stateDir !== null) return { keys: [readLogKey(stateDir, undefined).jwk] };
  } catch {
    // Answered below: without a key of its own this place cannot check an export by itself.
  }
  throw new Unusable('--from needs --keys FILE here: what GET /keys of the gateway that sealed the receipts answers');
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

async function readExport(file: string, keys: unknown, walks: Map<string, ChainWalk>, take: Take) {
  const chunks = await openExport(file);
  let walk: ChainWalk | undefined;
  let last: Uint8Array | undefined;
  let head: Uint8Array | undefined;
  try {
    for await (const lines of readByteLines(chunks)) {
      for (const line of lines) {
        const next = (walk?.reached.seq ?? 0) + 1;
        if (head) throw new ChainFault(next, 'something follows the signed head');
        const bound = boundInLine(line);
        if (bound) {
          walk ??= walkOf(ChainWalk.from(bound), walks, file);
          take(walk.take(bound));
          last = line;
        } else if (isHead(line)) head = line;
        else throw new ChainFault(next, 'a line is not one of "purser receipts export"');
      }
    }
    const lines = [last, head].filter((line) => line !== undefined).map((line) => Buffer.from(line).toString('utf8'));
    const end = await provedEnd(walk, lines, keys);
    const { at } = JSON.parse(lines.at(-1) ?? '').head;
    return { ...(walk?.reached ?? end), readAt: String(at) };
  } catch (error) {
    throw damaged(`--from ${file}`, error);
  } finally {
    chunks.destroy();
  }
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

const isHead = (line: Uint8Array): boolean => Buffer.from(line.subarray(0, 9)).toString('latin1') === '{"head":{';

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
