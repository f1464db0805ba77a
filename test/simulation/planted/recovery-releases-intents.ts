// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'Recovery gives back holds whose proof may be out.',
  seed: 5,
  changes: [
    {
      file: 'src/exchange/recover.ts',
      find: '  const orphans = open.filter(({ id }) => !intended.has(id));',
      put: '  const orphans = intended.size >= 0 ? open : [];',
    },
  ],
};
