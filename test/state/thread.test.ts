import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';
import { judgeAccess } from '../../src/domain/access.ts';
import { openLedger } from '../../src/ledger/sealed-ledger.ts';
import { BatchRunner } from '../../src/state/batch.ts';
import { openDatabase } from '../../src/state/database.ts';
import { openState, type StateThread } from '../../src/state/thread.ts';
import type { StateWorkerData } from '../../src/state-worker.ts';
import { freshDir, purchase } from '../ledger/log.ts';

const WORKER = new URL('../../src/state-worker.ts', import.meta.url);
const open: StateThread[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((state) => state.close()));
});

async function start(dir: string, data: Partial<StateWorkerData> = {}, worker = WORKER): Promise<StateThread> {
  const whole = { diskReserveBytes: 0, development: false, embedded: null, segment: 250_000, ...data, dir };
  const state = await openState({ worker, data: whole });
  open.push(state);
  return state;
}

/** Transactions in a write-ahead log: frames whose commit field is set (SQLite file format, section 4). */
function commits(dir: string): number {
  const wal = readFileSync(join(dir, 'purser.sqlite-wal'));
  const pageSize = wal.readUInt32BE(8);
  let count = 0;
  for (let at = 32; at + 24 + pageSize <= wal.length; at += 24 + pageSize) {
    const ofThisRun = wal.compare(wal, 16, 24, at + 8, at + 16) === 0;
    if (ofThisRun && wal.readUInt32BE(at + 4) > 0) count += 1;
  }
  return count;
}

