// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'The hold is counted first and compared with the limits afterwards.',
  store: 'embedded',
  seed: 16,
  changes: [
    {
      file: 'src/budget/embedded-holds.ts',
      find: `    const over = firstOver(step, read.counted);
    if (over) return { kind: 'exceeded', ...over, counted: read.counted };
    this.#place(step, now);`,
      put: `    this.#place(step, now);
    const over = firstOver(step, read.counted);
    if (over) return { kind: 'exceeded', ...over, counted: read.counted };`,
    },
  ],
};
