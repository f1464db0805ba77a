// A planted bug: see `says`. It is never part of the gateway.
import type { Planted } from '../plant.ts';

export const planted: Planted = {
  says: 'The hold is marked as exposed only after the proof was sent.',
  seed: 1,
  changes: [
    {
      file: 'src/exchange.ts',
      find: `    const refused = await exposeOrder(this.#parts, payment).catch((fault) => this.#told(fault));
`,
      put: `    const refused = undefined;
`,
    },
    {
      file: 'src/exchange.ts',
      find: `    await payAndAnswer(this.#parts, this.finisher, payment);
`,
      put: `    await payAndAnswer(this.#parts, this.finisher, payment);
    await exposeOrder(this.#parts, payment);
`,
    },
  ],
};
