// Three sides compared: each kind of difference is planted once in a real gateway's books, state or purchases and must
// be named; where nothing was planted nothing may be named, also while the gateway works.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { TakenPayment } from '../fakes/hostile-merchant.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { demand } from '../fakes/script.ts';
import { audited, extract, kinds, type Row, tamper } from '../support/auditing.ts';
import { policy } from '../support/gateway.ts';
import { type Stand, startStand } from '../support/stand.ts';
import { run } from './support.ts';

let stand: Stand;
afterEach(async () => {
  await stand.close();
  rmSync(stand.gateway.folder, { recursive: true, force: true });
});

const SHORT_MS = 2_000;

const LINES = policy({
  more: '',
})
  .replace(
    /budgets:\n.*\n/,
    `budgets:
  - { id: purse, limit: 1000.00 USD, window: total, per: agent }
  - { id: rolls, limit: 1000.00 USD, rolling: 1h, per: all }
  - { id: month, limit: 1000.00 USD, payments: 100000, window: month, per: [agent, service] }
`,
  )
  .replace('budgets: [purse]', 'budgets: [purse, rolls, month]');

/** Buys `settled` times, and once more without getting anything for it. */
async function market(settled: number, uncertain: number): Promise<void> {
  stand = await startStand({ policies: LINES, folder: mkdtempSync(join(tmpdir(), 'purser-audit-')) });
  for (let n = 0; n < settled; n += 1) {
    const answer = await stand.gateway.ask(`/shop/v1/x?n=${n}`, { agent: n % 2 === 0 ? 'buyer-1' : 'buyer-2' });
    expect(answer.status).toBe(200);
  }
  const short = () => demand(sandboxChallenge({ expiresInMs: SHORT_MS }));
  stand.behave({ unpaid: short, paid: short });
  for (let n = 0; n < uncertain; n += 1) await (await stand.gateway.ask(`/shop/v1/y?n=${n}`)).text();
}

const config = (): string[] => ['--config', stand.gateway.configFile];

const rowOf = ({ nonce, request, at }: TakenPayment): Row => {
  const { amount, recipient } = request as { amount: string; recipient: string };
  return { payment: nonce, amount, asset: 'usd', payee: recipient, at: new Date(at).toISOString() };
};

/** The merchant's own books, all of it or what is left of it. */
const books = (change: (rows: Row[]) => readonly Row[] = (rows) => rows): string[] => {
  const file = extract(stand.gateway.folder, change(stand.merchant.books.taken.map(rowOf)));
  return ['--books', file];
};

/** Audits a changed extract of three settled purchases. */
async function withBooks(change: (rows: Row[]) => readonly Row[], ...more: string[]) {
  return audited([...config(), ...books(change), ...more]);
}

const replaced =
  (by: Partial<Row>) =>
  ([first, ...rest]: Row[]) =>
    first ? [{ ...first, ...by }, ...rest] : [];

test('where nothing is wrong nothing is named: receipts, budgets of every window, the merchant’s books', async () => {
  await market(4, 1);
  const answer = await audited([...config(), ...books()]);
  expect(answer.differences).toEqual([]);
  expect(answer.receipts).toMatchObject({
    settled: { payments: 4 },
    uncertain: { payments: 1 },
    voided: { payments: 0 },
  });
  expect(answer.budgets).toEqual({ openHolds: { payments: 1, amount: '0.100000' }, linesCompared: 5 });
  expect(answer.rails).toEqual([
    {
      book: 'books.csv',
      asset: 'usd.sandbox',
      moved: { payments: 5, atoms: '50' },
      settled: { payments: 4, atoms: '40' },
    },
  ]);
  expect(answer.uncertain).toMatchObject([{ budgets: 'uncertain', rails: 'redeemed (books.csv:6)' }]);
  const { code, out } = await run(['audit', ...config(), ...books()]);
  expect(code).toBe(0);
  expect(out).toContain('No difference between receipts, budgets and rails.');
  expect(out).toContain('Uncertain, and so no difference yet:');
});

