// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A stop that came after the hold is not seen when it is exposed.',
  store: 'redis',
  seed: 1725,
  changes: [
    {
      file: 'src/budget/expose.lua',
      find: 'local stop = stop_of(hold.agent, hold.service, hold.wallet)',
      put: 'local stop = nil',
    },
  ],
};
