// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'Receipts of a commit that failed are not taken away when the file is opened again.',
  seed: 29,
  changes: [
    {
      file: 'src/state/batch.ts',
      find: `      if (this.#mark !== undefined) this.#rooms.cutBack(db, this.#mark);
`,
      put: '',
    },
  ],
};
