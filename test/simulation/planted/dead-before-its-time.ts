// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'An authorisation that nobody has used yet is taken for dead while it can still be used.',
  seed: 18,
  changes: [
    {
      file: 'src/rail/evm-evidence.ts',
      find: 'if (final.timeMs >= proof.redeemableUntil)',
      put: 'if (final.timeMs >= proof.redeemableUntil - 20_000)',
    },
  ],
};
