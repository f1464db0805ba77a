// `npm run simulate`: drives the real gateway through simulated time, disk, network and stores, seed by seed, and says
// what it found and what it covered. `--help` says how it is asked.
import { parseArgs } from 'node:util';
import { addCoverage, children, showCoverage } from './fleet.ts';
import { huntAll } from './hunt-all.ts';
import { planOf } from './plan.ts';
import { run } from './run.ts';
import { shrink } from './shrink.ts';
import { soak } from './soak.ts';

const HELP = `npm run simulate -- [--seeds 100] [--from 1] [--jobs 1]   many seeds, and what they covered
npm run simulate -- --seed N [--whole]                    one seed's story; where it fails, the shortest that does
npm run simulate -- --planted [--jobs 2] [--only NAME]    each planted bug, and the seed that finds it
npm run simulate -- --soak [--purchases 1000000]          a long quiet run; ends with all books equal
`;

const { values } = parseArgs({
  options: {
    ...{ seeds: { type: 'string', default: '100' }, from: { type: 'string', default: '1' } },
    ...{ jobs: { type: 'string', default: '1' }, step: { type: 'string', default: '1' }, seed: { type: 'string' } },
    ...{ whole: { type: 'boolean' }, planted: { type: 'boolean' }, only: { type: 'string' } },
    ...{ soak: { type: 'boolean' }, purchases: { type: 'string', default: '1000000' }, help: { type: 'boolean' } },
    json: { type: 'boolean' },
  },
});

const count = (text: string): number => {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new RangeError(`${text} is not a whole number above 0`);
  return number;
};

if (values.help) process.stdout.write(HELP);
else if (values.soak) process.exitCode = (await soak(count(values.purchases))) ? 0 : 1;
else if (values.planted) process.exitCode = (await huntAll(count(values.jobs), values.only)) ? 0 : 1;
else if (values.seed !== undefined) process.exitCode = await tell(count(values.seed), values.whole === true);
else if (values.json) await runSeeds(count(values.from), count(values.seeds), count(values.step));
else process.exitCode = await fleet(count(values.from), count(values.seeds), count(values.jobs));

/** One seed as a story; exit code 1 when it fails. */
async function tell(seed: number, whole: boolean): Promise<number> {
  const plan = planOf(seed);
  let outcome = await run(plan, true);
  if (outcome.violation && !whole) {
    const small = await shrink(plan, outcome.violation.rule);
    const { purchases, faults } = small.plan;
    console.log(`the shortest story that still fails: ${purchases.length} purchases, ${faults.length} faults`);
    outcome = small.outcome;
  }
  for (const line of outcome.story) console.log(line);
  console.log(outcome.violation ? `seed ${seed} fails: ${outcome.violation.message}` : `seed ${seed} holds`);
  return outcome.violation ? 1 : 0;
}

/** For the parent: one line of JSON for each failure, and one at the end. */
async function runSeeds(from: number, seeds: number, step: number): Promise<void> {
  const coverage = new Map<string, number>();
  const total = { seeds: 0, steps: 0, payments: 0 };
  for (let seed = from; seed < from + seeds; seed += step) {
    const { violation, steps, payments, coverage: covered } = await run(planOf(seed));
    total.seeds += 1;
    total.steps += steps;
    total.payments += payments;
    addCoverage(coverage, covered);
    if (violation) console.log(JSON.stringify({ seed, violation: violation.message }));
  }
  console.log(JSON.stringify({ total, coverage: [...coverage] }));
}

async function fleet(from: number, seeds: number, jobs: number): Promise<number> {
  const began = performance.now();
  const { failures, total, coverage } = await children(from, seeds, jobs);
  showCoverage(coverage);
  for (const { seed, violation } of failures) console.log(`seed ${seed} fails: ${violation}`);
  const took = (performance.now() - began) / 1_000;
  const rate = `${took.toFixed(0)} s, ${(total.seeds / took).toFixed(1)} seeds/s`;
  console.log(
    `${total.seeds} seeds, ${failures.length} fail; ${total.steps} steps, ${total.payments} payments; ${rate}`,
  );
  if (failures[0]) console.log(`its story: npm run simulate -- --seed ${failures[0].seed}`);
  return failures.length === 0 ? 0 : 1;
}
