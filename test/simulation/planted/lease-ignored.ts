// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A hold that has lapsed can still be exposed.',
  store: 'embedded',
  seed: 4,
  changes: [
    {
      file: 'src/budget/embedded-holds.ts',
      find: '    if (row.lease_end <= now || stop) {',
      put: '    if (stop) {',
    },
  ],
};
