// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A retry without a key is not found to be one.',
  store: 'embedded',
  seed: 6,
  changes: [
    {
      file: 'src/budget/embedded-repeats.ts',
      find: '    const candidates = [this.#standing(() => this.#rows.oldestGone(name), now)];',
      put: '    const candidates = [undefined as HoldRow | undefined];',
    },
  ],
};
