// The simulation in short: a few seeds of each store hold, a seed is the same story each time, a failing one is
// shrunk, and planted bugs are found. The long run is `npm run simulate`.
import { expect, test } from 'vitest';
import { huntOne, plantedNames } from './hunt-all.ts';
import { planOf } from './plan.ts';
import { fits, type Planted } from './plant.ts';
import { run } from './run.ts';

const SEEDS = 12;
/** Far more than it takes on a machine that does nothing else. */
const PATIENCE_MS = 120_000;

test(
  'no seed violates an invariant, with either store',
  async () => {
    const violated: string[] = [];
    let payments = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const outcome = await run(planOf(seed));
      payments += outcome.payments;
      if (outcome.violation) violated.push(`seed ${seed}: ${outcome.violation.message}`);
    }
    expect(violated).toEqual([]);
    expect(payments).toBeGreaterThan(SEEDS);
  },
  PATIENCE_MS,
);

test(
  'a seed tells the same story each time',
  async () => {
    for (const seed of [5, 8]) {
      const [once, again] = [await run(planOf(seed), true), await run(planOf(seed), true)];
      expect(once.story.length).toBeGreaterThan(50);
      expect(again.story).toEqual(once.story);
      expect([...again.coverage]).toEqual([...once.coverage]);
    }
  },
  PATIENCE_MS,
);

test('every planted bug still fits the code it spoils', async () => {
  const names = plantedNames();
  expect(names.length).toBeGreaterThanOrEqual(20);
  for (const name of names) {
    const { planted }: { planted: Planted } = await import(`./planted/${name}.ts`);
    expect(() => fits(planted)).not.toThrow();
  }
});

test.each(['void-on-timeout', 'shared-key-dropped-on-settle'])(
  '%s is found and shrunk',
  async (name) => {
    const hunted = await huntOne(name, 60);
    expect(hunted).toMatchObject({ name, found: true });
    expect(hunted.purchases).toBeLessThan(planOf(hunted.seed).purchases.length);
  },
  PATIENCE_MS,
);
