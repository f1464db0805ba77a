// Recovery where the store knows of an end that the log does not: what a release left is voided, what a person ended at
// another gateway is uncertain here, and stands. A store that goes away in between changes nothing of that.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Budget } from '../../src/budget/budget.ts';
import { nothingRecovered, recover } from '../../src/exchange/recover.ts';
import { openLedger } from '../../src/ledger/sealed-ledger.ts';
import { openState } from '../../src/state/thread.ts';
import { openRedisBudget, redisOptions } from '../budget/redis-house.ts';
import { exposed } from '../contracts/budget.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { freshDir, purchase } from '../ledger/log.ts';

let redis: RedisServer;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  if (redisAvailable) redis = await startRedis();
  closing.push(() => redis?.stop());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

test.runIf(redisAvailable)('a released hold is voided; one that a person voided elsewhere is not', async () => {
  const data = { diskReserveBytes: 0, development: false, embedded: null, dir: freshDir() };
  const state = await openState({ worker: new URL('../../src/state-worker.ts', import.meta.url), data });
  closing.push(() => state.close());
  const ledger = await openLedger(state);
  const budget = await openRedisBudget(redisOptions(redis.url, { log: ledger.log }));
  const elsewhere = await openRedisBudget(redisOptions(redis.url, { log: 'elsewhere' }));
  closing.push(
    () => budget.shutdown(),
    () => elsewhere.shutdown(),
  );
  const intended = async (n: number) => {
    const { id } = await exposed(budget, { id: `${ledger.log}.${n}`, exchange: `exchange-${n}` });
    const entry = purchase('intended', n);
    await ledger.seal({ ...entry, ...(entry.hold ? { hold: { ...entry.hold, id } } : {}) });
    return id;
  };
  const [released, ended, open] = [await intended(1), await intended(2), await intended(3)];
  await budget.release(released);
  await elsewhere.void(ended, 'kept');

  const found = nothingRecovered();
  const broken = await recover({ budget: failsToClose(budget), ledger }, found).catch(({ message }) => message);
  expect(broken).toBe('the store is gone');
  // The second try finds the sealed ends of the first: what both did is told together.
  await recover({ budget, ledger }, found);
  expect(found).toEqual({
    outcomes: 2,
    uncertain: { purchases: 2, micros: 20_000n },
    released: { purchases: 1, micros: 10_000n },
  });
  const { intents } = await ledger.unfinished();
  expect(intents).toEqual([]);
  const last = async (id: string, n: number) =>
    (await ledger.ofExchange(purchase('intended', n).exchange ?? '')).findLast(({ receipt }) => receipt.hold?.id === id)
      ?.receipt.kind;
  expect([await last(released, 1), await last(ended, 2), await last(open, 3)]).toEqual([
    'voided',
    'uncertain',
    'uncertain',
  ]);
  expect((await budget.openHolds(ledger.log)).map(({ id }) => id)).toEqual([open]);
});

/** The store, which goes away before it hears that requests have ended. */
function failsToClose(budget: Budget): Budget {
  return new Proxy(budget, {
    get(target, name) {
      if (name === 'closeAll') return () => Promise.reject(new Error('the store is gone'));
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
