// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'Whoever lost its standing while it waited is paid for.',
  seed: 133,
  changes: [
    {
      file: 'src/policy/decide.ts',
      find: 'before.version === set.version ? before : admit(set, before.identity, before.request);',
      put: 'before;',
    },
    {
      file: 'src/exchange/payment.ts',
      find: 'return standing(parts.policy(), identity, now);',
      put: 'return undefined;',
    },
  ],
};
