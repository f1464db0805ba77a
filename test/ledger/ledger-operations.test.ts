import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { receipt as receiptShape, type Sealed } from '../../src/domain/receipt.ts';
import { cutBack } from '../../src/ledger/cut-back.ts';
import type { ReceiptFilter, Unfinished } from '../../src/ledger/ledger.ts';
import { SELECTORS } from '../../src/ledger/tables.ts';
import type { SealedBytes } from '../../src/ledger/unfinished.ts';
import { verifyLog } from '../../src/ledger/verify.ts';
import { freshDir, openLog, purchase, START, type TestLog } from './log.ts';

const unfinished = (log: TestLog): { intents: number[]; outcomes: number[] } => {
  const { intents, outcomes } = log.run('ledger.unfinished') as Unfinished;
  return { intents: intents.map(({ seq }) => seq), outcomes: outcomes.map(({ receipt }) => receipt.seq) };
};

const list = (log: TestLog, filter: ReceiptFilter): number[] =>
  (log.run('ledger.list', filter) as Sealed[]).map(({ receipt }) => receipt.seq);

test('a sealed receipt is a link of the chain and reads back as it was sealed', () => {
  const log = openLog();
  const first = log.seal(purchase('intended', 1));
  const second = log.seal(purchase('settled', 1));
  expect(first.link).toEqual({
    v: 1,
    log: log.reader.log,
    seq: 1,
    prev: '0'.repeat(64),
    at: '2026-11-23T10:00:00.000Z',
    id: `${log.reader.log}.1`,
  });
  expect(second.link).toMatchObject({ seq: 2, prev: first.hash });
  const found = log.run('ledger.find', second.link.id) as Sealed;
  expect(found).toEqual({ receipt: { ...purchase('settled', 1), ...second.link }, hash: second.hash });
  expect(receiptShape.safeParse(found.receipt).success).toBe(true);
  expect(log.reader.log).toMatch(/^p[a-z2-7]{6}$/);
});

test('an entry of the wrong shape, or money without its hold, is not sealed', () => {
  const log = openLog();
  const { hold: _hold, ...without } = purchase('intended', 1);
  const wrong: unknown[] = [
    { kind: 'paid' },
    { kind: 'refused', colour: 'red' },
    without,
    undefined,
    { kind: 'settled' },
  ];
  for (const entry of wrong) {
    expect(() => log.run('ledger.seal', entry)).toThrow(expect.objectContaining({ code: 'entry_invalid' }));
  }
  expect(log.reader.head().seq).toBe(0);
});

test('an intent is unfinished until its outcome is sealed, the outcome until it is marked as applied', () => {
  const log = openLog();
  log.seal(purchase('intended', 1));
  log.seal(purchase('intended', 2));
  expect(unfinished(log)).toEqual({ intents: [1, 2], outcomes: [] });
  log.seal(purchase('settled', 1));
  log.seal(purchase('delivered', 1));
  expect(unfinished(log)).toEqual({ intents: [2], outcomes: [3] });
  log.run('ledger.applied', [3]);
  log.seal(purchase('uncertain', 2));
  expect(unfinished(log)).toEqual({ intents: [], outcomes: [5] });
  log.seal(purchase('resolved', 2));
  expect(unfinished(log)).toEqual({ intents: [], outcomes: [6] });
  log.run('ledger.applied', [5]);
  expect(unfinished(log)).toEqual({ intents: [], outcomes: [6] });
  log.run('ledger.applied', [6]);
  expect(unfinished(log)).toEqual({ intents: [], outcomes: [] });
});

test('intents are ended together: what they say, with another kind and code, as links of the chain', () => {
  const log = openLog();
  const decision = { policy: 'ab'.repeat(32), entitlement: 'e', outcome: 'allowed' as const, checks: [] };
  log.seal({ ...purchase('intended', 1), decision });
  for (const n of [2, 3]) log.seal(purchase('intended', n));
  const end = { seqs: [1, 3], kind: 'uncertain', code: 'payment_uncertain' };
  const ended = log.run('ledger.endIntents', end) as SealedBytes[];
  const sealed = ended.map(({ bytes, hash }): Sealed => ({ receipt: JSON.parse(bytes), hash }));
  expect(sealed.map(({ receipt }) => receipt)).toMatchObject([
    { ...purchase('uncertain', 1), decision: { ...decision, code: 'payment_uncertain' }, seq: 4 },
    { ...purchase('uncertain', 3), seq: 5, prev: sealed[0]?.hash },
  ]);
  expect(unfinished(log)).toEqual({ intents: [2], outcomes: [4, 5] });
  expect(log.run('ledger.list', { kind: 'uncertain', ascending: true })).toEqual(sealed);
  log.run('ledger.applied', [4, 5]);
  expect(unfinished(log)).toEqual({ intents: [2], outcomes: [] });
  expect(() => log.run('ledger.endIntents', { ...end, seqs: [9] })).toThrow();
});

test('an intent that is not what was sealed is not sealed again, and nor is any with it', () => {
  const log = openLog();
  for (const n of [1, 2]) log.seal(purchase('intended', n));
  log.db.exec("UPDATE receipts SET bytes = replace(bytes, 'exchange-2', 'exchange-7') WHERE seq = 2");
  const end = { seqs: [1, 2], kind: 'uncertain', code: 'payment_uncertain' };
  expect(() => log.run('ledger.endIntents', end)).toThrow(
    expect.objectContaining({
      code: 'state_damaged',
      message: expect.stringContaining('receipt 2, which names an open'),
    }),
  );
  expect(log.reader.head().seq).toBe(2);
});

