// Random tampering with an exported log, and whether `verify` finds it and says where. The generator is seeded: one
// seed is one change of one log.
import { createHash, generateKeyPairSync } from 'node:crypto';
import { canonicalJson } from '../../src/domain/canonical.ts';
import {
  bindReceipt,
  compactJws,
  HEAD_TYP,
  type LogKey,
  logKeyOf,
  RECEIPT_TYP,
  signPart,
} from '../../src/ledger/chain.ts';
import { checkpointLine, exportLines } from '../../src/ledger/export.ts';
import { logEnd, ownKeys } from '../../src/ledger/own-log.ts';
import { locateFault } from '../../src/ledger/verify.ts';
import { openLog, purchase, type TestLog } from './log.ts';

/** A log with a rotation and a checkpoint in its middle, and another log beside it. */
export interface Victim {
  readonly log: TestLog;
  /** Checkpoint, receipts, head. */
  readonly lines: readonly string[];
  readonly keys: { readonly keys: unknown[] };
  readonly other: readonly string[];
  /** A head and a checkpoint that were kept elsewhere. */
  readonly keptHead: string;
  readonly keptCheckpoint: string;
}

/** What was done, where the first changed receipt is, and the log that came out. */
export interface Tampered {
  readonly how: string;
  readonly lines: readonly string[];
  /** The receipts at one of which the fault has to be named; null where only what was kept elsewhere tells. */
  readonly from: number;
  readonly to: number;
  readonly kept?: 'head' | 'checkpoint';
}

const RECEIPTS = 40;
const ROTATED_AFTER = 13;
const CHECKPOINT_AFTER = 30;

/** The same for every run but for its keys, its name and therefore its hashes. */
export function victim(): Victim {
  const log = filled();
  const lines = exported(log);
  const key = logEnd(log.reader, log.dir, log.now).key;
  return {
    log,
    lines,
    keys: ownKeys(log.reader, log.dir),
    other: exported(filled()),
    keptHead: headLine(log, RECEIPTS - 2, key),
    keptCheckpoint: log.reader.checkpoint()?.note ?? '',
  };
}

function filled(): TestLog {
  const log = openLog();
  for (let n = 1; n <= RECEIPTS; n++) {
    log.now += 1_000;
    if (n === ROTATED_AFTER + 1) {
      log.run('ledger.rotate', { by: 'dana', because: 'a year has passed' });
      log.run('ledger.retire');
    } else log.seal(purchase(n % 2 ? 'intended' : 'settled', Math.ceil(n / 2)));
    if (n === CHECKPOINT_AFTER) log.run('ledger.checkpoint');
  }
  return log;
}

function exported(log: TestLog): string[] {
  const range = { first: 1, last: log.reader.head().seq };
  const end = logEnd(log.reader, log.dir, log.now);
  return Array.from(exportLines(log.reader.stored(range), end, checkpointLine(log.reader, range)));
}

/** A seeded generator of numbers below a bound (SplitMix32). */
export function seeded(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) % below;
  };
}

type Pick = (below: number) => number;
type Tamper = (victim: Victim, pick: Pick) => Omit<Tampered, 'how'>;

// Line 0 is the checkpoint, line n receipt n, the last the head.
const HEAD_AT = RECEIPTS + 1;