test('books that lack, add, repeat or change a payment are told by what they do', async () => {
  await market(3, 0);
  const fourth: Row = { payment: 'x', amount: '1', asset: 'usd', payee: 'acme', at: new Date().toISOString() };
  const planted = {
    settled_without_transfer: (rows: Row[]) => rows.slice(1),
    transfer_without_receipt: (rows: Row[]) => [...rows, fourth],
    redeemed_twice: (rows: Row[]) => [...rows, ...rows.slice(0, 1)],
    amount_differs: replaced({ amount: '11' }),
    asset_differs: replaced({ asset: 'eur' }),
    payee_differs: replaced({ payee: 'mallory' }),
  };
  for (const [kind, change] of Object.entries(planted)) expect(kinds(await withBooks(change)), kind).toEqual([kind]);
  const told = (await withBooks(planted.amount_differs)).differences[0];
  expect(told).toMatchObject({ receipts: 'settled, 10 atoms of usd.sandbox to acme', budgets: null });
  expect(told?.rails).toMatch(/^11 atoms of usd\.sandbox to acme at \S+Z \(books\.csv:2\)$/);
  // Books without a row answer for nobody, unless it is said for whom.
  const none = await withBooks(() => []);
  expect([none.differences, none.settledInNoBooks]).toEqual([[], { payments: 3, amount: '0.300000' }]);
  expect(none.notes).toEqual(['books.csv has no row: it answers for nobody but those that --payee names']);
  const early = await withBooks((rows) => rows, '--month', '2020-01');
  expect(early.notes).toEqual(['books.csv has 3 rows, and none of them in this time']);
  expect(kinds(await withBooks(() => [], '--payee', 'acme'))).toEqual(Array(3).fill('settled_without_transfer'));
});

test('a purchase that was given back, but which the merchant redeemed, is told', async () => {
  await market(1, 1);
  await sleep(SHORT_MS + 100);
  const [hold] = await stand.holds();
  const because = 'the service said that it took nothing';
  const voided = await run(['holds', 'resolve', hold?.id ?? '', '--as', 'voided', '--because', because, ...config()]);
  expect(voided.code, voided.err + voided.out).toBe(0);
  const answer = await audited([...config(), ...books()]);
  expect(answer.differences).toMatchObject([
    { kind: 'voided_but_redeemed', about: hold?.id, receipts: 'voided', rails: expect.stringContaining('books.csv:3') },
  ]);
  expect(kinds(await audited(config()))).toEqual([]);
});

test('only what lies in the period is asked for, and a proof that still lives need not be in the books', async () => {
  await market(2, 0);
  const began = new Date(Date.now() - 3_600_000).toISOString();
  const until = new Date(Date.now() + 1_000).toISOString();
  expect(kinds(await withBooks((rows) => rows.slice(1), '--since', began))).toEqual(['settled_without_transfer']);
  expect(kinds(await withBooks((rows) => rows.slice(1), '--since', began, '--until', until))).toEqual([]);
  const stranger: Row = { payment: 'x', amount: '1', asset: 'usd', payee: 'acme', at: '2026-01-01T00:00:00Z' };
  expect(kinds(await withBooks((rows) => [...rows, stranger], '--since', began))).toEqual([]);
  expect(kinds(await withBooks((rows) => [...rows, stranger]))).toEqual(['transfer_without_receipt']);
});

