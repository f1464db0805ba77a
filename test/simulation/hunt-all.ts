// Every planted bug in a process of its own: the simulation has to find each of them.
import { readdirSync } from 'node:fs';
import { lines } from './fleet.ts';
import { planOf } from './plan.ts';
import { run } from './run.ts';

interface Hunted {
  readonly name: string;
  readonly found: boolean;
  readonly seed: number;
  readonly tried: number;
  readonly violation: string;
  readonly purchases: number;
  readonly faults: readonly string[];
}

const HUNT = new URL('hunt.ts', import.meta.url).pathname;
const MOST_SEEDS = 1_000;

/** The names of all planted bugs. */
export function plantedNames(): string[] {
  const files = readdirSync(new URL('planted/', import.meta.url));
  return files.map((file) => file.replace(/\.ts$/, '')).sort();
}

/** Hunts one. */
export async function huntOne(name: string, most = MOST_SEEDS): Promise<Hunted> {
  let hunted: Hunted | undefined;
  await lines(
    [HUNT, name, `${most}`],
    (line) => {
      hunted = JSON.parse(line) as Hunted;
    },
    1,
  );
  if (!hunted) throw new Error(`the hunt for ${name} said nothing`);
  // It is the bug that was found only if the same seed holds without it.
  if (hunted.found && (await run(planOf(hunted.seed))).violation) return { ...hunted, found: false };
  return hunted;
}

/** Hunts all, so many at once, or the one that is named; prints the seed that finds each. Were all found? */
export async function huntAll(jobs: number, only?: string): Promise<boolean> {
  const names = plantedNames().filter((name) => only === undefined || name === only);
  if (names.length === 0) throw new Error(`no planted bug is named ${only}`);
  let next = 0;
  let found = 0;
  const work = Array.from({ length: jobs }, async () => {
    for (let name = names[next]; name !== undefined; name = names[next]) {
      next += 1;
      const hunted = await huntOne(name);
      if (hunted.found) found += 1;
      console.log(sentence(hunted));
    }
  });
  await Promise.all(work);
  console.log(`${found} of ${names.length} planted bugs found`);
  return found === names.length;
}

function sentence({ name, found, seed, tried, violation, purchases, faults }: Hunted): string {
  if (!found) return `${name.padEnd(30)} NOT FOUND in ${tried} seeds`;
  const small = `${purchases} purchases${faults.length > 0 ? `, ${faults.join(', ')}` : ''}`;
  return `${name.padEnd(30)} seed ${String(seed).padEnd(4)} ${violation}  [shrunk to ${small}]`;
}
