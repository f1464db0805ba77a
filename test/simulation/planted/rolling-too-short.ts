// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A rolling window forgets half of its length.',
  store: 'redis',
  seed: 469,
  changes: [
    {
      file: 'src/budget/counting.lua',
      find: '    if at > now - line.length - line.part then',
      put: '    if at > now - line.length / 2 then',
    },
  ],
};