test('what the budget store forgot, invented or altered is told, counter by counter and hold by hold', async () => {
  await market(2, 1);
  await stand.gateway.close();
  const state = join(stand.gateway.folder, 'var', 'purser.sqlite');
  const before = readFileSync(state);
  expect(kinds(await audited(config()))).toEqual([]);
  const cases: [string, string, string[]][] = [
    ['counted too much', `UPDATE budget_counters SET settled = settled + 1 WHERE budget = 'purse'`, [...'cc']],
    ['counted too little', `UPDATE budget_counters SET settled = settled - 1 WHERE budget = 'month'`, [...'cc']],
    ['a payment too many', `UPDATE budget_counters SET payments = payments + 1 WHERE budget = 'rolls'`, ['c']],
    ['a counter that is gone', `DELETE FROM budget_counters WHERE budget = 'rolls'`, ['c']],
    ['a hold that is gone', `DELETE FROM budget_holds WHERE state = 'exposed'`, ['uncertain_not_held']],
    ['another amount', `UPDATE budget_holds SET micros = 1 WHERE state = 'exposed'`, ['hold_amount_differs']],
    [
      'ended, but still held',
      `UPDATE budget_holds SET state = 'exposed' WHERE id = (SELECT min(id) FROM budget_holds WHERE state = 'settled')`,
      ['ended_but_held'],
    ],
    [
      'a hold without a receipt',
      `UPDATE budget_holds SET id = id || '9', held_at = 1 WHERE state = 'exposed'`,
      ['hold_without_receipt', 'uncertain_not_held'],
    ],
  ];
  await sleep(2_100);
  for (const [what, sql, expected] of cases) {
    tamper(stand.gateway.folder, sql);
    const found = kinds(await audited(config()));
    expect(found, what).toEqual(expected.map((kind) => (kind === 'c' ? 'counter_differs' : kind)));
    tamper(stand.gateway.folder, 'PRAGMA wal_checkpoint(TRUNCATE)');
    restore(state, before);
  }
}, 90_000);

test('of a budget with more scopes than are shown otherwise each one is compared', async () => {
  await market(1, 0);
  await stand.gateway.close();
  await sleep(2_100);
  const scopes = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)';
  const row = `SELECT budget, scope || i, start, settled * 2, held, payments, forget FROM budget_counters, n`;
  tamper(stand.gateway.folder, `${scopes} INSERT INTO budget_counters ${row} WHERE budget = 'purse'`);
  tamper(
    stand.gateway.folder,
    `UPDATE budget_counters SET settled = settled - 1 WHERE budget = 'purse' AND scope LIKE '%]'`,
  );
  const { differences, notes } = await audited(config());
  expect(new Set(differences.map(({ kind }) => kind))).toEqual(new Set(['counter_differs']));
  expect(differences).toHaveLength(1_501);
  expect(notes).toEqual([]);
});

test('a budget with more scopes than can be listed is named: not all of it was compared', async () => {
  await market(1, 0);
  await stand.gateway.close();
  const scopes = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)';
  const row = `SELECT budget, scope || i, start, settled, held, payments, forget FROM budget_counters, n`;
  tamper(stand.gateway.folder, `${scopes} INSERT INTO budget_counters ${row} WHERE budget = 'purse'`);
  const { notes } = await audited(config());
  expect(notes).toEqual([
    'budget purse counts for more scopes than can be listed: only its fullest ones were compared',
  ]);
}, 60_000);

function restore(state: string, before: Buffer): void {
  for (const suffix of ['-wal', '-shm']) rmSync(`${state}${suffix}`, { force: true });
  rmSync(state);
  writeFileSync(state, before, { mode: 0o600 });
}

test('while the gateway works nothing is named', async () => {
  stand = await startStand({ policies: LINES });
  let going = true;
  const buyer = async (name: string) => {
    for (let n = 0; going; n += 1) await (await stand.gateway.ask(`/shop/v1/${name}?n=${n}`)).text();
  };
  const buyers = ['a', 'b', 'c', 'd'].map(buyer);
  for (let look = 0; look < 6; look += 1) {
    await sleep(150);
    const answer = await audited(config());
    expect(answer.differences).toEqual([]);
  }
  going = false;
  await Promise.all(buyers);
  await sleep(2_100);
  const last = await audited([...config(), ...books()]);
  expect(last.differences).toEqual([]);
  expect(last.receipts.settled.payments).toBeGreaterThan(20);
});
