// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'An Idempotency-Key is not claimed.',
  store: 'embedded',
  seed: 6,
  changes: [
    {
      file: 'src/budget/embedded-holds.ts',
      find: `  return key === null ? names : [\`k:\${key}\`, ...names];`,
      put: '  return names;',
    },
  ],
};
