// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A payment that was not taken so far is taken for dead.',
  seed: 25,
  changes: [
    {
      file: 'src/rail/sandbox-evidence.ts',
      find: '  if (askedAt <= redeemableUntil)',
      put: '  if (askedAt < 0)',
    },
    {
      file: 'src/rail/sandbox-evidence.ts',
      find: '  if (!(there > redeemableUntil))',
      put: '  if (!(there > 0))',
    },
  ],
};