test('200 seals asked for at once share a few transactions, in the order they were asked for', async () => {
  const dir = freshDir();
  const ledger = await openLedger(await start(dir));
  const before = commits(dir);
  // Small ones: their pages stay below the thousand at which SQLite starts its log anew.
  const sealed = await Promise.all(Array.from({ length: 200 }, () => ledger.seal({ kind: 'refused' })));
  expect(sealed.map(({ receipt }) => receipt.seq)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
  expect(commits(dir) - before).toBeGreaterThan(0);
  expect(commits(dir) - before).toBeLessThan(20);
});

test('an operation that fails takes nothing of its batch with it', async () => {
  const state = await start(freshDir());
  const ledger = await openLedger(state);
  const results = await Promise.allSettled([
    ledger.seal(purchase('intended', 1)),
    state.call('ledger.seal', { kind: 'paid' }),
    state.call('no.such', 1),
    state.call('constructor', 1),
    ledger.seal(purchase('settled', 1)),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled']);
  expect(results[1]).toMatchObject({ reason: { code: 'entry_invalid' } });
  expect(results[2]).toMatchObject({ reason: { code: 'operation_unknown' } });
  expect(results[4]).toMatchObject({ value: { receipt: { seq: 2 } } });
  expect(ledger.ready()).toBe(true);
});

test('the ledger keeps its interface over the thread', async () => {
  const dir = freshDir();
  const ledger = await openLedger(await start(dir, { development: true }));
  const sealed = await ledger.seal(purchase('intended', 1));
  expect(sealed.receipt).toMatchObject({ development: true, id: `${ledger.log}.1` });
  expect(await ledger.find(sealed.receipt.id)).toEqual(sealed);
  expect(await ledger.find('other.1')).toBeUndefined();
  expect(await ledger.ofExchange('exchange-1')).toEqual([sealed]);
  expect(await ledger.list({ kind: 'intended' })).toEqual([sealed]);
  expect(await ledger.unfinished()).toEqual({ intents: [{ hold: sealed.receipt.hold?.id, seq: 1 }], outcomes: [] });
  const outcome = await ledger.seal(purchase('voided', 1));
  await ledger.applied(outcome.receipt.seq);
  expect(await ledger.unfinished()).toEqual({ intents: [], outcomes: [] });
  expect(ledger.mask('a')).toMatch(/^[0-9a-f]{64}$/);
  expect(ledger.mask('a')).not.toBe(ledger.mask('b'));
  expect(ledger.keys().keys).toEqual([expect.objectContaining({ kty: 'OKP', crv: 'Ed25519' })]);
  expect(ledger.keys().keys[0]).not.toHaveProperty('d');
  await expect(ledger.seal({ kind: 'intended' })).rejects.toBeInstanceOf(TypeError);
});

test('masks and keys are the same after a restart', async () => {
  const dir = freshDir();
  const first = await start(dir);
  const before = await openLedger(first);
  await first.close();
  const after = await openLedger(await start(dir));
  expect(after.mask('a')).toBe(before.mask('a'));
  expect(after.keys()).toEqual(before.keys());
  expect(after.log).toBe(before.log);
});

test('below the disk reserve the log is not ready, and outcomes can still be sealed', async () => {
  const ledger = await openLedger(await start(freshDir(), { diskReserveBytes: Number.MAX_SAFE_INTEGER }));
  expect([ledger.ready(), ledger.trouble()]).toEqual([false, expect.stringMatching(/limits\.diskReserve; make room/)]);
  expect((await ledger.seal(purchase('settled', 1))).receipt.seq).toBe(1);
});

test('what was asked before a close is answered, and nothing after it', async () => {
  const dir = freshDir();
  const state = await start(dir);
  const ledger = await openLedger(state);
  const last = ledger.seal(purchase('refused', 1));
  const closed = state.close();
  await expect(ledger.seal(purchase('refused', 2))).rejects.toMatchObject({ code: 'ledger_unavailable' });
  expect((await last).receipt.seq).toBe(1);
  await closed;
  expect(ledger.ready()).toBe(false);
  await start(dir);
});

test('what an operation wrote before it failed is rolled back, what others of its batch wrote is kept', () => {
  const dir = freshDir();
  const operations = (db: DatabaseSync) => {
    db.exec('CREATE TABLE IF NOT EXISTS notes (text TEXT)');
    const write = (text: unknown) => db.prepare('INSERT INTO notes VALUES (?)').run(String(text));
    return {
      write: { durable: false, run: (text: unknown) => void write(text) },
      fail: {
        durable: false,
        run: (text: unknown) => {
          write(text);
          throw new Error('no');
        },
      },
      read: {
        durable: false,
        run: () =>
          db
            .prepare('SELECT text FROM notes')
            .all()
            .map((row) => row.text),
      },
    };
  };
  const runner = new BatchRunner(() => openDatabase(dir), { operations, mark: () => 0, cutBack: () => {} });
  const [, failed] = runner.run([
    { id: 1, operation: 'write', argument: 'a' },
    { id: 2, operation: 'fail', argument: 'b' },
    { id: 3, operation: 'write', argument: 'c' },
  ]);
  expect(failed).toEqual({ id: 2, ok: false, code: 'operation_failed', message: 'no' });
  expect(runner.run([{ id: 4, operation: 'read', argument: null }])).toEqual([{ id: 4, ok: true, value: ['a', 'c'] }]);
  runner.close();
});

test('a thread that dies rejects every open call, is not ready any more, and says so once', async () => {
  const dir = freshDir();
  const dying = join(dir, 'dying.ts');
  const serve = new URL('../../src/state/serve.ts', import.meta.url).href;
  writeFileSync(
    dying,
    `import { parentPort, workerData } from 'node:worker_threads';
     import { serveState } from '${serve}';
     const operations = () => ({ die: { durable: false, run: () => process.exit(3) } });
     serveState(parentPort, workerData, { operations, mark: () => 0, cutBack: () => {} });`,
  );
  const state = await start(join(dir, 'state'), {}, new URL(`file://${dying}`));
  const reasons: string[] = [];
  state.onExit((reason) => reasons.push(reason));
  expect(state.ready()).toBe(true);
  const calls = await Promise.allSettled([state.call('die', 1), state.call('die', 2)]);
  for (const call of calls) expect(call).toMatchObject({ reason: { code: 'state_unavailable' } });
  expect(state.ready()).toBe(false);
  expect(reasons).toHaveLength(1);
  await expect(state.call('die', 3)).rejects.toMatchObject({ code: 'state_unavailable' });
});

test('the folder is made for this user alone, and one of ours that is open is closed to others', async () => {
  const dir = join(freshDir(), 'a', 'b');
  await (await start(dir)).close();
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  chmodSync(dir, 0o755);
  await start(dir);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
});

test('a folder that is shared, or is a file, is refused with the folder in the message', async () => {
  const dir = join(freshDir(), 'shared');
  mkdirSync(dir);
  chmodSync(dir, 0o1777);
  await expect(start(dir)).rejects.toMatchObject({ code: 'state_unsafe', message: expect.stringContaining(dir) });
  const file = join(freshDir(), 'file');
  writeFileSync(file, '');
  await expect(start(file)).rejects.toMatchObject({ message: expect.stringContaining(file) });
});

test('access is judged by owner, others and foreign groups', () => {
  const self = { uid: 1000, gids: [1000, 2000] };
  const of = (uid: number, gid: number, mode: number) => judgeAccess({ uid, gid, mode }, self).kind;
  expect(of(1000, 1000, 0o40700)).toBe('fine');
  expect(of(1000, 1000, 0o40750)).toBe('tighten');
  expect(of(1000, 1000, 0o40705)).toBe('tighten');
  expect(of(0, 0, 0o100400)).toBe('fine');
  expect(of(0, 2000, 0o42770)).toBe('fine');
  expect(of(0, 3000, 0o40750)).toBe('fine');
  expect(of(0, 3000, 0o40770)).toBe('refused');
  expect(of(0, 0, 0o100444)).toBe('refused');
  expect(of(0, 0, 0o41777)).toBe('refused');
});

test('a database of a newer layout, or one that is none, is refused and left alone', async () => {
  const dir = freshDir();
  await (await start(dir)).close();
  const db = new DatabaseSync(join(dir, 'purser.sqlite'));
  db.exec('PRAGMA user_version=99');
  db.close();
  await expect(start(dir)).rejects.toMatchObject({ code: 'state_newer' });
  const damaged = freshDir();
  writeFileSync(join(damaged, 'purser.sqlite'), 'not a database at all'.repeat(1_000));
  await expect(start(damaged)).rejects.toMatchObject({ code: 'state_damaged' });
});
