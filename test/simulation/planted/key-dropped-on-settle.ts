// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'An Idempotency-Key is free again once its purchase is settled.',
  store: 'embedded',
  seed: 12,
  changes: [
    {
      file: 'src/budget/embedded-holds.ts',
      find: `      if (dropped) this.#claims.drop(\`k:\${row.key_name}\`);`,
      put: `      if (dropped || as === 'settled') this.#claims.drop(\`k:\${row.key_name}\`);`,
    },
  ],
};