const TAMPERS: Readonly<Record<string, Tamper>> = {
  'a receipt cut out': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS);
    return { lines: lines.toSpliced(at, 1), from: at, to: at };
  },
  'some receipts cut out and the rest renumbered': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS - 3);
    const count = 1 + pick(3);
    const mended = lines
      .toSpliced(at, count)
      .map((line, n) => (n >= at ? line.replace(/"seq":(\d+)/, (_, seq) => `"seq":${Number(seq) - count}`) : line));
    return { lines: mended, from: at, to: at };
  },
  'the end cut off': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS);
    return { lines: lines.slice(0, at), from: at, to: at };
  },
  'the end cut off under its head': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS);
    return { lines: [...lines.slice(0, at), lines[HEAD_AT] ?? ''], from: at, to: at };
  },
  'a byte edited': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS);
    const line = lines[at] ?? '';
    const place = pick(line.length);
    const now = String.fromCharCode(32 + ((line.charCodeAt(place) - 31 + pick(94)) % 95));
    const changed = line.slice(0, place) + (now === line[place] ? '~' : now) + line.slice(place + 1);
    return { lines: lines.with(at, changed === line ? `${line} ` : changed), from: at, to: at };
  },
  'an amount edited and hashed again': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS);
    const { receipt, signature } = JSON.parse(lines[at] ?? '');
    const bytes = canonicalJson({ ...receipt, trace: 'f'.repeat(32) });
    return {
      lines: lines.with(at, canonicalJson({ hash: sha(bytes), receipt: JSON.parse(bytes), signature })),
      from: at,
      to: at,
    };
  },
  'two receipts reordered': ({ lines }, pick) => {
    const [a, b] = twoOf(pick);
    return { lines: lines.with(a, lines[b] ?? '').with(b, lines[a] ?? ''), from: a, to: a };
  },
  'a receipt inserted twice': ({ lines }, pick) => {
    const [a, b] = twoOf(pick);
    return { lines: lines.toSpliced(b, 0, lines[a] ?? ''), from: b, to: b };
  },
  'rolled back, against a kept head': ({ log, lines }, pick) => {
    const last = 1 + pick(RECEIPTS - 3);
    return { lines: [...lines.slice(1, last + 1), headFor(log, last)], from: last + 1, to: last + 1, kept: 'head' };
  },
  'rolled back, against a kept checkpoint': ({ log, lines }, pick) => {
    const last = 1 + pick(CHECKPOINT_AFTER - 1);
    return {
      lines: [...lines.slice(1, last + 1), headFor(log, last)],
      from: last + 1,
      to: last + 1,
      kept: 'checkpoint',
    };
  },
  'signed again with another key': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS);
    const stranger = logKeyOf(generateKeyPairSync('ed25519').privateKey);
    return { lines: lines.with(at, signedAgain(lines[at] ?? '', stranger, stranger.kid)), from: at, to: at };
  },
  'signed again with another key under the right name': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS);
    const stranger = logKeyOf(generateKeyPairSync('ed25519').privateKey);
    const kid = kidIn(lines[at] ?? '');
    return { lines: lines.with(at, signedAgain(lines[at] ?? '', stranger, kid)), from: at, to: at };
  },
  'history written anew with the current key': ({ log, lines }, pick) => {
    const at = ROTATED_AFTER + 3 + pick(CHECKPOINT_AFTER - ROTATED_AFTER - 3);
    return { lines: rewritten(log, lines, at), from: at, to: CHECKPOINT_AFTER, kept: 'checkpoint' };
  },
  'history written anew, before a kept head': ({ log, lines }, pick) => {
    const at = ROTATED_AFTER + 3 + pick(RECEIPTS - 2 - ROTATED_AFTER - 3);
    return { lines: rewritten(log, lines, at), from: at, to: RECEIPTS - 2, kept: 'head' };
  },
  'history before the rotation written anew': ({ log, lines }, pick) => {
    const at = 1 + pick(ROTATED_AFTER);
    return { lines: rewritten(log, lines, at), from: at, to: at };
  },
  'two logs spliced': ({ lines, other }, pick) => {
    const at = 1 + pick(RECEIPTS);
    return { lines: [...lines.slice(1, at), ...other.slice(at)], from: at, to: at };
  },
  'a receipt of another log put in': ({ lines, other }, pick) => {
    const at = 1 + pick(RECEIPTS);
    return { lines: lines.with(at, other[at] ?? ''), from: at, to: at };
  },
  'a bit of a signature flipped': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS);
    return { lines: lines.with(at, flipped(lines[at] ?? '', 2, pick)), from: at, to: at };
  },
  'a bit of a signature’s header flipped': ({ lines }, pick) => {
    const at = 1 + pick(RECEIPTS);
    return { lines: lines.with(at, flipped(lines[at] ?? '', 0, pick)), from: at, to: at };
  },
  'a bit of the head’s signature flipped': ({ lines }, pick) => ({
    lines: lines.with(HEAD_AT, flipped(lines[HEAD_AT] ?? '', 2, pick)),
    from: HEAD_AT,
    to: HEAD_AT,
  }),
  'signatures of two receipts swapped': ({ lines }, pick) => {
    const [a, b] = twoOf(pick);
    const [one, two] = [JSON.parse(lines[a] ?? ''), JSON.parse(lines[b] ?? '')];
    const parts = (jws: string) => jws.split('.');
    const swap = (own: string, from: string) => [...parts(own).slice(0, 2), parts(from)[2]].join('.');
    const first = { ...one, signature: swap(one.signature, two.signature) };
    const second = { ...two, signature: swap(two.signature, one.signature) };
    return { lines: lines.with(a, canonicalJson(first)).with(b, canonicalJson(second)), from: a, to: a };
  },
  'the head of another log': ({ lines, other }) => ({
    lines: lines.with(HEAD_AT, other[HEAD_AT] ?? ''),
    from: HEAD_AT,
    to: HEAD_AT,
  }),
  'the checkpoint edited': ({ lines }, pick) => {
    const line = JSON.parse(lines[0] ?? '');
    const size = RECEIPTS - 1 - pick(RECEIPTS - 2);
    const note = String(line.checkpoint).replace(/\n\d+\n/, `\n${size === CHECKPOINT_AFTER ? size - 1 : size}\n`);
    return { lines: lines.with(0, canonicalJson({ ...line, checkpoint: note })), from: 1, to: HEAD_AT };
  },
};

