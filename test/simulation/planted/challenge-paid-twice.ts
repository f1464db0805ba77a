// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'A challenge that another purchase answers is paid once more.',
  store: 'embedded',
  seed: 20,
  changes: [
    {
      file: 'src/budget/embedded-holds.ts',
      find: `    if (this.#claims.holder(\`c:\${step.names.challenge}\`, now)) return { kind: 'challenge_taken' };
`,
      put: '',
    },
  ],
};
