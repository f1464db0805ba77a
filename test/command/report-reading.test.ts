// A large log is read and proved by a thread while it is added up: what arrives, and what is said of a log that does
// not hold, is the same as without one.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { readReceipts } from '../../src/command/report-reading.ts';
import type { Reading } from '../../src/command/report-source.ts';
import type { Receipt } from '../../src/domain/receipt.ts';
import { openLog, type TestLog } from '../ledger/log.ts';
import { bought } from '../report/receipts.ts';

const PURCHASES = 600;
const BY_A_THREAD = 0;
const NOW = Date.parse('2026-11-23T11:00:00Z');

let log: TestLog;

beforeEach(() => {
  log = openLog();
  log.now = Date.parse('2026-11-23T10:00:00Z');
  log.db.exec('BEGIN');
  log.seal({ kind: 'policy', change: { what: 'policies', outcome: 'applied' } });
  for (let n = 0; n < PURCHASES; n += 1) {
    for (const kind of ['intended', 'settled'] as const) log.seal(bought({ kind, n, log: log.reader.log }));
    log.seal({ kind: 'delivered', delivery: { outcome: 'whole', bytes: 1 } });
  }
  log.db.exec('COMMIT');
});

function exported(): Reading {
  const file = join(mkdtempSync(join(tmpdir(), 'purser-export-')), 'log.jsonl');
  writeFileSync(file, `${log.lines().join('\n')}\n`);
  return { files: [file], keys: log.jwks() };
}

async function read(reading: Reading, large?: number) {
  const taken: string[] = [];
  const logs = await readReceipts(
    reading,
    (receipt) => {
      taken.push(`${receipt.log}.${receipt.seq} ${receipt.at} ${receipt.hold()?.id}`);
    },
    large,
  );
  return { taken, logs };
}

/** Two logs, a receipt of the one after a receipt of the other. */
function merged(): Reading {
  const other = openLog();
  for (let n = 0; n < PURCHASES; n += 1) other.seal(bought({ kind: 'intended', n, log: other.reader.log }));
  const [one, two] = [log.lines(), other.lines()];
  const lines = Array.from({ length: one.length + two.length }, (_, n) => (n % 2 === 0 ? one : two).shift() ?? '');
  const file = join(mkdtempSync(join(tmpdir(), 'purser-export-')), 'merged.jsonl');
  writeFileSync(file, `${[...lines, ...one, ...two].filter((line) => line !== '').join('\n')}\n`);
  return { files: [file], keys: { keys: [...log.jwks().keys, ...other.jwks().keys] } };
}

test.each([
  ['the live log', (): Reading => ({ dir: log.dir, nowMs: NOW })],
  ['an export', exported],
])('%s: every receipt arrives, in order', async (_name, readingOf) => {
  const reading = readingOf();
  const found = await read(reading, BY_A_THREAD);
  expect(found.taken).toHaveLength(PURCHASES * 3 + 1);
  expect(found).toEqual(await read(reading));
});

test('two logs in turn, and what is larger than all that may wait to be taken', async () => {
  const both = merged();
  const found = await read(both, BY_A_THREAD);
  expect(found.logs.map(({ seq }) => seq)).toEqual([PURCHASES * 3 + 1, PURCHASES]);
  expect(found).toEqual(await read(both));
  const large = 'é✓'.repeat(300_000);
  for (let n = 0; n < 40; n += 1) log.seal({ kind: 'policy', change: { what: `${n} ${large}`, outcome: 'applied' } });
  const texts: string[] = [];
  const take = (receipt: { whole(): Receipt }) => texts.push(receipt.whole().change?.what ?? '');
  await readReceipts({ dir: log.dir, nowMs: NOW }, take, BY_A_THREAD);
  expect(texts.slice(-40)).toEqual(Array.from({ length: 40 }, (_, n) => `${n} ${large}`));
});

test('a log that does not hold is told as without the thread, wherever it shows', async () => {
  const reading = { dir: log.dir, nowMs: NOW };
  for (const damage of [
    'UPDATE receipts SET signature = (SELECT signature FROM receipts WHERE seq = 1) WHERE seq = 1801',
    "UPDATE receipts SET bytes = replace(bytes, '0.010000', '0.000001') WHERE seq = 902",
    'DELETE FROM receipts WHERE seq = 2',
  ]) {
    log.db.exec(damage);
    const said = await read(reading).catch((error: Error) => error);
    const byThread = await read(reading, BY_A_THREAD).catch((error: Error) => error);
    expect(said).toBeInstanceOf(Error);
    expect(byThread).toEqual(said);
  }
});

test('a file that is no export, and what the caller throws, reach the caller', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'purser-export-'));
  const none: Reading = { files: [folder], keys: { keys: [] } };
  await expect(readReceipts(none, () => {}, BY_A_THREAD)).rejects.toThrow(`--from ${folder} is a folder`);
  class Refused extends Error {}
  const full = new Refused('there are more than 200000 groups');
  const taking = readReceipts(
    { dir: log.dir, nowMs: NOW },
    () => {
      throw full;
    },
    BY_A_THREAD,
  );
  await expect(taking).rejects.toBe(full);
});
