// Random changes of the files of segments, and whether they are found where they are: rows edited, taken out, moved or
// doubled, files missing, cut off, swapped or with a byte changed. One seed is one change.
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { exportLines } from '../../src/ledger/export.ts';
import { logEnd, ownKeys } from '../../src/ledger/own-log.ts';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { locateFault } from '../../src/ledger/verify.ts';
import { openReadOnly } from '../../src/state/database.ts';
import { freshDir, openLog, purchase, START } from './log.ts';
import { seeded } from './tampering.ts';

const SEGMENT = 10;
const SEGMENTS = 3;

type Pick = (below: number) => number;

/** What a change does to the file of the segment whose first receipt is `first`; the receipts it may be found at. */
type Change = (path: string, first: number, pick: Pick, other: string) => { from: number; to: number };

const COLUMNS = ['bytes', 'hash', 'kid', 'signature'];

function inRow(sql: (seq: number, pick: Pick) => string): Change {
  return (path, first, pick) => {
    const seq = first + pick(SEGMENT);
    const db = new DatabaseSync(path);
    db.exec(sql(seq, pick));
    db.close();
    return { from: first, to: Math.max(seq, first) };
  };
}

const CHANGES: Readonly<Record<string, Change>> = {
  'a character of a row': inRow((seq, pick) => {
    const column = COLUMNS[pick(COLUMNS.length)];
    const at = 1 + pick(40);
    const edited = `substr(${column}, 1, ${at - 1}) || '~' || substr(${column}, ${at + 1})`;
    return `UPDATE receipts SET ${column} = ${edited} WHERE seq = ${seq}`;
  }),
  'a row out': inRow((seq) => `DELETE FROM receipts WHERE seq = ${seq}`),
  'a row elsewhere': inRow((seq, pick) => `UPDATE receipts SET seq = ${1_000 + pick(9)} WHERE seq = ${seq}`),
  'a row twice': inRow(
    (seq) =>
      'UPDATE receipts SET (bytes, hash, kid, signature) = (SELECT bytes, hash, kid, signature FROM receipts ' +
      `WHERE seq <> ${seq} LIMIT 1) WHERE seq = ${seq}`,
  ),
  'the file of another log': (path, first, _pick, other) => {
    cpSync(other, path);
    return { from: first, to: first };
  },
  'a file cut off': (path, first, pick) => {
    truncateSync(path, pick(readFileSync(path).length));
    return { from: first, to: first + SEGMENT };
  },
  'no file': (path, first) => {
    rmSync(path);
    return { from: first, to: first };
  },
  'a byte of the file': (path, first, pick) => {
    const bytes = readFileSync(path);
    const at = pick(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 + pick(255));
    writeFileSync(path, bytes);
    return { from: first, to: first + SEGMENT };
  },
};

async function inSegments(): Promise<string> {
  const log = openLog(freshDir(), SEGMENT);
  for (let n = 1; n <= SEGMENT * SEGMENTS + 5; n += 1) log.seal(purchase(n % 2 ? 'intended' : 'settled', n));
  const failed = await log.roll();
  if (failed !== undefined) throw new Error(failed);
  log.db.close();
  return log.dir;
}

/** What went wrong with each seed from 0 on; empty when every change was found. */
export async function escapedOfSegments(count: number): Promise<string[]> {
  const [whole, other] = [await inSegments(), await inSegments()];
  const before = (await read(whole)).lines;
  const names = Object.keys(CHANGES);
  const missed: string[] = [];
  for (let seed = 0; seed < count; seed += 1) {
    const pick = seeded(seed);
    const dir = freshDir();
    cpSync(whole, dir, { recursive: true });
    const first = 1 + SEGMENT * pick(SEGMENTS);
    const file = (folder: string) => join(folder, 'segments', `receipts-${first}.sqlite`);
    const name = names[seed % names.length] ?? '';
    const range = CHANGES[name]?.(file(dir), first, pick, file(other)) ?? { from: 0, to: 0 };
    const { verdict, lines } = await read(dir);
    rmSync(dir, { recursive: true });
    if (verdict.ok && lines === before) continue;
    const where = verdict.ok ? 'not found' : `found at ${verdict.seq}: ${verdict.fault}`;
    const found = !verdict.ok && verdict.seq >= range.from && verdict.seq <= range.to;
    if (!found) missed.push(`seed ${seed}: ${name} in ${first}: ${where} instead of ${range.from} to ${range.to}`);
  }
  return missed;
}

async function read(dir: string) {
  const reader = new LedgerReader(openReadOnly(dir));
  const end = logEnd(reader, dir, START);
  const lines = () => exportLines(reader.stored({ first: 0, last: end.head.seq }), end);
  const verdict = await locateFault(lines, { keys: ownKeys(reader, dir), fromStart: true });
  const text = verdict.ok ? Array.from(lines()).slice(0, -1).join('\n') : null;
  reader.close();
  return { verdict, lines: text };
}
