// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'The proof is sent while the intent is still being sealed.',
  seed: 8,
  changes: [
    {
      file: 'src/exchange.ts',
      find: 'const intended = await sealIntended(this.#parts, payment).catch((fault) => this.#told(fault));',
      put: `const intended: 'sealed' | 'left' | Refusal = 'sealed';
    void sealIntended(this.#parts, payment).catch((fault) => this.#told(fault));`,
    },
  ],
};
