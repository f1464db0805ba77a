// Logs whose older receipts lie in segments: they read as they did before, also while receipts are moved; and a segment
// that is missing, changed or another's is found, at its receipt.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { codeOf } from '../../src/domain/operations.ts';
import { accountOperations } from '../../src/ledger/account-operations.ts';
import { cutAccount } from '../../src/ledger/account-tables.ts';
import { checkpointLine, exportLines, proofLine } from '../../src/ledger/export.ts';
import type { ReceiptFilter } from '../../src/ledger/ledger.ts';
import { logEnd, ownKeys } from '../../src/ledger/own-log.ts';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { rollOperations } from '../../src/ledger/roll.ts';
import { checkSegments, readAt } from '../../src/ledger/segments.ts';
import { locateFault } from '../../src/ledger/verify.ts';
import { openReadOnly } from '../../src/state/database.ts';
import { freshDir, openLog, purchase, START, type TestLog } from './log.ts';
import { escapedOfSegments } from './segment-tampering.ts';

const SEGMENT = 300;
/** Thousands more: test/long/tampers.test.ts. */
const CHANGES = 80;
const RECEIPTS = 1_450;

/** Four kinds of receipts, a clock that once steps back, and a rotation. */
function filled(segment = SEGMENT, receipts = RECEIPTS, dir = freshDir()): TestLog {
  const log = openLog(dir, segment);
  log.db.exec('BEGIN');
  for (let n = 1; n <= receipts; n += 1) {
    log.now += n === 700 ? -200_000 : 1_000;
    if (n === 450) {
      log.run('ledger.rotate', { by: 'dana', because: 'a year has passed' });
      log.run('ledger.retire');
    } else log.seal(purchase(n % 2 ? 'intended' : 'settled', Math.ceil(n / 2)));
  }
  while (log.run('ledger.checkpoint') === 'growing');
  log.db.exec('COMMIT');
  return log;
}

const template = filled();
template.db.close();

/** The same log again, as it was. */
function copied(): TestLog {
  const dir = freshDir();
  cpSync(template.dir, dir, { recursive: true });
  return openLog(dir, SEGMENT);
}

const at = (seconds: number): string => new Date(START + seconds * 1_000).toISOString();

const FILTERS: readonly ReceiptFilter[] = [
  {},
  { limit: 7 },
  { ascending: true },
  { ascending: true, limit: 350 },
  { kind: 'settled' },
  { kind: 'settled', agent: 'buyer-1', ascending: true },
  { agent: 'buyer-2', limit: 333 },
  { exchange: 'exchange-140' },
  { exchange: 'exchange-720' },
  { since: at(290), until: at(310) },
  { since: at(480), until: at(520), ascending: true },
  { since: at(900), kind: 'intended' },
  { until: at(300), limit: 5 },
  { since: at(999_999) },
];

/** Everything that readers say of a log. */
function told(reader: LedgerReader) {
  const checkpoint = reader.checkpoint();
  if (!checkpoint) throw new Error('it has a checkpoint');
  const all = { first: 1, last: RECEIPTS };
  return {
    filters: FILTERS.map((filter) => Array.from(reader.iterate(filter), ({ receipt }) => receipt.seq)),
    ranges: FILTERS.map((filter) => reader.range(filter)),
    chain: Array.from(reader.chain({ first: 0, last: RECEIPTS })),
    part: Array.from(reader.stored({ first: 295, last: 605 })),
    found: [1, 300, 301, 900, 1_200, 1_201, RECEIPTS].map((seq) => reader.find(`${reader.log}.${seq}`)),
    heads: [0, 300, 301, RECEIPTS].map((seq) => reader.headAt(seq)),
    lines: [checkpointLine(reader, all), ...[2, 256, 300, 301, 1_300].map((seq) => proofLine(reader, seq, checkpoint))],
  };
}

const segments = (dir: string): string[] => readdirSync(join(dir, 'segments')).sort();

