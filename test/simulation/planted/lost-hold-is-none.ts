// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A hold that was deleted is taken for one that was never made, or is forgotten by now.',
  store: 'redis',
  seed: 9743695,
  changes: [
    {
      file: 'src/budget/common.lua',
      find: "if redis.call('ZSCORE', T .. 'open', id) then lost('h:' .. id) end",
      put: '',
    },
    {
      file: 'src/budget/repeats.lua',
      find: "if due and tonumber(due) > now then lost('h:' .. id) end",
      put: '',
    },
  ],
};
