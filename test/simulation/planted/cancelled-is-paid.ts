// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'An authorisation that was cancelled on the chain is taken for used.',
  seed: 314,
  changes: [
    {
      file: 'src/rail/evm-evidence.ts',
      find: "conclusive('dead', seen, seen, { number: cancellation",
      put: "conclusive('redeemed', seen, seen, { number: cancellation",
    },
  ],
};
