// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'The shared store follows a clock that is set back.',
  store: 'redis',
  seed: 25,
  changes: [
    {
      file: 'src/budget/common.lua',
      find: '  local now = math.max(raw, high)',
      put: '  local now = raw',
    },
  ],
};
