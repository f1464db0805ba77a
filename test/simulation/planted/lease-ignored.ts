// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A hold that has lapsed can still be exposed.',
  store: 'redis',
  changes: [
    {
      file: 'src/budget/expose.lua',
      find: 'local late = lapsed(hold, now)',
      put: 'local late = false',
    },
  ],
};
