// The shortest story that still fails: purchases and faults are left out, first many at once and then one by one, as
// long as the same rule is violated. What comes after the violation is left out first.
import type { Plan } from './plan.ts';
import { type Outcome, run } from './run.ts';

/** A plan that fails, and how. */
export interface Shrunk {
  readonly plan: Plan;
  readonly outcome: Outcome;
}

/** Runs that a shrinking takes at most. */
const MOST_RUNS = 120;

/** Shrinks a plan that violates a rule. */
export async function shrink(plan: Plan, rule: string): Promise<Shrunk> {
  let best: Shrunk = { plan, outcome: await run(plan, true) };
  let left = MOST_RUNS;
  const tryOne = async (smaller: Plan): Promise<boolean> => {
    left -= 1;
    const outcome = await run(smaller, true);
    if (outcome.violation?.rule !== rule) return false;
    best = { plan: smaller, outcome };
    return true;
  };
  const { lastedMs } = best.outcome;
  const before = <T extends { readonly atMs: number }>(all: readonly T[]): T[] =>
    all.filter(({ atMs }) => atMs <= lastedMs);
  await tryOne({ ...plan, purchases: before(plan.purchases), faults: before(plan.faults) });
  for (let size = Math.max(plan.purchases.length, plan.faults.length); size >= 1; size = Math.floor(size / 2)) {
    for (const what of ['faults', 'purchases'] as const) {
      for (let at = 0; at < best.plan[what].length && left > 0; ) {
        const rest = [...best.plan[what].slice(0, at), ...best.plan[what].slice(at + size)];
        if (!(await tryOne({ ...best.plan, [what]: rest }))) at += size;
      }
    }
  }
  if (best.plan.storm > 0 && left > 0) await tryOne({ ...best.plan, storm: 0 });
  return best;
}