test('hundreds of intents are ended as a chain that verifies', async () => {
  const log = openLog();
  const seqs = Array.from({ length: 300 }, (_, index) => index + 1);
  for (const n of seqs) log.seal(purchase('intended', n));
  log.run('ledger.endIntents', { seqs, kind: 'uncertain', code: 'payment_uncertain' });
  expect(log.reader.head().seq).toBe(600);
  expect(await verifyLog(log.lines(), { keys: log.jwks(), everySignature: true })).toMatchObject({
    ok: true,
    last: 600,
  });
});

test('cutting back to a mark leaves what was unfinished at that mark', () => {
  const log = openLog();
  log.seal(purchase('intended', 1));
  log.seal(purchase('settled', 1));
  log.seal(purchase('intended', 2));
  cutBack(log.db, 1);
  expect(log.reader.head().seq).toBe(1);
  expect(unfinished(log)).toEqual({ intents: [1], outcomes: [] });
});

test('of an outcome that is cut back its purchase is as it was before: uncertain, or nothing to finish', () => {
  const log = openLog();
  for (const n of [1, 2]) {
    log.seal(purchase('intended', n));
    log.seal(purchase('uncertain', n));
  }
  log.run('ledger.applied', [4]);
  for (const n of [1, 2]) log.seal(purchase('settled', n));
  expect(unfinished(log)).toEqual({ intents: [], outcomes: [5, 6] });
  cutBack(log.db, 4);
  expect(unfinished(log)).toEqual({ intents: [], outcomes: [2] });
});

test('every filter selects what it names, newest first, and filters combine', () => {
  const log = openLog();
  for (let n = 0; n < 6; n++) {
    log.now = START + n * 60_000;
    log.seal(purchase(n < 3 ? 'intended' : 'refused', n));
  }
  log.seal({ kind: 'summary', summary: { code: 'token_missing', minute: '2026-11-23T10:05:00.000Z', count: 7 } });
  expect(list(log, { kind: 'refused' })).toEqual([6, 5, 4]);
  expect(list(log, { agent: 'buyer-1', ascending: true })).toEqual([2, 5]);
  expect(list(log, { agent: 'buyer-1', kind: 'refused' })).toEqual([5]);
  expect(list(log, { code: 'token_missing' })).toEqual([7]);
  expect(list(log, { trace: '3'.padStart(32, '0') })).toEqual([4]);
  expect(list(log, { payee: 'shop', limit: 2 })).toEqual([6, 5]);
  expect(list(log, { owner: 'dana@example.com', team: 'research', service: 'weather', limit: 1 })).toEqual([6]);
  expect(list(log, { task: 'none' })).toEqual([]);
  expect(list(log, { since: '2026-11-23T10:01:00.000Z', until: '2026-11-23T10:03:00.000Z' })).toEqual([3, 2]);
});

test('a time filter finds receipts on both sides of a clock that stepped back', () => {
  const log = openLog();
  for (const minute of [0, 10, 20, 5, 12, 30]) {
    log.now = START + minute * 60_000;
    log.seal(purchase('refused', minute));
  }
  expect(list(log, { since: '2026-11-23T10:09:00.000Z', until: '2026-11-23T10:21:00.000Z' })).toEqual([5, 3, 2]);
});

test('every filter and the times are answered from an index', () => {
  const { db } = openLog();
  for (const column of SELECTORS) {
    const plan = db
      .prepare(
        `EXPLAIN QUERY PLAN SELECT bytes FROM receipts WHERE seq BETWEEN 1 AND 9 AND ${column} = 'x' ORDER BY seq DESC`,
      )
      .all();
    expect(plan.map((step) => step.detail)).toEqual([
      `SEARCH receipts USING INDEX receipts_${column} (${column}=? AND rowid>? AND rowid<?)`,
    ]);
  }
});

test('more receipts than a page are streamed whole and in order', () => {
  const log = openLog();
  log.db.exec('BEGIN');
  for (let n = 0; n < 1_203; n++) log.seal({ kind: 'refused' });
  log.db.exec('COMMIT');
  const seqs = (filter: ReceiptFilter) => Array.from(log.reader.iterate(filter), ({ receipt }) => receipt.seq);
  expect(seqs({ ascending: true })).toEqual(Array.from({ length: 1_203 }, (_, index) => index + 1));
  expect(seqs({ kind: 'refused', limit: 700 })).toEqual(Array.from({ length: 700 }, (_, index) => 1_203 - index));
});

test('keys are made once, for this user alone, and kept', () => {
  const dir = freshDir();
  const first = openLog(dir);
  first.seal({ kind: 'refused' });
  first.db.close();
  for (const name of ['log-key.pem', 'mask.key', 'purser.sqlite']) {
    expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
  }
  const before = readFileSync(join(dir, 'log-key.pem'), 'utf8');
  const second = openLog(dir);
  expect(second.reader.log).toBe(first.reader.log);
  expect(second.seal({ kind: 'refused' }).link.seq).toBe(2);
  expect(readFileSync(join(dir, 'log-key.pem'), 'utf8')).toBe(before);
});

test('receipts whose key is missing, another or unreadable stop the start, and no other key is made', () => {
  const dir = freshDir();
  const log = openLog(dir);
  log.seal({ kind: 'refused' });
  log.db.close();
  const path = join(dir, 'log-key.pem');
  renameSync(path, `${path}.away`);
  expect(() => openLog(dir)).toThrow(/log-key\.pem is missing.*backup/);
  expect(existsSync(path)).toBe(false);
  const other = freshDir();
  openLog(other);
  writeFileSync(path, readFileSync(join(other, 'log-key.pem')), { mode: 0o600 });
  expect(() => openLog(dir)).toThrow(/is not the key that signs/);
  writeFileSync(path, 'garbage');
  expect(() => openLog(dir)).toThrow(/not an Ed25519 private key/);
});
