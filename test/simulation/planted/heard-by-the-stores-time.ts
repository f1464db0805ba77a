// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'Who is alive is told by the time of the store, which stands still after its clock was set back.',
  store: 'redis',
  seed: 14645,
  changes: [
    {
      file: 'src/budget/common.lua',
      find: 'math.abs(RAW - raw) < HEARD',
      put: 'NOW - at < HEARD',
    },
  ],
};
