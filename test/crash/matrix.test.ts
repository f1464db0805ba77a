// One gateway on each store, killed at every durable step and started again: nothing is overspent, paid twice, lost or
// stuck. More gateways, and those that never come back: test/long/crash-matrix.test.ts.
import { afterAll, beforeAll, test } from 'vitest';
import { STORES } from '../support/stores.ts';
import { Chain } from './chain.ts';
import { POINTS } from './points.ts';
import { sandboxTill } from './till.ts';

/** A second or two each; more where the machine is busy. */
const TIMEOUT = { timeout: 120_000 };

const closing: (() => Promise<void>)[] = [];
const chains: Chain[] = [];

beforeAll(async () => {
  for (const { name, open } of STORES.filter(({ available }) => available)) {
    const store = await open();
    const till = await sandboxTill();
    const chain = await Chain.open(name, store, till);
    chains.push(chain);
    closing.push(
      () => store.close(),
      () => till.close(),
      () => chain.close(),
    );
  }
});

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

for (const [n, point] of POINTS.entries()) {
  test(point.title, TIMEOUT, async () => {
    await Promise.all(chains.map((chain) => chain.die(point, POINTS[n + 1])));
  });
}

test('after all of it, what is uncertain is looked up: budgets, receipts and books are equal', TIMEOUT, async () => {
  await Promise.all(chains.map((chain) => chain.resolve()));
});
