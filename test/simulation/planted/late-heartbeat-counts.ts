// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A heartbeat that arrives late makes its gateway alive then, not when it was sent.',
  store: 'redis',
  seed: 9522293,
  changes: [
    {
      file: 'src/budget/common.lua',
      find: 'text(math.min(RAW, sent))',
      put: 'text(RAW)',
    },
  ],
};
