// What every budget store must do, whatever it is made of: one suite, run against each. Times are short because a real
// store's clock cannot be turned; where a store's clock can, `wait` turns it.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Budget } from '../../src/budget/budget.ts';
import type { BudgetLine, Ending, HoldOutcome, HoldRequest, Purchase } from '../../src/domain/hold.ts';
import { MAX_MICROS } from '../../src/domain/money.ts';

/** One store with as many gateways as a test wants. */
export interface StoreHouse {
  /** A gateway on the store; it has been heard of. */
  gateway(log?: string): Promise<Budget>;
  /** Lets this much time pass for the store; milliseconds. */
  wait(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** How long ended purchases stand for their repeats in the houses that tests open; milliseconds. */
export const REPEAT_WINDOW_MS = 800;
/** 32 bytes, for tests only. */
export const TEST_KEY = new Uint8Array(32).fill(7);
export const TEST_RANDOM = { bytes: (length: number) => new Uint8Array(randomBytes(length)) };

let last = 0;

/** A line of 5.00 in all, unless told otherwise. */
export function lineOf(over: Partial<BudgetLine> = {}): BudgetLine {
  return {
    ...{ budget: 'purse', window: { kind: 'total' }, per: 'agent', scope: '["buyer"]' },
    ...{ limitMicros: 5_000_000n, limitPayments: null },
    ...over,
  };
}

/** A request for a hold of 1.00 that no other one repeats, unless told otherwise. */
export function askOf(over: Partial<HoldRequest> = {}): HoldRequest {
  const number = ++last;
  return {
    ...{ id: `here.${number}`, exchange: `x${number}`, micros: 1_000_000n, lines: [lineOf()] },
    ...{ agent: 'buyer', service: 'shop', wallet: 'play' },
    claim: claimOf({ fingerprint: `print ${number}` }),
    ...{ challengeId: `challenge ${number}`, payment: paymentOf(`payment ${number}`) },
    ...{ redeemableUntil: Date.now() + 300_000, unsettledLimit: 5, leaseMs: 60_000 },
    ...over,
  };
}

/** A payment of play money by this name. */
export const paymentOf = (identity: string) => ({ network: 'sandbox', identity, payee: 'acme', atoms: 100n });

/** A claim of one subject without a key, unless told otherwise. */
export function claimOf(over: Partial<HoldRequest['claim']> = {}): HoldRequest['claim'] {
  return { subject: '["issuer","buyer"]', key: null, fingerprint: 'same', saysRetry: false, ...over };
}

export const ENDING: Ending = { code: 'payment_uncertain', upstreamStatus: 500, receipt: 'here.9' };
const RUN_MS = 60_000;

export const kinds = (outcomes: readonly HoldOutcome[]) => outcomes.map((outcome) => outcome.kind).sort();

/** Holds and exposes; the purchase must have gone through. */
export async function exposed(budget: Budget, over: Partial<HoldRequest> = {}, runForMs = RUN_MS) {
  const request = askOf(over);
  expect(await budget.hold(request)).toMatchObject({ kind: 'held' });
  expect(await budget.expose(request.id, runForMs)).toEqual({ kind: 'exposed' });
  return request;
}

/** Runs the suite against one kind of store. */
export function budgetContract(name: string, open: () => Promise<StoreHouse>): void {
  let house: StoreHouse;
  let budget: Budget;

  beforeEach(async () => {
    house = await open();
    budget = await house.gateway();
  });
  afterEach(() => house.close());

  const repeatOf = async (over: Partial<HoldRequest> = {}): Promise<Purchase | undefined> => {
    const outcome = await budget.hold(askOf({ claim: claimOf(), ...over }));
    if (outcome.kind !== 'repeat') expect(outcome.kind).toBe('held');
    return outcome.kind === 'repeat' ? outcome.purchase : undefined;
  };
  const total = async (over: Partial<BudgetLine> = {}) => {
    const [state] = await budget.lines([lineOf(over)]);
    return state && [state.settledMicros, state.heldMicros, state.payments];
  };

  describe(`${name}: amounts`, () => {
    test('of many parallel holds exactly as many fit as there is room for', async () => {
      const other = await house.gateway('there');
      const asks = Array.from({ length: 60 }, (_, i) => (i % 2 ? other : budget).hold(askOf()));
      const outcomes = await Promise.all(asks);
      expect(outcomes.filter((outcome) => outcome.kind === 'held')).toHaveLength(5);
      const refused = outcomes.filter((outcome) => outcome.kind === 'exceeded');
      expect(refused).toHaveLength(55);
      expect(refused[0]).toMatchObject({ line: 0, what: 'amount', lines: [{ heldMicros: 5_000_000n, payments: 5 }] });
      expect(await total()).toEqual([0n, 5_000_000n, 5]);
    });

    test('payments are counted beside the amount', async () => {
      const lines = [lineOf({ limitPayments: 2 })];
      const outcomes = await Promise.all([1, 2, 3, 4].map(() => budget.hold(askOf({ lines }))));
      expect(kinds(outcomes)).toEqual(['exceeded', 'exceeded', 'held', 'held']);
      expect(outcomes.find((outcome) => outcome.kind === 'exceeded')).toMatchObject({ what: 'payments', line: 0 });
    });

    test('two budgets with one bottleneck: all lines are held or none', async () => {
      const wide = lineOf({ budget: 'wide', scope: '[]', per: 'all' });
      const narrow = lineOf({ budget: 'narrow', limitMicros: 1_000_000n });
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, () => budget.hold(askOf({ lines: [wide, narrow] }))),
      );
      expect(outcomes.filter((outcome) => outcome.kind === 'held')).toHaveLength(1);
      expect(outcomes.find((outcome) => outcome.kind === 'exceeded')).toMatchObject({ line: 1 });
      expect(await total({ budget: 'wide', scope: '[]' })).toEqual([0n, 1_000_000n, 1]);
    });

    test('a line that is named twice is counted once, and its state stands in both places', async () => {
      const request = askOf({ lines: [lineOf(), lineOf({ budget: 'second', limitMicros: 1n }), lineOf()] });
      const outcome = await budget.hold(request);
      expect(outcome).toMatchObject({ kind: 'exceeded', line: 1 });
      if (outcome.kind === 'exceeded')
        expect(outcome.lines.map((line) => line.budget)).toEqual(['purse', 'second', 'purse']);
      const twice = await exposed(budget, { lines: [lineOf(), lineOf()] });
      expect(await total()).toEqual([0n, 1_000_000n, 1]);
      await budget.settle(twice.id);
      expect(await total()).toEqual([1_000_000n, 0n, 1]);
    });

    test('amounts are exact up to 2^53-1 micro-units', async () => {
      const lines = [lineOf({ limitMicros: MAX_MICROS })];
      const first = await exposed(budget, { lines, micros: MAX_MICROS - 1n });
      expect(await budget.hold(askOf({ lines, micros: 2n }))).toMatchObject({ kind: 'exceeded' });
      expect(await budget.hold(askOf({ lines, micros: 1n }))).toMatchObject({ kind: 'held' });
      await budget.settle(first.id);
      expect(await total()).toEqual([MAX_MICROS - 1n, 1n, 2]);
      expect(await budget.hold(askOf({ lines, micros: 1n }))).toMatchObject({ kind: 'exceeded' });
    });

    test('an amount that no store can count is refused before any store sees it', async () => {
      for (const micros of [0n, -1n, MAX_MICROS + 1n]) {
        await expect(budget.hold(askOf({ micros }))).rejects.toThrow(RangeError);
      }
      const lines = [lineOf({ limitMicros: MAX_MICROS + 1n })];
      await expect(budget.hold(askOf({ lines }))).rejects.toThrow(RangeError);
    });

    test('settled counts, voided and released do not; each happens once', async () => {
      const [paid, unpaid, unmade] = [await exposed(budget), await exposed(budget), askOf()];
      await budget.hold(unmade);
      expect(await total()).toEqual([0n, 3_000_000n, 3]);
      for (const _ of [1, 2]) {
        await budget.settle(paid.id);
        await budget.void(unpaid.id, 'freed');
        await budget.release(unmade.id);
        await budget.void(paid.id, 'freed');
        await budget.settle(unpaid.id);
        await budget.release(paid.id);
      }
      expect(await total()).toEqual([1_000_000n, 0n, 1]);
      await budget.settle('here.unknown');
      await budget.void('here.unknown', 'kept');
      expect(await total()).toEqual([1_000_000n, 0n, 1]);
    });

    test('an exposed hold can still be released while nothing was sealed', async () => {
      const request = await exposed(budget);
      await budget.release(request.id);
      expect(await total()).toEqual([0n, 0n, 0]);
      expect(await budget.expose(request.id, RUN_MS)).toEqual({ kind: 'lapsed' });
      expect(await budget.hold(askOf({ ...request, id: 'here.again' }))).toMatchObject({ kind: 'held' });
    });

    test('what was released is known as that, and nothing that ended in another way', async () => {
      const one = () => exposed(budget, { lines: [lineOf({ limitMicros: 9_000_000n })] });
      const [open, paid, dead, freed, released] = [await one(), await one(), await one(), await one(), await one()];
      const unmade = askOf();
      await budget.settle(paid.id);
      await budget.void(dead.id, 'kept');
      await budget.void(freed.id, 'freed');
      for (const { id } of [released, unmade]) await budget.release(id);
      const ids = [open, paid, dead, freed, released, unmade].map(({ id }) => id);
      expect(await budget.released([...ids, 'here.none'])).toEqual([released.id, unmade.id]);
    });

    test('a lowered limit stops new holds only', async () => {
      await exposed(budget, { micros: 4_000_000n });
      const lines = [lineOf({ limitMicros: 2_000_000n })];
      expect(await budget.hold(askOf({ lines, micros: 1n }))).toMatchObject({
        kind: 'exceeded',
        lines: [{ limitMicros: 2_000_000n, heldMicros: 4_000_000n }],
      });
    });

    test('the same step again is answered as the first time and counts nothing twice', async () => {
      const request = askOf();
      const first = await budget.hold(request);
      expect(first).toMatchObject({ kind: 'held', lines: [{ heldMicros: 0n, payments: 0 }] });
      expect(await budget.hold(request)).toEqual(first);
      expect(await total()).toEqual([0n, 1_000_000n, 1]);
    });

    test('a hold’s step that comes after its release makes nothing', async () => {
      const request = askOf();
      await budget.release(request.id);
      await expect(budget.hold(request)).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(await total()).toEqual([0n, 0n, 0]);
    });
  });

