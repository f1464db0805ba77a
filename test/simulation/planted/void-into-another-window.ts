// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'What is given back is given back to the window of now.',
  store: 'embedded',
  seed: 4,
  changes: [
    {
      file: 'src/budget/embedded-holds.ts',
      find: '    this.counters.end(row.lines, row.micros, as);',
      put: `    this.counters.end(as === 'settled' ? row.lines : row.lines.map(
      (line) => ({ ...line, windowStart: Math.floor(now / 3_600_000) * 3_600_000 })), row.micros, as);`,
    },
  ],
};