test('a log in segments exports the same bytes, and every reader says what it said before', async () => {
  const log = copied();
  const before = { lines: log.lines(), told: told(log.reader) };
  expect(await log.roll()).toBeUndefined();
  expect(segments(log.dir)).toEqual([1, 301, 601, 901].map(named));
  expect(Number(log.db.prepare('SELECT count(*) AS n FROM receipts').get()?.n)).toBe(RECEIPTS - 4 * SEGMENT);
  expect(log.lines()).toEqual(before.lines);
  expect(told(log.reader)).toEqual(before.told);
  expect(await locateFault(() => log.lines(), { keys: log.jwks() })).toMatchObject({ ok: true });
  const beside = new LedgerReader(openReadOnly(log.dir));
  expect(told(beside)).toEqual(before.told);
  beside.close();
});

const named = (first: number): string => `receipts-${first}.sqlite`;

test('readers go on while receipts are moved under them, and miss none and see none twice', async () => {
  for (const [n, { limit, ...filter }] of FILTERS.entries()) {
    const log = copied();
    const beside = new LedgerReader(openReadOnly(log.dir));
    const whole = { ...filter, ...(limit === undefined ? {} : { limit: 10 * limit }) };
    const before = Array.from(log.reader.iterate(whole), ({ receipt }) => receipt.seq);
    const seen: number[] = [];
    for (const { receipt } of beside.iterate(whole)) {
      // A few steps at a time, so that pages fall before, into and after each of them.
      for (let steps = 0; steps < (receipt.seq % 5) - (n % 2); steps += 1) log.run('ledger.roll', RECEIPTS);
      if (receipt.seq % 50 === 0) await nextTurn();
      seen.push(receipt.seq);
    }
    expect([n, seen]).toEqual([n, before]);
    expect(await log.roll()).toBeUndefined();
    beside.close();
  }
}, 60_000);

test('a page that was begun before its receipts were moved is read again from where they went', async () => {
  const log = copied();
  const db = openReadOnly(log.dir);
  const asked: number[] = [];
  const found = readAt(db, 1, (part) => {
    asked.push(part.last);
    if (asked.length === 1) rollAtOnce(log);
    return part.db.prepare('SELECT count(*) AS n FROM receipts').get()?.n;
  });
  expect([asked, found]).toEqual([[Number.MAX_SAFE_INTEGER, SEGMENT], SEGMENT]);
  db.close();
});

/** As another process does while this one reads: its disk syncs at once. */
function rollAtOnce({ dir }: TestLog): void {
  const code = `import { openLog } from ${JSON.stringify(new URL('log.ts', import.meta.url).href)};
    process.exitCode = (await openLog(process.argv[1], ${SEGMENT}).roll()) === undefined ? 0 : 1;`;
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', code, dir], { encoding: 'utf8' });
  expect([done.status, done.stderr]).toEqual([0, '']);
}

test('what a later process folds into its account is the same, wherever the receipts lie', async () => {
  const log = copied();
  const folded = (db: DatabaseSync) => {
    const standing = { afterEndMs: 1e12, afterProofMs: 1e12 };
    const account = accountOperations(db, standing, () => START);
    const fold = () => account['account.fold']?.run(200) as { more: boolean } | undefined;
    while (fold()?.more);
    return [account['account.holds']?.run({ after: '', most: 5_000, now: 0 }), db.prepare(FOLDED).get()?.seq];
  };
  const before = folded(log.db);
  cutAccount(log.db, 0);
  expect(await log.roll()).toBeUndefined();
  expect(folded(log.db)).toEqual(before);
  expect(before[1]).toBe(RECEIPTS);
});

const FOLDED = 'SELECT seq FROM account_folded';

