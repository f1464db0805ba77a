// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A step of expose without an answer is taken for done.',
  store: 'redis',
  seed: 95,
  changes: [
    {
      file: 'src/budget/store-budget.ts',
      find: `      this.#late.add(hold); // Even when that was not done: the hold is there.
      throw unavailable('held', cause);`,
      put: `      return { kind: 'exposed' };`,
    },
  ],
};
