// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'An outcome is sealed anew each time that it is tried again.',
  store: 'redis',
  seed: 11,
  changes: [
    {
      file: 'src/exchange/finisher.ts',
      find: '      if (!task.sealed) {',
      put: '      if (task) {',
    },
  ],
};
