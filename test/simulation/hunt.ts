// A process of its own in which one bug is planted: runs seeds until it is found, first the one that found it before,
// and writes what was found as JSON.
import { type Planted, plant } from './plant.ts';

const [, , name = '', most = '1000'] = process.argv;
const { planted }: { planted: Planted } = await import(`./planted/${name}.ts`);
plant(planted);
const { planOf } = await import('./plan.ts');
const { run } = await import('./run.ts');
const { shrink } = await import('./shrink.ts');

let tried = 0;
for (let seed = planted.seed ?? 1, next = 1; tried < Number(most); seed = next, next += 1) {
  const plan = planOf(seed);
  if (planted.store !== undefined && plan.store !== planted.store) continue;
  tried += 1;
  const { violation } = await run(plan);
  if (!violation) continue;
  const small = await shrink(plan, violation.rule);
  const left = { purchases: small.plan.purchases.length, faults: small.plan.faults.map(({ kind }) => kind) };
  console.log(JSON.stringify({ name, found: true, seed, tried, violation: violation.message, ...left }));
  process.exit(0);
}
console.log(JSON.stringify({ name, found: false, tried }));
process.exit(1);