test('an intent that lies in a segment is still found by recovery, and ended', async () => {
  const log = openLog(freshDir(), 10);
  log.seal(purchase('intended', 1));
  for (let n = 2; n <= 15; n += 1) log.seal(purchase('refused', n));
  expect(await log.roll()).toBeUndefined();
  expect(log.run('ledger.unfinished')).toMatchObject({ intents: [{ hold: 'hold-1', seq: 1 }] });
  expect(log.run('ledger.intended', [{ id: 'hold-1', exchange: 'exchange-1' }])).toEqual(['hold-1']);
  log.run('ledger.endIntents', { seqs: [1], kind: 'uncertain', code: 'payment_uncertain' });
  expect(log.reader.find(`${log.reader.log}.16`)?.receipt).toMatchObject({ kind: 'uncertain', hold: { id: 'hold-1' } });
  expect(log.run('ledger.unfinished')).toMatchObject({ intents: [] });
});

/** A log of 40 receipts, the first 30 in segments of 10. */
async function inSegments(): Promise<TestLog> {
  const log = filled(10, 40);
  expect(await log.roll()).toBeUndefined();
  log.db.close();
  return log;
}

const fileOf = ({ dir }: TestLog, first: number): string => join(dir, 'segments', named(first));

/** What `verify` says of it, which reads all there is, and what a start says, which looks at the ends. */
async function judged({ dir }: TestLog) {
  const reader = new LedgerReader(openReadOnly(dir));
  const end = logEnd(reader, dir, START);
  const lines = () => exportLines(reader.stored({ first: 0, last: end.head.seq }), end);
  const verdict = await locateFault(lines, { keys: ownKeys(reader, dir), fromStart: true });
  reader.close();
  let start = 'starts';
  try {
    openLog(dir).db.close();
  } catch (error) {
    expect(codeOf(error)).toBe('state_damaged');
    start = String(error);
  }
  return { verdict, start };
}

test('a segment that is missing: verify says at which receipt, and no gateway starts without it', async () => {
  const log = await inSegments();
  renameSync(fileOf(log, 11), join(log.dir, 'away'));
  const { verdict, start } = await judged(log);
  expect(verdict).toMatchObject({ ok: false, seq: 11, fault: expect.stringMatching(/receipts-11.* is missing/) });
  expect(start).toMatch(/receipts-11\.sqlite is missing, which holds receipts 11 to 20 .*backup/);
  renameSync(join(log.dir, 'away'), fileOf(log, 11));
  expect(await judged(log)).toMatchObject({ verdict: { ok: true }, start: 'starts' });
});

test('a segment that is no database any more, or one of another log, is found at its first receipt', async () => {
  const [log, other] = [await inSegments(), await inSegments()];
  copyFileSync(fileOf(other, 21), fileOf(log, 21));
  const swapped = await judged(log);
  expect(swapped.verdict).toMatchObject({ ok: false, seq: 21, fault: expect.stringContaining('something else') });
  expect(swapped.start).toContain('does not hold receipts 21 to 30');
  writeFileSync(fileOf(log, 21), 'x'.repeat(8_192));
  const damaged = await judged(log);
  expect(damaged.verdict).toMatchObject({ ok: false, seq: 21, fault: expect.stringContaining('is damaged') });
  expect(damaged.start).toContain('is damaged');
});

test.each([
  ["UPDATE receipts SET bytes = replace(bytes, 'shop', 'shoq') WHERE seq = 16", 16],
  ['DELETE FROM receipts WHERE seq = 13', 13],
  ['UPDATE receipts SET seq = 99 WHERE seq = 14', 11],
  ['UPDATE receipts SET signature = (SELECT signature FROM receipts WHERE seq = 18) WHERE seq = 17', 17],
  ['DELETE FROM receipts WHERE seq > 17', 11],
])('a segment that was edited (%s) is found at receipt %i', async (sql, seq) => {
  const log = await inSegments();
  const segment = new DatabaseSync(fileOf(log, 11));
  segment.exec(sql);
  segment.close();
  expect((await judged(log)).verdict).toMatchObject({ ok: false, seq });
});

test('a segment that is not in the catalogue, and receipts that are nowhere, are found before a start', async () => {
  const log = await inSegments();
  const db = new DatabaseSync(join(log.dir, 'purser.sqlite'));
  db.exec('BEGIN; DELETE FROM segments WHERE first = 11');
  expect(() => checkSegments(db)).toThrow(/receipts 11 to 20 are in no segment/);
  db.exec('ROLLBACK; BEGIN; DELETE FROM receipts WHERE seq = 31');
  expect(() => checkSegments(db)).toThrow(/receipts 31 to 31 are in no segment/);
  db.exec('ROLLBACK');
  db.close();
});

