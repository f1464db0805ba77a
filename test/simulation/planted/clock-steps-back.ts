// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'The embedded store follows a clock that is set back.',
  store: 'embedded',
  seed: 60,
  changes: [
    {
      file: 'src/budget/embedded-clock.ts',
      find: '    return Math.max(wall, high);',
      put: '    return wall;',
    },
  ],
};
