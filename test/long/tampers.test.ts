// Ten thousand random tampers with a log, each by its seed: cut, edited, reordered, inserted, rolled back, signed
// again, written anew, spliced. `PURSER_TAMPERS=N` tries another count.
import { expect, test } from 'vitest';
import { escapedOfSegments } from '../ledger/segment-tampering.ts';
import { escaped, victim } from '../ledger/tampering.ts';

const SEEDS = Number(process.env.PURSER_TAMPERS ?? 10_000);
const LOG_EVERY = 500;

test(`of ${SEEDS} random tampers with a log every one is found at its receipt`, { timeout: 1_800_000 }, async () => {
  const missed: string[] = [];
  let log = victim();
  for (let seed = 0; seed < SEEDS; seed += 1) {
    if (seed % LOG_EVERY === LOG_EVERY - 1) log = victim();
    const missing = await escaped(log, seed);
    if (missing !== undefined) missed.push(missing);
  }
  console.log(`${SEEDS - missed.length} of ${SEEDS} tampers found`);
  expect(missed).toEqual([]);
});

test(`of ${SEEDS} random changes of the files of segments every one is found`, { timeout: 1_800_000 }, async () => {
  const missed = await escapedOfSegments(SEEDS);
  console.log(`${SEEDS - missed.length} of ${SEEDS} changes of segment files found`);
  expect(missed).toEqual([]);
});
