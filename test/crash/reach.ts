// The moment itself: the process sends itself a signal when the moment that its environment names is reached for the
// n-th time, counted from when it was armed.
import { existsSync, writeSync } from 'node:fs';
import type { FailPlan } from './plan.ts';

const plan: FailPlan | null = JSON.parse(process.env.PURSER_TEST_FAIL ?? 'null');
let left = plan?.nth ?? 0;

/** Says that a moment has come. Does nothing unless it is the one that was asked for. */
export function reach(moment: string): void {
  if (plan?.moment !== moment || left === 0 || !existsSync(plan.armed)) return;
  left -= 1;
  if (left > 0) return;
  writeSync(2, `reached: ${moment}\n`);
  process.kill(process.pid, plan.signal);
}
