// A gateway dies at each step by which an uncertain purchase gets its end: by the books of its rail, by a person, or as
// one that another gateway left behind.
import { describe, test } from 'vitest';
import { RESOLVING } from '../crash/points.ts';
import { type By, dieResolving } from '../crash/resolving.ts';
import { STORES } from '../support/stores.ts';

const WAYS: readonly By[] = ['itself', 'another', 'a person'];

for (const { name, available, open } of STORES) {
  for (const by of WAYS.filter((way) => way !== 'another' || name.includes('Redis'))) {
    describe.runIf(available)(`${name}, ended by ${by}`, () => {
      // A person is not kept waiting for books that tell nothing.
      for (const point of RESOLVING.filter(({ moment }) => by !== 'a person' || moment !== 'evidence seen')) {
        const title = `${point.moment}${point.torn ? ', torn' : ''}`;
        test(`${title}: each ends once, as the merchant has it, and the rest is spent to the cent`, async () => {
          const store = await open();
          try {
            await dieResolving(store, point, by);
          } finally {
            await store.close();
          }
        });
      }
    });
  }
}
