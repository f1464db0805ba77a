// A gateway that is killed while uncertain purchases get their end, at two of the moments on each store; all of them,
// and by whom else they can be ended: test/long/crash-resolving.test.ts.
import { describe, test } from 'vitest';
import { STORES } from '../support/stores.ts';
import { RESOLVING } from './points.ts';
import { dieResolving } from './resolving.ts';

const MOMENTS = ['outcome sealed', 'void sent'];

for (const { name, available, open } of STORES) {
  describe.runIf(available)(`killed while it ends what is uncertain, ${name}`, () => {
    for (const point of RESOLVING.filter(({ moment }) => MOMENTS.includes(moment))) {
      test(`${point.moment}: each ends once, as the merchant has it, and the rest is spent to the cent`, {
        timeout: 120_000,
      }, async () => {
        const store = await open();
        try {
          await dieResolving(store, point, 'itself');
        } finally {
          await store.close();
        }
      });
    }
  });
}
