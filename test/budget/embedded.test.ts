// The embedded store keeps the budget contract, and what only it can break: its clock, its tables, its restart.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { askOf, budgetContract, claimOf, ENDING, exposed, lineOf } from '../contracts/budget.ts';
import { embeddedHouse, TurnedClock } from './embedded-house.ts';

budgetContract('embedded', async () => embeddedHouse());

const UNAVAILABLE = { code: 'store_unavailable' };
const HOUR = 3_600_000;
const hourly = [lineOf({ window: { kind: 'hour' }, limitMicros: 1_000_000n })];

test('windows turn over by the store’s clock, whatever the gateway’s says', async () => {
  const clock = new TurnedClock(Date.UTC(2026, 10, 23, 9, 59, 50));
  const ahead = new TurnedClock(clock.wall + 30_000);
  const { gateway } = embeddedHouse(new DatabaseSync(':memory:'), clock, ahead);
  const budget = await gateway();
  const nine = Date.UTC(2026, 10, 23, 9);
  const first = askOf({ lines: hourly });
  expect(await budget.hold(first)).toMatchObject({ lines: [{ windowStart: nine, resetsAt: nine + HOUR }] });
  expect(await budget.hold(askOf({ lines: hourly }))).toMatchObject({ kind: 'exceeded' });
  clock.pass(20_000);
  expect(await budget.hold(askOf({ lines: hourly }))).toMatchObject({ lines: [{ windowStart: nine + HOUR }] });
  await budget.expose(first.id, 1_000);
  await budget.settle(first.id);
  expect(await budget.lines(hourly)).toMatchObject([{ heldMicros: 1_000_000n, settledMicros: 0n }]);
});

test('a part of a rolling window counts until it is wholly older than the window', async () => {
  const clock = new TurnedClock(Date.UTC(2026, 10, 23) + 5);
  const budget = await embeddedHouse(new DatabaseSync(':memory:'), clock).gateway();
  const lines = [lineOf({ window: { kind: 'rolling', lengthMs: 600 }, limitMicros: 1_000_000n })];
  await exposed(budget, { lines });
  clock.pass(604);
  expect(await budget.hold(askOf({ lines }))).toMatchObject({ kind: 'exceeded' });
  clock.pass(1);
  expect(await budget.hold(askOf({ lines }))).toMatchObject({ kind: 'held' });
});

test('a day turns over at midnight of the accounting time zone', async () => {
  const clock = new TurnedClock(Date.parse('2026-10-24T23:30:00+02:00'));
  const { gateway } = embeddedHouse(new DatabaseSync(':memory:'), clock);
  const budget = await gateway('here', 'Europe/Berlin');
  const lines = [lineOf({ window: { kind: 'day' }, limitMicros: 1_000_000n })];
  await exposed(budget, { lines });
  clock.pass(HOUR);
  const midnight = Date.parse('2026-10-25T00:00:00+02:00');
  expect(await budget.hold(askOf({ lines }))).toMatchObject({
    lines: [{ windowStart: midnight, resetsAt: midnight + 25 * HOUR }],
  });
});

test('a clock that steps back opens no window again, also after a restart', async () => {
  const start = Date.UTC(2026, 10, 23, 10, 0, 5);
  const db = new DatabaseSync(':memory:');
  const clock = new TurnedClock(start);
  const budget = await embeddedHouse(db, clock).gateway();
  await exposed(budget, { lines: hourly });
  clock.wall -= 10_000;
  expect(await budget.hold(askOf({ lines: hourly }))).toMatchObject({ kind: 'exceeded' });
  const again = await embeddedHouse(db, new TurnedClock(start - 10_000)).gateway();
  expect(await again.hold(askOf({ lines: hourly }))).toMatchObject({ kind: 'exceeded' });
});

test('a clock that is set by more than 60 s while it runs, or is behind its record, moves nothing', async () => {
  const db = new DatabaseSync(':memory:');
  const clock = new TurnedClock();
  const budget = await embeddedHouse(db, clock).gateway();
  const request = await exposed(budget);
  for (const step of [61_000, -122_000]) {
    clock.wall += step;
    await expect(budget.hold(askOf())).rejects.toMatchObject(UNAVAILABLE);
    await expect(budget.settle(request.id)).rejects.toMatchObject(UNAVAILABLE);
  }
  clock.wall += 61_000;
  expect(await budget.lines([lineOf()])).toMatchObject([{ heldMicros: 1_000_000n, settledMicros: 0n }]);
  await expect(embeddedHouse(db, new TurnedClock(clock.wall - 3_600_000)).gateway()).rejects.toMatchObject(UNAVAILABLE);
});

