// Redis forgets everything, and a gateway dies at each step by which it brings back what its receipts say: alone, of
// two and of four; it comes back at once, or when the others have gone on without it.
import { describe, test } from 'vitest';
import { dieBringing } from '../crash/bringing.ts';
import { BRINGING } from '../crash/points.ts';
import { STORES } from '../support/stores.ts';

const TOWNS = [
  { places: 1, comes: 'back' },
  { places: 2, comes: 'back' },
  { places: 2, comes: 'late' },
  { places: 4, comes: 'back' },
  { places: 4, comes: 'late' },
] as const;

for (const { name, available, open } of STORES.filter((store) => store.name.includes('Redis'))) {
  for (const { places, comes } of TOWNS) {
    describe.runIf(available)(`${name}, ${places} gateways, the dead one ${comes}`, () => {
      // Of two with one away only one is left to speak.
      const points = BRINGING.filter(({ speaks }) => !speaks || (places === 2 && comes === 'back'));
      for (const point of points) {
        test(`${point.moment}: spent to the cent, nothing paid twice, stuck or forgotten`, async () => {
          const store = await open();
          try {
            await dieBringing(store, point, places, comes);
          } finally {
            await store.close();
          }
        });
      }
    });
  }
}