/** What one seed does. */
export function tamper(victim: Victim, seed: number): Tampered {
  const pick = seeded(seed);
  const names = Object.keys(TAMPERS);
  const how = names[seed % names.length] ?? '';
  const done = TAMPERS[how]?.(victim, pick);
  if (!done) throw new Error('no such tampering');
  return { how, ...done };
}

/** Undefined when the tampering was found where it is; else what went wrong. */
export async function escaped(victim: Victim, seed: number): Promise<string | undefined> {
  const { how, lines, from, to, kept } = tamper(victim, seed);
  const against = {
    keys: victim.keys,
    fromStart: true,
    ...(kept === 'head' ? { head: victim.keptHead } : {}),
    ...(kept === 'checkpoint' ? { checkpoint: victim.keptCheckpoint } : {}),
  };
  const verdict = await locateFault(() => lines, against);
  if (verdict.ok) return `seed ${seed}: ${how}: not found`;
  if (verdict.seq >= from && verdict.seq <= to) return undefined;
  return `seed ${seed}: ${how}: found at seq ${verdict.seq} instead of ${from} to ${to}: ${verdict.fault}`;
}

function twoOf(pick: Pick): [number, number] {
  const a = 1 + pick(RECEIPTS - 1);
  return [a, a + 1 + pick(RECEIPTS - a)];
}

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

function kidIn(line: string): string {
  const [header = ''] = String(JSON.parse(line).signature).split('.');
  return JSON.parse(Buffer.from(header, 'base64url').toString()).kid;
}

function signedAgain(line: string, key: LogKey, kid: string): string {
  const { receipt, hash } = JSON.parse(line);
  const bytes = canonicalJson(receipt);
  const signature = compactJws(bytes, RECEIPT_TYP, kid, signPart(bytes, RECEIPT_TYP, { ...key, kid }));
  return canonicalJson({ hash, receipt, signature });
}

/** All from `at` on sealed again by whoever has the current key, chain and head in order. */
function rewritten(log: TestLog, lines: readonly string[], at: number): string[] {
  const { key } = logEnd(log.reader, log.dir, log.now);
  let prev = at === 1 ? '0'.repeat(64) : String(JSON.parse(lines[at - 1] ?? '').hash);
  const again = lines.slice(at, HEAD_AT).map((line, n) => {
    const { receipt } = JSON.parse(line);
    const entry = n === 0 ? { ...receipt, trace: 'e'.repeat(32) } : receipt;
    const { bytes, hash } = bindReceipt(entry, { ...entry, prev });
    prev = hash;
    const signature = compactJws(bytes, RECEIPT_TYP, key.kid, signPart(bytes, RECEIPT_TYP, key));
    return canonicalJson({ hash, receipt: JSON.parse(bytes), signature });
  });
  return [...lines.slice(1, at), ...again, signedHead(log.reader.log, RECEIPTS, prev, key)];
}

const headFor = (log: TestLog, seq: number): string => headLine(log, seq, logEnd(log.reader, log.dir, log.now).key);

const headLine = (log: TestLog, seq: number, key: LogKey): string =>
  signedHead(log.reader.log, seq, log.reader.headAt(seq).hash, key);

function signedHead(log: string, seq: number, hash: string, key: LogKey): string {
  const head = { at: '2026-11-23T12:00:00.000Z', hash, log, seq };
  const payload = canonicalJson(head);
  return canonicalJson({ head, signature: compactJws(payload, HEAD_TYP, key.kid, signPart(payload, HEAD_TYP, key)) });
}

/** One bit of one part of the compact JWS in a line. */
function flipped(line: string, part: number, pick: Pick): string {
  const value = JSON.parse(line);
  const parts = String(value.signature).split('.');
  const bytes = Buffer.from(parts[part] ?? '', 'base64url');
  const bit = pick(bytes.length * 8);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return canonicalJson({ ...value, signature: parts.with(part, bytes.toString('base64url')).join('.') });
}