  describe(`${name}: windows`, () => {
    test('a calendar window begins and ends where the calendar says', async () => {
      const outcome = await budget.hold(askOf({ lines: [lineOf({ window: { kind: 'hour' } })] }));
      const hour = 3_600_000;
      expect(outcome.kind).toBe('held');
      if (outcome.kind !== 'held') return;
      const [line] = outcome.lines;
      expect((line?.windowStart ?? 1) % hour).toBe(0);
      expect(line?.resetsAt).toBe((line?.windowStart ?? 0) + hour);
    });

    test('a total never turns over', async () => {
      expect(await budget.hold(askOf())).toMatchObject({ lines: [{ windowStart: 0, resetsAt: null }] });
    });

    test('a rolling window lets go of what is wholly older, part by part', async () => {
      const lines = [lineOf({ window: { kind: 'rolling', lengthMs: 1_200 }, limitMicros: 2_000_000n })];
      const first = await exposed(budget, { lines });
      await house.wait(600);
      await exposed(budget, { lines });
      const full = await budget.hold(askOf({ lines }));
      expect(full).toMatchObject({ kind: 'exceeded', lines: [{ heldMicros: 2_000_000n, payments: 2 }] });
      if (full.kind === 'exceeded') expect((full.lines[0]?.windowStart ?? 1) % 20).toBe(0);
      await house.wait(640);
      expect(await budget.hold(askOf({ lines }))).toMatchObject({ kind: 'held', lines: [{ heldMicros: 1_000_000n }] });
      await budget.settle(first.id);
      await house.wait(1_400);
      expect(await budget.lines(lines)).toMatchObject([{ settledMicros: 0n, heldMicros: 0n, payments: 0 }]);
    });

    test('room returns when the newest part that counts has left', async () => {
      const lines = [lineOf({ window: { kind: 'rolling', lengthMs: 60_000 } })];
      const held = await budget.hold(askOf({ lines }));
      if (held.kind !== 'held') throw new Error(held.kind);
      const placed = held.lines[0]?.windowStart ?? 0;
      await house.wait(1_100);
      const [state] = await budget.lines(lines);
      expect(state?.windowStart).toBeGreaterThan(placed);
      expect(state?.resetsAt).toBe(placed + 1_000 + 60_000);
    });
  });