test('an older copy of the database beside newer segments does not start', async () => {
  const log = filled(10, 15);
  log.db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  const kept = join(log.dir, 'kept');
  copyFileSync(join(log.dir, 'purser.sqlite'), kept);
  for (let n = 16; n <= 25; n += 1) log.seal(purchase('refused', n));
  expect(await log.roll()).toBeUndefined();
  expect(segments(log.dir)).toEqual([1, 11].map(named));
  log.db.close();
  const folder = join(log.dir, 'purser.sqlite');
  copyFileSync(kept, folder);
  const again = openLog(log.dir, 10);
  expect(await again.roll()).toBeUndefined();
  again.db.close();
  expect(() => openLog(log.dir, 10)).toThrow(/receipts-11\.sqlite holds receipts up to 20 .* an older copy/);
});

test('a log with segments is not opened by a version that knows nothing of them', async () => {
  const log = filled(10, 15);
  const version = () => log.db.prepare('PRAGMA user_version').get()?.user_version;
  expect(version()).toBe(1);
  expect(await log.roll()).toBeUndefined();
  expect(version()).toBe(2);
});

test('a disk that takes no segment: it is said, nothing is moved, nothing left behind; later it goes on', async () => {
  const log = filled(10, 15);
  const lines = log.lines();
  writeFileSync(join(log.dir, 'segments'), 'a file where the folder should be');
  expect(await log.roll()).toMatch(/EEXIST/);
  rmSync(join(log.dir, 'segments'));
  const narrow = rollOperations(log.db, { segment: 10, diskReserveBytes: 2 ** 52 });
  expect(narrow['ledger.roll']?.run(15)).toEqual({
    more: false,
    failed: 'a segment takes 40960 bytes beside limits.diskReserve, and there is not so much room',
  });
  expect(segments(log.dir)).toEqual([]);
  expect(log.lines()).toEqual(lines);
  expect(await log.roll()).toBeUndefined();
  expect(segments(log.dir)).toEqual([named(1)]);
  expect(log.lines()).toEqual(lines);
});

test('segments and their folder are for the gateway’s user alone', async () => {
  const log = await inSegments();
  expect(statSync(join(log.dir, 'segments')).mode & 0o777).toBe(0o700);
  expect(statSync(fileOf(log, 1)).mode & 0o777).toBe(0o600);
});

const canMount = (() => {
  const place = freshDir();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place]).status === 0;
  if (mounted) spawnSync('umount', [place]);
  return mounted;
})();

test.runIf(canMount)(
  'a disk that fills up while a segment is written: nothing is moved, and it goes on later',
  async () => {
    const log = copied();
    const lines = log.lines();
    const place = join(log.dir, 'segments');
    mkdirSync(place, { mode: 0o700 });
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=12m,mode=700', 'tmpfs', place]).status).toBe(0);
    try {
      expect(log.run('ledger.roll', RECEIPTS)).toEqual({ more: true });
      const ballast = join(place, 'ballast');
      expect(() => writeFileSync(ballast, Buffer.alloc(1 << 24))).toThrow(/ENOSPC/);
      expect(await log.roll()).toMatch(/full/);
      expect(segments(log.dir)).toEqual(['ballast']);
      expect(log.lines()).toEqual(lines);
      rmSync(ballast);
      expect(await log.roll()).toBeUndefined();
      expect(segments(log.dir)).toHaveLength(4);
      expect(log.lines()).toEqual(lines);
    } finally {
      spawnSync('umount', ['--lazy', place]);
    }
  },
);

test(`of ${CHANGES} random changes of segment files each is found at its receipt, or changes no receipt`, async () => {
  const missed = await escapedOfSegments(CHANGES);
  expect(missed).toEqual([]);
});
