// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A rebuild brings purchases before the money that they hold, to a store in which others count already.',
  store: 'redis',
  seed: 1291,
  changes: [
    {
      file: 'src/budget/rebuild.ts',
      find: `        await this.#bringHolds(progress, places, now);
        progress.done`,
      put: `        progress.done`,
    },
    {
      file: 'src/budget/rebuild.ts',
      find: `        if (!progress.lines) await`,
      put: `        await this.#bringHolds(progress, places, now);
        if (!progress.lines) await`,
    },
  ],
};
