// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'Recovery gives back what was sealed as settled.',
  seed: 16,
  changes: [
    {
      file: 'src/exchange/recover.ts',
      find: `  if (receipt.kind === 'settled') await parts.budget.settle(hold);
  if (receipt.kind === 'voided')`,
      put: `  if (receipt.kind === 'settled') await parts.budget.void(hold, 'freed');
  if (receipt.kind === 'voided')`,
    },
  ],
};
