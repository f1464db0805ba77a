// Where tests are found. The suite runs each file in its own process; "long" holds what takes minutes.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Real processes on a busy machine: a test that fails is tried again there, and reported as flaky when it then passes.
const retry = process.env.CI ? 2 : 0;
const shared = {
  retry,
  root: new URL('..', import.meta.url).pathname,
  pool: 'forks' as const,
  testTimeout: 30_000,
  hookTimeout: 30_000,
};

export default defineConfig({
  test: {
    // Most tests wait for processes: two at once are half the time, also on two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      { test: { ...shared, name: 'suite', include: ['test/**/*.test.ts'], exclude: ['test/long/**'] } },
      { test: { ...shared, name: 'long', include: ['test/long/**/*.test.ts'], testTimeout: 1_800_000 } },
    ],
  },
});
