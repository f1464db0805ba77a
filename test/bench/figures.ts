// Numbers of a bench: what several rounds say together, and whether a goal holds. It prints; it measures nothing.

/** A goal as the bench tells it. */
export interface Goal {
  readonly name: string;
  /** One value a round. */
  readonly rounds: readonly number[];
  readonly goal: { readonly atLeast: number } | { readonly atMost: number };
  /** Behind each value; `×` for ratios. */
  readonly unit: string;
  /** What stands in the way, as far as this run can tell; printed when the goal is missed. */
  readonly inTheWay: string;
}

/** The value at `part` (0 to 1) of the values in order; NaN for none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

/** The median; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[half - 1] ?? Number.NaN)) / 2;
}

/** One value a round, as a line: name, median, least and most. */
export function row(name: string, rounds: readonly number[], unit: string): void {
  const spread = `${shown(Math.min(...rounds))} – ${shown(Math.max(...rounds))}`;
  console.log(`  ${name.padEnd(44)} ${shown(median(rounds)).padStart(9)} ${unit.padEnd(4)} (${spread})`);
}

/** Prints a goal's line and its verdict; answers whether it holds. */
export function verdict(goal: Goal): boolean {
  row(goal.name, goal.rounds, goal.unit);
  const middle = median(goal.rounds);
  const wanted = goal.goal;
  const holds = 'atLeast' in wanted ? middle >= wanted.atLeast : middle <= wanted.atMost;
  const bound = 'atLeast' in wanted ? `at least ${shown(wanted.atLeast)}` : `at most ${shown(wanted.atMost)}`;
  console.log(`    goal: ${bound} ${goal.unit}  →  ${holds ? 'holds' : 'MISSED'}`);
  if (!holds) console.log(`    in the way: ${goal.inTheWay}`);
  return holds;
}

/** Three digits that matter, thousands set apart. */
function shown(value: number): string {
  if (!Number.isFinite(value)) return 'none';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** What one pass over all rounds found, by the name of what was measured. */
export type Rounds<Name extends string> = Readonly<Record<Name, number[]>>;

/**
 * Runs every measure once a round, so that whatever else happens on the machine meets all of them alike; each round
 * begins with another one.
 */
export async function interleaved<Name extends string>(
  count: number,
  measures: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Rounds<Name>> {
  const names = Object.keys(measures) as Name[];
  const found = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Rounds<Name>;
  for (let round = 0; round < count; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length] as Name;
      found[name].push(await measures[name]());
    }
  }
  return found;
}

/** Round by round, one value over another. */
export function ratios(over: readonly number[], under: readonly number[]): number[] {
  return over.map((value, round) => value / (under[round] ?? Number.NaN));
}