test('nothing that was held before a restart is forgotten', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'purser-budget-'));
  const file = join(dir, 'state.sqlite');
  const clock = new TurnedClock();
  const first = new DatabaseSync(file);
  const before = await embeddedHouse(first, clock).gateway();
  const request = await exposed(before, { claim: claimOf() });
  await before.stop({ kind: 'wallet', id: 'play', because: 'drill', by: 'dana' });
  first.close();
  clock.pass(2_100);
  const budget = await embeddedHouse(new DatabaseSync(file), clock).gateway();
  expect(await budget.openHolds('here')).toMatchObject([{ id: request.id, state: 'uncertain' }]);
  clock.pass(2_100);
  await budget.heartbeat();
  expect(await budget.hold(askOf({ claim: claimOf() }))).toMatchObject({
    kind: 'repeat',
    purchase: { hold: request.id },
  });
  expect(await budget.stops()).toHaveLength(1);
  await budget.settle(request.id);
  expect(await budget.lines([lineOf()])).toMatchObject([{ settledMicros: 1_000_000n, heldMicros: 0n, payments: 1 }]);
  rmSync(dir, { recursive: true, force: true });
});

test.each(["'abc'", '-5', '1e3 + 0.5', "'0x10'", 'NULL', '9007199254740992'])(
  'the tables take no amount that reads %s',
  async (value) => {
    const { db, gateway } = embeddedHouse();
    const request = await exposed(await gateway());
    for (const column of ['settled', 'held', 'payments']) {
      expect(() => db.exec(`UPDATE budget_counters SET ${column} = ${value}`)).toThrow();
    }
    expect(() => db.exec(`UPDATE budget_holds SET micros = ${value} WHERE id = '${request.id}'`)).toThrow();
  },
);

test('a counter that holds less than its hold stops the step whole', async () => {
  const { db, gateway } = embeddedHouse();
  const budget = await gateway();
  const lines = [lineOf({ budget: 'a' }), lineOf({ budget: 'b' })];
  const request = await exposed(budget, { lines });
  db.exec("UPDATE budget_counters SET held = 5 WHERE budget = 'b'");
  await expect(budget.settle(request.id)).rejects.toMatchObject(UNAVAILABLE);
  expect(await budget.lines(lines)).toMatchObject([{ heldMicros: 1_000_000n }, { heldMicros: 5n }]);
});

test('what is over is forgotten in time: claims, holds, counters; what is open is not', async () => {
  const { db, clock, gateway } = embeddedHouse();
  const budget = await gateway();
  const rolling = lineOf({ budget: 'rolled', window: { kind: 'rolling', lengthMs: 60_000 } });
  const lines = [lineOf({ window: { kind: 'day' } }), rolling];
  const open = await exposed(budget, { lines, claim: claimOf({ key: 'open' }) });
  const done = await exposed(budget, { lines, claim: claimOf({ key: 'done' }) });
  await budget.settle(done.id);
  await budget.close(done.id, ENDING, true);
  const rows = (table: string) => Number(db.prepare(`SELECT count(*) AS rows FROM ${table}`).get()?.rows);
  for (let hours = 0; hours < 23; hours++) clock.pass(HOUR);
  await budget.heartbeat();
  expect(await budget.lookUp(claimOf({ key: 'done' }))).toMatchObject({ hold: done.id });
  clock.pass(2 * HOUR);
  await budget.heartbeat();
  expect(await budget.lookUp(claimOf({ key: 'done' }))).toBeUndefined();
  expect([rows('budget_holds'), rows('budget_claims'), rows('budget_counters')]).toEqual([1, 3, 1]);
  clock.pass(41 * 24 * HOUR);
  await budget.heartbeat();
  expect(rows('budget_counters')).toBe(0);
  expect(await budget.lookUp(claimOf({ key: 'open' }))).toMatchObject({ hold: open.id, state: 'exposed' });
  await budget.settle(open.id);
});
