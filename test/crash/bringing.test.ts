// A gateway of two that is killed while it brings its receipts back to a Redis that forgot everything, at two of the
// moments; all of them, alone and of four: test/long/crash-bringing.test.ts.
import { describe, test } from 'vitest';
import { STORES } from '../support/stores.ts';
import { dieBringing } from './bringing.ts';
import { BRINGING } from './points.ts';

const KILLED = [
  { moment: 'holds half brought', comes: 'back' },
  { moment: 'attest sent', comes: 'late' },
] as const;

for (const { name, available, open } of STORES.filter((store) => store.name.includes('Redis'))) {
  describe.runIf(available)(`killed in the middle of bringing, ${name}`, () => {
    for (const { moment, comes } of KILLED) {
      const point = BRINGING.find((one) => one.moment === moment);
      test(`${moment}, ${comes}: spent to the cent, nothing paid twice, stuck or forgotten`, {
        timeout: 120_000,
      }, async () => {
        const store = await open();
        try {
          if (!point) throw new Error(`there is no moment ${moment}`);
          await dieBringing(store, point, 2, comes);
        } finally {
          await store.close();
        }
      });
    }
  });
}
