// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'What one of two nodes shows is believed, whatever the other one says.',
  seed: 31,
  changes: [
    {
      file: 'src/rail/evm-evidence.ts',
      find: 'if (first.verdict === second.verdict && (first',
      put: "if (second.verdict !== 'unknown') return second;\n  if (first.verdict === second.verdict && (first",
    },
  ],
};
