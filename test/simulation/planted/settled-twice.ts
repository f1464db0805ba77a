// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'An outcome that is applied again counts again.',
  store: 'embedded',
  seed: 36,
  changes: [
    {
      file: 'src/budget/embedded-holds.ts',
      find: `    if (row?.state === 'held' || row?.state === 'exposed') this.#end(row, as, now);`,
      put: `    if (row && row.state !== 'voided') this.#end(row, as, now);`,
    },
  ],
};
