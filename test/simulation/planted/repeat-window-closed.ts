// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A purchase stands for its retries only while it runs.',
  store: 'embedded',
  seed: 28,
  changes: [
    {
      file: 'src/budget/embedded-repeats.ts',
      find: '    return now < Math.max(row.ended_at, since) + this.#windowMs;',
      put: '    return false;',
    },
  ],
};
