// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'An Idempotency-Key is looked up before the request goes out, and not in the step that holds.',
  store: 'embedded',
  seed: 6,
  changes: [
    {
      file: 'src/budget/embedded-holds.ts',
      find: `    if (repeat) return { kind: 'repeat'`,
      put: `    if (repeat && step.names.key === null) return { kind: 'repeat'`,
    },
  ],
};
