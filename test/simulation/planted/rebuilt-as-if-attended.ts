// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A rebuild takes every agent for one that still waits: what it left can be bought again elsewhere.',
  store: 'redis',
  seed: 351,
  changes: [
    {
      file: 'src/budget/bring-holds.lua',
      find: `  call('ZADD', repeats(name, 'gone'), exposed, id)`,
      put: `  call('ZADD', repeats(name, 'live:' .. LIFE), exposed, id)
  call('SADD', repeats(name, 'runs'), LIFE)`,
    },
  ],
};
