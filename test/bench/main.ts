// `npm run bench`: figures measured side by side in one run, and which goal holds. `--quick` is a short run;
// `--only free|paid|holds|rebuild|process|start|commands` runs one part (comma-separated: some).
import { parseArgs } from 'node:util';
import { CORE, pin } from './children.ts';
import { benchCommands } from './commands.ts';
import { benchFree } from './free.ts';
import { benchHolds } from './holds.ts';
import { benchPaid } from './paid.ts';
import { benchProcess } from './process.ts';
import { benchRebuild } from './rebuild.ts';
import { benchStart } from './start.ts';

/** How much is measured. */
export interface BenchOptions {
  readonly quick: boolean;
}

const PARTS = {
  free: benchFree,
  paid: benchPaid,
  holds: benchHolds,
  rebuild: benchRebuild,
  process: benchProcess,
  start: benchStart,
  commands: benchCommands,
} as const;

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } });
const wanted = values.only?.split(',') ?? Object.keys(PARTS);
const unknown = wanted.filter((part) => !Object.hasOwn(PARTS, part));
if (unknown.length > 0) {
  console.error(`no such part: ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}

const pinned = pin(process.pid, CORE.load);
const [load, measured] = pinned ? [`core ${CORE.load}`, `core ${CORE.measured}`] : ['any core', 'any core'];
console.log(`Node ${process.version}; load and counterparties on ${load}, what is measured on ${measured}.`);
console.log('Each line: the median of the rounds, and (least – most).');

const verdicts: boolean[] = [];
for (const [part, bench] of Object.entries(PARTS)) {
  if (wanted.includes(part)) verdicts.push(...(await bench(values)));
}
const held = verdicts.filter(Boolean).length;
console.log(`\n${held} of ${verdicts.length} goals hold.`);
