// `npm run torture -- --minutes 10 [--seed N]`: exit 0 when all sides agree in the end.
import { parseArgs } from 'node:util';
import { show, torture } from './torture.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
  },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
if (!(minutes > 0 && minutes <= 24 * 60) || !Number.isSafeInteger(seed)) {
  process.stderr.write('npm run torture -- --minutes M (more than 0, at most 1440) [--seed N (a whole number)]\n');
  process.exit(2);
}
process.stdout.write(`${minutes} minutes of torture, seed ${seed}\n\n`);
const outcome = await torture(minutes * 60_000, seed);
process.stdout.write(show(outcome));
process.exit(outcome.faults.length === 0 ? 0 : 1);
