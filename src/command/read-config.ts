// The configuration for a command: read, or every problem of it on standard error.
import type { Config } from '../config/config.ts';
import { type LoadOptions, loadConfig } from '../config/load.ts';
import { showProblem } from '../yaml/problem.ts';
import type { Io } from './io.ts';

/** Undefined when the configuration has errors; they are printed then. `skip` opens no secret. */
export function readConfig(path: string, io: Io, secrets: LoadOptions['secrets']): Config | undefined {
  const { config, problems } = loadConfig(path, { env: io.env, secrets });
  if (!config) for (const problem of problems) io.err(`${showProblem(problem)}\n`);
  return config;
}