  describe(`${name}: purchases with a key`, () => {
    const keyed = (over = {}) => claimOf({ key: 'k-1', ...over });

    test('of many parallel requests with one key one is held, and the others are its repeats', async () => {
      const outcomes = await Promise.all([...Array(30)].map(() => budget.hold(askOf({ claim: keyed() }))));
      expect(outcomes.filter((outcome) => outcome.kind === 'held')).toHaveLength(1);
      const repeats = outcomes.filter((outcome) => outcome.kind === 'repeat');
      expect(repeats).toHaveLength(29);
      expect(repeats[0]).toMatchObject({ purchase: { state: 'held', running: true, sameRequest: true, ending: null } });
      expect(await total()).toEqual([0n, 1_000_000n, 1]);
    });

    test('a key used for another request says so, and belongs to its subject alone', async () => {
      const first = await exposed(budget, { claim: keyed() });
      const other = askOf({ claim: keyed({ fingerprint: 'other' }) });
      expect(await budget.hold(other)).toMatchObject({ purchase: { hold: first.id, sameRequest: false } });
      const subject = askOf({ claim: keyed({ subject: '["issuer","b"]' }) });
      expect(await budget.hold(subject)).toMatchObject({ kind: 'held' });
      expect(await budget.hold(askOf({ claim: keyed({ key: 'k-2' }) }))).toMatchObject({ kind: 'held' });
    });

    test('what a key stands for can be looked up at each step of its life', async () => {
      const request = askOf({ claim: keyed() });
      expect(await budget.lookUp(keyed())).toBeUndefined();
      await budget.hold(request);
      expect(await budget.lookUp(keyed())).toMatchObject({ hold: request.id, state: 'held', running: true });
      await budget.expose(request.id, RUN_MS);
      const { exchange, micros, redeemableUntil } = request;
      const known = { exchange, micros, redeemableUntil, sameRequest: true };
      expect(await budget.lookUp(keyed())).toEqual({
        ...known,
        hold: request.id,
        state: 'exposed',
        running: true,
        ending: null,
      });
      await budget.close(request.id, ENDING, false);
      expect(await budget.lookUp(keyed())).toEqual({
        ...{ ...known, hold: request.id, state: 'exposed', running: false },
        ending: ENDING,
      });
      await budget.settle(request.id);
      expect(await budget.lookUp(keyed())).toMatchObject({ state: 'settled', running: false, ending: ENDING });
      await house.wait(REPEAT_WINDOW_MS + 100);
      expect(await budget.lookUp(keyed({ fingerprint: 'other' }))).toMatchObject({
        state: 'settled',
        sameRequest: false,
      });
      expect(await budget.lookUp(claimOf())).toBeUndefined();
    });

    test('many are closed at once, each with its ending; what was never exposed is passed over', async () => {
      const [first, second] = [await exposed(budget), await exposed(budget)];
      const held = askOf({ claim: keyed() });
      await budget.hold(held);
      const endings = [first.id, 'unknown.1', held.id, second.id].map((hold, n) => ({
        ...{ hold, whole: false },
        ending: { ...ENDING, receipt: `here.${n}` },
      }));
      await budget.closeAll(endings);
      const open = await budget.openHolds();
      expect(open.map(({ id, state, ending }) => [id, state, ending?.receipt])).toEqual([
        [first.id, 'uncertain', 'here.0'],
        [second.id, 'uncertain', 'here.3'],
        [held.id, 'held', undefined],
      ]);
    });

    test('an answer under way is running until its time is over', async () => {
      const request = await exposed(budget, { claim: keyed() }, 500);
      await budget.settle(request.id);
      expect(await budget.lookUp(keyed())).toMatchObject({ state: 'settled', running: true });
      await house.wait(550);
      expect(await budget.lookUp(keyed())).toMatchObject({ state: 'settled', running: false });
    });

    test('a key is free again after a release, a lapse and a void that frees it, and after no other', async () => {
      const released = askOf({ claim: keyed() });
      await budget.hold(released);
      await budget.release(released.id);
      const lapsing = askOf({ claim: keyed(), leaseMs: 50 });
      expect(await budget.hold(lapsing)).toMatchObject({ kind: 'held' });
      await house.wait(80);
      expect(await budget.lookUp(keyed())).toBeUndefined();
      const freed = await exposed(budget, { claim: keyed() });
      await budget.void(freed.id, 'freed');
      const kept = await exposed(budget, { claim: keyed() });
      await budget.void(kept.id, 'kept');
      expect(await budget.lookUp(keyed())).toMatchObject({ hold: kept.id, state: 'voided', running: false });
    });

    test('a key buys anew beside an equal purchase without one, and does not stand for its repeats', async () => {
      const bare = await exposed(budget, { claim: claimOf() });
      await budget.leave(bare.id);
      const withKey = await exposed(budget, { claim: keyed() });
      await budget.close(withKey.id, ENDING, false);
      await budget.close(bare.id, ENDING, true);
      expect(await repeatOf()).toBeUndefined();
    });
  });

