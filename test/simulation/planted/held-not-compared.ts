// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'What is held is left out when a purchase is compared with the limit.',
  store: 'redis',
  seed: 17,
  changes: [
    {
      file: 'src/budget/hold.lua',
      find: '    if micros > line.limit - line.sum.s - line.sum.h then',
      put: '    if micros > line.limit - line.sum.s then',
    },
  ],
};
