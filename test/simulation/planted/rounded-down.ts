// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'What an asset is worth is rounded down.',
  seed: 5,
  changes: [
    {
      file: 'src/domain/money.ts',
      find: '  return (numerator + denominator - 1n) / denominator;',
      put: '  return numerator / denominator;',
    },
  ],
};