  describe(`${name}: repeats without a key`, () => {
    test('while the first agent is connected an equal request buys anew, unless it says retry', async () => {
      const first = await exposed(budget, { claim: claimOf() });
      expect(await repeatOf()).toBeUndefined();
      expect(await repeatOf({ claim: claimOf({ saysRetry: true }) })).toMatchObject({ hold: first.id, running: true });
    });

    test('a retry of a purchase that is still held is that purchase; once it lapsed it is not', async () => {
      const first = askOf({ claim: claimOf(), leaseMs: 400 });
      await budget.hold(first);
      const retry = await repeatOf({ claim: claimOf({ saysRetry: true }) });
      expect(retry).toMatchObject({ hold: first.id, state: 'held', running: true });
      await house.wait(450);
      expect(await repeatOf({ claim: claimOf({ saysRetry: true }) })).toBeUndefined();
    });

    test('after its agent left, an equal request is that purchase', async () => {
      const first = await exposed(budget, { claim: claimOf() });
      await budget.leave(first.id);
      expect(await repeatOf()).toMatchObject({ hold: first.id, state: 'exposed', running: true });
      const other = claimOf({ subject: '["issuer","b"]' });
      expect(await repeatOf({ claim: other })).toBeUndefined();
      expect(await repeatOf({ claim: claimOf({ fingerprint: 'other' }) })).toBeUndefined();
    });

    test('an agent that leaves before the exposure has left after it', async () => {
      const first = askOf({ claim: claimOf() });
      await budget.hold(first);
      await budget.leave(first.id);
      expect(await repeatOf()).toBeUndefined();
      await budget.expose(first.id, RUN_MS);
      expect(await repeatOf()).toMatchObject({ hold: first.id });
    });

    test('after an end without the whole answer, an equal request is told how that purchase ended', async () => {
      const first = await exposed(budget, { claim: claimOf() });
      await budget.close(first.id, ENDING, false);
      expect(await repeatOf()).toMatchObject({ hold: first.id, running: false, ending: ENDING, sameRequest: true });
      await budget.close(first.id, { ...ENDING, receipt: 'here.10' }, true);
      expect(await repeatOf()).toBeUndefined();
    });

    test('after the whole answer an equal request is a new purchase', async () => {
      const first = await exposed(budget, { claim: claimOf() });
      await budget.settle(first.id);
      await budget.close(first.id, { ...ENDING, code: null }, true);
      expect(await repeatOf()).toBeUndefined();
      const second = await exposed(budget, { claim: claimOf() });
      await budget.close(second.id, { ...ENDING, code: null }, true);
      await budget.settle(second.id);
      await budget.close(second.id, ENDING, false);
      expect(await repeatOf()).toBeUndefined();
    });

    test('after its run time an equal request is that purchase', async () => {
      const first = await exposed(budget, { claim: claimOf() }, 150);
      await house.wait(200);
      expect(await repeatOf()).toMatchObject({ hold: first.id, running: false, state: 'exposed' });
    });

    test('a gateway that is silent for 2 s counts as one whose agents have left', async () => {
      const silent = await house.gateway('silent');
      const first = await exposed(silent, { claim: claimOf(), id: 'silent.1' });
      expect(await repeatOf()).toBeUndefined();
      await house.wait(2_100);
      await budget.heartbeat();
      expect(await repeatOf()).toMatchObject({ hold: first.id, running: false });
    });

    test('a gateway that starts again does not speak for the purchases of its life before', async () => {
      const before = await house.gateway('restarted');
      const first = await exposed(before, { claim: claimOf() });
      await house.wait(2_100);
      const after = await house.gateway('restarted');
      await after.heartbeat();
      await budget.heartbeat();
      expect(await repeatOf()).toMatchObject({ hold: first.id, running: false });
    });

    test('a settled purchase whose answer is under way is repeated once its agent left', async () => {
      const first = await exposed(budget, { claim: claimOf() });
      await budget.settle(first.id);
      expect(await repeatOf()).toBeUndefined();
      await budget.leave(first.id);
      expect(await repeatOf()).toMatchObject({ hold: first.id, state: 'settled', running: true });
    });

    test('of several the oldest that stands is repeated, then the next', async () => {
      const purchases = [await exposed(budget, { claim: claimOf() })];
      await house.wait(5);
      purchases.push(await exposed(budget, { claim: claimOf() }));
      await house.wait(5);
      purchases.push(await exposed(budget, { claim: claimOf() }));
      const [first, second, third] = purchases.map((purchase) => purchase.id);
      if (!first || !second || !third) throw new Error('three were made');
      await budget.leave(third);
      expect(await repeatOf()).toMatchObject({ hold: third });
      await budget.close(first, ENDING, false);
      await budget.close(second, ENDING, false);
      expect(await repeatOf()).toMatchObject({ hold: first });
      await budget.close(first, ENDING, true);
      expect(await repeatOf()).toMatchObject({ hold: second });
      await budget.void(second, 'freed');
      expect(await repeatOf()).toMatchObject({ hold: third });
    });

    test('an ended purchase stands for its time after the end of its request, an open one for ever', async () => {
      const first = await exposed(budget, { claim: claimOf() });
      await budget.close(first.id, ENDING, false);
      await house.wait(REPEAT_WINDOW_MS + 100);
      await budget.heartbeat();
      expect(await repeatOf()).toMatchObject({ hold: first.id });
      await budget.settle(first.id);
      expect(await repeatOf()).toMatchObject({ hold: first.id, state: 'settled' });
      await house.wait(REPEAT_WINDOW_MS + 100);
      expect(await repeatOf()).toBeUndefined();
    });

    test('a settled purchase stands while its request runs, and its time begins when that ends', async () => {
      const first = await exposed(budget, { claim: claimOf() });
      await budget.settle(first.id);
      await budget.leave(first.id);
      await house.wait(REPEAT_WINDOW_MS + 100);
      expect(await repeatOf()).toMatchObject({ hold: first.id });
      await budget.close(first.id, ENDING, false);
      expect(await repeatOf()).toMatchObject({ hold: first.id });
      await house.wait(REPEAT_WINDOW_MS + 100);
      expect(await repeatOf()).toBeUndefined();
    });

    test('a void that keeps the purchase leaves it standing, one that frees it does not', async () => {
      const first = await exposed(budget, { claim: claimOf() });
      await budget.close(first.id, ENDING, false);
      await budget.void(first.id, 'kept');
      expect(await repeatOf()).toMatchObject({ hold: first.id, state: 'voided' });
      const second = await exposed(budget, { claim: claimOf({ fingerprint: 'second' }) });
      await budget.void(second.id, 'freed');
      await budget.close(second.id, ENDING, false);
      expect(await repeatOf({ claim: claimOf({ fingerprint: 'second' }) })).toBeUndefined();
    });
  });

