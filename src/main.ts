#!/usr/bin/env node
// The process around the command line: what it reads and writes, and its exit code. It decides nothing.
import type { Io } from './command/io.ts';
import { keepCompiled } from './compile-cache.ts';

const OLDEST_NODE = [24, 12] as const;

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
};

/** Whoever reads us may stop reading (`| head`): that is no fault. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = runsHere(process.versions.node) ? await run() : 1;
process.stdout.write('', () => process.exit());

/** Everything else is loaded only once what was compiled of it before can be found. */
async function run(): Promise<number> {
  keepCompiled(process.env);
  const { commandLine } = await import('./command/command-line.ts');
  return commandLine(process.argv.slice(2), io);
}

function runsHere(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return true;
  const need = OLDEST_NODE.join('.');
  io.err(`purser needs Node ${need} or newer, this is ${version}; "npm ci" brings one, then run "npx purser".\n`);
  return false;
}
