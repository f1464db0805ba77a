// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'What is sealed is not synced to the disk.',
  store: 'embedded',
  seed: 16,
  changes: [
    {
      file: 'src/ledger/ledger-operations.ts',
      find: `'ledger.seal': { durable: true,`,
      put: `'ledger.seal': { durable: false,`,
    },
  ],
};
