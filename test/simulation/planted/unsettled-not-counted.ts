// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'Purchases whose outcome is unknown are not counted, so that no service is ever paused.',
  store: 'embedded',
  seed: 50,
  changes: [
    {
      file: 'src/budget/embedded-holds.ts',
      find: '      this.#claims.countUnsettled(row.pair_name, 1);',
      put: '',
    },
  ],
};
