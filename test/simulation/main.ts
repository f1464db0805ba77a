// `npm run simulate`: many seeds, or one told as a story.

import { planOf } from './plan.ts';
import { run } from './run.ts';

const from = Number(process.argv[2] ?? 1);
const seeds = Number(process.argv[3] ?? 1);
const began = performance.now();
let steps = 0;
let payments = 0;
const failed: number[] = [];
for (let seed = from; seed < from + seeds; seed += 1) {
  const outcome = await run(planOf(seed), seeds === 1);
  steps += outcome.steps;
  payments += outcome.payments;
  if (outcome.violation) {
    failed.push(seed);
    if (failed.length <= 30) console.log(`seed ${seed}: ${outcome.violation.message}`);
  }
  if (seeds === 1) for (const line of outcome.story) console.log(line);
  if (seeds === 1) console.log(Object.fromEntries([...outcome.coverage].sort()));
}
const took = (performance.now() - began) / 1_000;
console.log(
  `${seeds} seeds, ${failed.length} failed, ${steps} steps, ${payments} payments, ${took.toFixed(1)} s, ${(seeds / took).toFixed(1)} seeds/s`,
);