  describe(`${name}: challenges, payments, stops`, () => {
    test('one challenge of a service and one payment of a rail are held once', async () => {
      const first = await exposed(budget);
      const { challengeId, payment } = first;
      expect(await budget.hold(askOf({ challengeId }))).toEqual({ kind: 'challenge_taken' });
      expect(await budget.hold(askOf({ payment }))).toEqual({ kind: 'identity_taken' });
      expect(await budget.hold(askOf({ challengeId, payment }))).toEqual({ kind: 'challenge_taken' });
      expect(await budget.hold(askOf({ challengeId, service: 'other' }))).toMatchObject({ kind: 'held' });
      await budget.void(first.id, 'freed');
      expect(await budget.hold(askOf({ challengeId }))).toEqual({ kind: 'challenge_taken' });
      expect(await budget.hold(askOf({ payment }))).toEqual({ kind: 'identity_taken' });
    });

    test('a release and a lapse give challenge and payment back', async () => {
      const first = askOf({ leaseMs: 50 });
      await budget.hold(first);
      await budget.release(first.id);
      const { challengeId, payment } = first;
      expect(await budget.hold(askOf({ challengeId, payment, leaseMs: 50 }))).toMatchObject({ kind: 'held' });
      await house.wait(80);
      expect(await budget.hold(askOf({ challengeId, payment }))).toMatchObject({ kind: 'held' });
    });

    test('what many lapsed holds had claimed is free at once, before they are swept', async () => {
      for (let count = 0; count < 20; count++) await budget.hold(askOf({ micros: 1n, leaseMs: 20 }));
      const last = [
        askOf({ claim: claimOf({ key: 'k' }), leaseMs: 40 }),
        askOf({ leaseMs: 40 }),
        askOf({ leaseMs: 40 }),
      ];
      for (const request of last) await budget.hold(request);
      await house.wait(80);
      const [keyed, challenged, paid] = last;
      if (!keyed || !challenged || !paid) throw new Error('three were made');
      expect(await budget.hold(askOf({ claim: keyed.claim }))).toMatchObject({ kind: 'held' });
      expect(await budget.hold(askOf({ challengeId: challenged.challengeId }))).toMatchObject({ kind: 'held' });
      expect(await budget.hold(askOf({ payment: paid.payment }))).toMatchObject({ kind: 'held' });
    });

    test('they are free an hour past the last moment the proof could be redeemed', async () => {
      const first = await exposed(budget, { redeemableUntil: Date.now() - 3_600_000 + 600 });
      await budget.settle(first.id);
      const { challengeId } = first;
      expect(await budget.hold(askOf({ challengeId }))).toEqual({ kind: 'challenge_taken' });
      await house.wait(800);
      expect(await budget.hold(askOf({ challengeId }))).toMatchObject({ kind: 'held' });
    });

    test('a hold that lapsed cannot be exposed and gives its money back', async () => {
      const request = askOf({ leaseMs: 50 });
      await budget.hold(request);
      await house.wait(80);
      expect(await budget.expose(request.id, RUN_MS)).toEqual({ kind: 'lapsed' });
      expect(await total()).toEqual([0n, 0n, 0]);
      expect(await budget.expose('here.unknown', RUN_MS)).toEqual({ kind: 'lapsed' });
    });

    test('lapsed holds are swept by other holds and by heartbeats', async () => {
      const lines = [lineOf({ limitMicros: 2_000_000n })];
      for (const _ of [1, 2]) await budget.hold(askOf({ lines, leaseMs: 50 }));
      await house.wait(80);
      expect(await budget.hold(askOf({ lines, micros: 2_000_000n, leaseMs: 50 }))).toMatchObject({ kind: 'held' });
      await house.wait(80);
      await budget.heartbeat();
      expect(await total()).toEqual([0n, 0n, 0]);
    });

    test('an exposure happens once and does not begin again', async () => {
      const request = await exposed(budget, { claim: claimOf({ key: 'k' }) }, 100);
      await house.wait(150);
      expect(await budget.expose(request.id, RUN_MS)).toEqual({ kind: 'exposed' });
      expect(await budget.lookUp(claimOf({ key: 'k' }))).toMatchObject({ running: false });
    });

    test('a stop forbids holds and exposures of what it names, until exactly it is lifted', async () => {
      for (const [kind, id] of [
        ['agent', 'buyer'],
        ['service', 'shop'],
        ['wallet', 'play'],
        ['all', '*'],
      ] as const) {
        const before = askOf();
        await budget.hold(before);
        await budget.stop({ kind, id, because: 'drill', by: 'dana' });
        expect(await budget.hold(askOf())).toMatchObject({
          kind: 'stopped',
          stop: { kind, id, because: 'drill', by: 'dana' },
        });
        expect(await budget.expose(before.id, RUN_MS)).toMatchObject({ kind: 'stopped', stop: { kind, id } });
        expect(await total()).toEqual([0n, 0n, 0]);
        if (kind !== 'all') {
          const others = { agent: 'b', service: 's', wallet: 'w' };
          const apart = askOf({ ...others });
          expect(await budget.hold(apart)).toMatchObject({ kind: 'held' });
          await budget.release(apart.id);
        }
        expect(await budget.start(kind, 'else')).toBe(false);
        expect(await budget.start(kind, id)).toBe(true);
        expect(await budget.start(kind, id)).toBe(false);
      }
      const after = askOf();
      expect(await budget.hold(after)).toMatchObject({ kind: 'held' });
    });

    test('stops are listed with who, why and when, by the store’s clock', async () => {
      await budget.stop({ kind: 'agent', id: 'odd:{id}\n*', because: 'why "so"', by: 'dana' });
      await house.wait(2);
      await budget.stop({ kind: 'all', id: '*', because: 'drill', by: 'dana' });
      const stops = await budget.stops();
      expect(stops).toMatchObject([
        { kind: 'agent', id: 'odd:{id}\n*', because: 'why "so"', by: 'dana' },
        { kind: 'all', id: '*' },
      ]);
      expect(stops[0]?.at).toBeGreaterThan(1_700_000_000_000);
    });

    test('at so many unsettled purchases a subject is paused at a service until one has ended', async () => {
      const lines = [lineOf({ limitMicros: 50_000_000n })];
      const limited = { lines, unsettledLimit: 2 };
      const [first, second] = [await exposed(budget, limited), await exposed(budget, limited)];
      await budget.close(first.id, ENDING, false);
      await budget.close(first.id, ENDING, false);
      expect(await budget.hold(askOf(limited))).toMatchObject({ kind: 'held' });
      await budget.close(second.id, ENDING, true);
      expect(await budget.hold(askOf(limited))).toEqual({ kind: 'paused', unsettled: 2 });
      expect(await budget.hold(askOf({ ...limited, service: 'other' }))).toMatchObject({ kind: 'held' });
      const subject = claimOf({ subject: '["issuer","b"]' });
      expect(await budget.hold(askOf({ ...limited, claim: subject }))).toMatchObject({ kind: 'held' });
      await budget.settle(first.id);
      await budget.settle(first.id);
      expect(await budget.hold(askOf(limited))).toMatchObject({ kind: 'held' });
      const third = await exposed(budget, limited);
      await budget.close(third.id, ENDING, false);
      expect(await budget.hold(askOf(limited))).toMatchObject({ kind: 'paused' });
      await budget.void(third.id, 'freed');
      await budget.void(second.id, 'kept');
      const fourth = await exposed(budget, { ...limited, unsettledLimit: 1 });
      await budget.settle(fourth.id);
      await budget.close(fourth.id, ENDING, false);
      expect(await budget.hold(askOf({ ...limited, unsettledLimit: 1 }))).toMatchObject({ kind: 'held' });
    });

    test('judgement is in order: repeat, stop, pause, challenge, payment, lines', async () => {
      const first = await exposed(budget, { claim: claimOf({ key: 'k' }) });
      const { challengeId, payment, claim } = first;
      await budget.close(first.id, ENDING, false);
      await budget.stop({ kind: 'all', id: '*', because: 'drill', by: 'dana' });
      const all = { challengeId, payment, unsettledLimit: 1, micros: 9_000_000n };
      expect(await budget.hold(askOf({ ...all, claim }))).toMatchObject({ kind: 'repeat' });
      expect(await budget.hold(askOf(all))).toMatchObject({ kind: 'stopped' });
      await budget.start('all', '*');
      expect(await budget.hold(askOf(all))).toMatchObject({ kind: 'paused' });
      expect(await budget.hold(askOf({ ...all, unsettledLimit: 5 }))).toEqual({ kind: 'challenge_taken' });
      expect(await budget.hold(askOf({ payment, micros: 9_000_000n }))).toEqual({ kind: 'identity_taken' });
      expect(await budget.hold(askOf({ micros: 9_000_000n }))).toMatchObject({ kind: 'exceeded' });
    });
  });

