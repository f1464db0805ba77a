// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A request that was written and lost is taken for one that was never sent.',
  seed: 6,
  changes: [
    {
      file: 'src/upstream/forward.ts',
      find: '    else this.#sent = true;',
      put: '    else this.#sent = false;',
    },
  ],
};
