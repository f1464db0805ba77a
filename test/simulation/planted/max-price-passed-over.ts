// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'What costs more than the agent allows is bought.',
  seed: 6,
  changes: [
    {
      file: 'src/policy/decide.ts',
      find: 'if (cost <= maxPrice.micros) return',
      put: 'if (cost > 0n) return',
    },
  ],
};
