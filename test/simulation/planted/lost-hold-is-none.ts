// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A hold that is open, and was deleted, is missed by nobody.',
  store: 'redis',
  seed: 9760639,
  changes: [
    {
      file: 'src/budget/common.lua',
      find: "if redis.call('ZSCORE', T .. 'open', id) then lost('h:' .. id) end",
      put: '',
    },
    {
      file: 'src/budget/open-holds.lua',
      find: `hold_of(ASKED[i]) or lost('h:' .. ASKED[i])
  if hold.open then`,
      put: `hold_of(ASKED[i])
  if hold and hold.open then`,
    },
  ],
};