  describe(`${name}: what people see`, () => {
    test('open holds are listed oldest first, by gateway when asked, uncertain once their request ended', async () => {
      const other = await house.gateway('there');
      const held = askOf({ lines: [lineOf(), lineOf({ budget: 'daily', window: { kind: 'day' } })] });
      await budget.hold(held);
      await house.wait(5);
      const open = await exposed(other, { id: 'there.1' });
      await house.wait(5);
      const closed = await exposed(budget);
      await budget.close(closed.id, ENDING, false);
      const settled = await exposed(budget);
      await budget.settle(settled.id);
      const holds = await budget.openHolds();
      expect(holds.map((hold) => [hold.id, hold.state])).toEqual([
        [held.id, 'held'],
        [open.id, 'exposed'],
        [closed.id, 'uncertain'],
      ]);
      const { agent, service, wallet, micros, exchange, redeemableUntil } = held;
      expect(holds[0]).toMatchObject({ agent, service, wallet, micros, exchange, redeemableUntil, ending: null });
      expect(holds[0]?.lines).toMatchObject([
        { budget: 'purse', scope: '["buyer"]', windowStart: 0 },
        { budget: 'daily', scope: '["buyer"]' },
      ]);
      expect(holds[2]?.ending).toEqual(ENDING);
      expect((await budget.openHolds('there')).map((hold) => hold.id)).toEqual(['there.1']);
      expect(await budget.openHolds('ther')).toEqual([]);
      const known = new Set([open.id, 'there.1']);
      expect((await budget.openHolds(undefined, known)).map(({ id }) => id)).toEqual([held.id, closed.id]);
    });

    test('scopes are listed fullest first', async () => {
      for (const [scope, micros] of [
        ['["a"]', 1n],
        ['["b"]', 3n],
        ['["c"]', 2n],
      ] as const) {
        await exposed(budget, { micros, lines: [lineOf({ scope })] });
      }
      const emptied = await exposed(budget, { lines: [lineOf({ scope: '["d"]' })] });
      await budget.void(emptied.id, 'freed');
      const { scope: _, ...line } = lineOf();
      expect((await budget.scopes(line, 10)).map((state) => state.scope)).toEqual(['["b"]', '["c"]', '["a"]']);
      const [fullest, ...rest] = await budget.scopes(line, 1);
      expect(rest).toEqual([]);
      expect(fullest).toMatchObject({ budget: 'purse', scope: '["b"]', heldMicros: 3n, limitMicros: 5_000_000n });
      const rolling = { ...line, budget: 'rolled', window: { kind: 'rolling', lengthMs: 60_000 } } as const;
      await exposed(budget, { lines: [{ ...rolling, scope: '["e"]' }] });
      expect(await budget.scopes(rolling, 10)).toMatchObject([{ scope: '["e"]', payments: 1 }]);
    });

    test('terms are recorded once; what differs later is named, and then nothing is recorded', async () => {
      const window = { kind: 'day' } as const;
      const terms = { currency: 'USD', timeZone: 'UTC', budgets: [{ budget: 'a', window, per: 'agent' }] };
      expect(await budget.agree(terms)).toEqual([]);
      expect(await budget.agree({ ...terms, budgets: [] })).toEqual([]);
      const rolling = { kind: 'rolling', lengthMs: 86_400_000 } as const;
      const budgets = [
        { budget: 'a', window: rolling, per: 'agent' },
        { budget: 'b', window, per: 'team' },
      ];
      const said = await budget.agree({ currency: 'EUR', timeZone: 'UTC', budgets });
      expect(said).toHaveLength(2);
      expect(said[0]).toMatch(/currency is EUR here, but USD in the budget store/);
      expect(said[1]).toMatch(/budget "a" counts rolling 86400000ms per agent here, but day per agent/);
      const b = { budget: 'b', window, per: 'all' };
      expect(await budget.agree({ ...terms, budgets: [b] })).toEqual([]);
    });

    test('odd names share nothing and reach nothing else', async () => {
      const odd = ['{x}', '}:{', '*', 'a\nb', 'a:b', 'a', 'h:here.1', '', '☃', '"', '\\'];
      for (const [index, one] of odd.entries()) {
        const lines = [lineOf({ scope: JSON.stringify([one]), limitMicros: 1_000_000n })];
        const request = askOf({
          id: `here.odd.${index}`,
          agent: one,
          lines,
          claim: claimOf({ key: 'k', subject: one }),
        });
        expect(await budget.hold(request)).toMatchObject({ kind: 'held', lines: [{ heldMicros: 0n }] });
      }
      const budgets = [lineOf({ budget: 'p', scope: 'x:y' }), lineOf({ budget: 'p:x', scope: 'y' })];
      await exposed(budget, { lines: budgets });
      expect(await budget.lines(budgets)).toMatchObject([{ payments: 1 }, { payments: 1 }]);
      const agents = (await budget.openHolds()).map((hold) => hold.agent).filter((agent) => agent !== 'buyer');
      expect(agents.sort()).toEqual([...odd].sort());
    });

    test('a store that is well says so', async () => {
      await budget.ping();
    });
  });
}
