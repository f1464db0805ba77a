// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A retry without a key is not found to be one, in the shared store.',
  store: 'redis',
  seed: 5,
  changes: [
    {
      file: 'src/budget/repeats.lua',
      find: `  local best = oldest(repeats(name, 'gone'), now)`,
      put: '  local best = nil',
    },
  ],
};
