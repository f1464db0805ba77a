// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says:
    'Gateways know each other once they have spoken, and a generation opens at once: a store that is flushed before ' +
    'they spoke opens without the other one.',
  store: 'redis',
  seed: 49961,
  changes: [
    {
      file: 'src/budget/rebuild.ts',
      find: `const strangers = others.filter((log) => !this.#peers.has(log));`,
      put: `const strangers = others.slice(others.length);`,
    },
    {
      file: 'src/budget/join.lua',
      find: `opens = RAW + closed }`,
      put: `opens = RAW + (gen == 1 and closed or 0) }`,
    },
  ],
};
