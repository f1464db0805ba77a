// How a gateway is told where to die.

/** Read by the process from its environment, by every thread of it. */
export interface FailPlan {
  readonly moment: string;
  /** How many times the moment is reached before the signal; 1 is the first. */
  readonly nth: number;
  /** The moment counts once this file is there. */
  readonly armed: string;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

const PRELOAD = new URL('./preload.ts', import.meta.url).href;

/** The environment of a gateway with that plan. */
export function dyingEnv(plan: FailPlan): Record<string, string> {
  return { NODE_OPTIONS: `--import ${PRELOAD}`, PURSER_TEST_FAIL: JSON.stringify(plan) };
}
