// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'What is brought to a rebuilt store is added once more when it is brought again.',
  store: 'redis',
  seed: 10184855,
  changes: [
    {
      file: 'src/budget/bring-lines.lua',
      find: `sums_of(redis.call('HGET', told, field) or '0 0 0', told)`,
      put: `sums_of('0 0 0', told)`,
    },
    {
      file: 'src/budget/rebuild.ts',
      find: 'if (!untouched) this.#parts.membership.broken = generation;',
      put: '',
    },
  ],
};
