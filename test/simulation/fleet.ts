// Several processes that run seeds side by side, and what all of them covered.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A seed that fails. */
export interface Failure {
  readonly seed: number;
  readonly violation: string;
}

interface Ended {
  readonly total: { readonly seeds: number; readonly steps: number; readonly payments: number };
  readonly coverage: readonly [string, number][];
}

const MAIN = new URL('main.ts', import.meta.url).pathname;

/** Runs `seeds` seeds in `jobs` processes; failures are told at once. Rejects when a process breaks. */
export async function children(from: number, seeds: number, jobs: number) {
  const coverage = new Map<string, number>();
  const total = { seeds: 0, steps: 0, payments: 0 };
  const failures: Failure[] = [];
  const work = Array.from({ length: jobs }, async (_, i) => {
    const asked = ['--json', '--from', `${from + i}`, '--seeds', `${Math.max(1, seeds - i)}`, '--step', `${jobs}`];
    await lines([MAIN, ...asked], (line) => {
      const said = JSON.parse(line) as Failure | Ended;
      if ('seed' in said) {
        failures.push(said);
        console.error(`seed ${said.seed} fails: ${said.violation}`);
        return;
      }
      addCoverage(coverage, new Map(said.coverage));
      for (const key of ['seeds', 'steps', 'payments'] as const) total[key] += said.total[key];
    });
  });
  await Promise.all(work);
  return { failures: failures.sort((a, b) => a.seed - b.seed), total, coverage };
}

/** Runs a process of this Node and hears its lines; rejects unless it ends well or, where allowed, with 1. */
export function lines(argv: readonly string[], heard: (line: string) => void, allowed = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: child.stdout }).on('line', heard);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 || code === allowed) resolve();
      else reject(new Error(`a process of the simulation ended with ${code}`));
    });
  });
}

/** Adds counts. */
export function addCoverage(sum: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [what, times] of more) sum.set(what, (sum.get(what) ?? 0) + times);
}

/** Prints how often each thing happened. */
export function showCoverage(coverage: ReadonlyMap<string, number>): void {
  for (const [what, times] of [...coverage].sort(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`${String(times).padStart(9)}  ${what}`);
  }
}
