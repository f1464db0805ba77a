// A copy of what the repository ships, to be packed, installed and taken apart without touching the work tree.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';

/** The repository's folder. */
export const ROOT = new URL('../..', import.meta.url).pathname;

const SHIPPED = [
  ...['bin', 'deploy', 'policies', 'schema', 'src', 'config.example.yaml', 'Dockerfile', '.dockerignore'],
  ...['LICENSE', 'README.md', 'package.json', 'package-lock.json', 'tsconfig.json'],
];

const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** A fresh folder, gone after the test file. */
export function newFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `purser-${name}-`));
  made.push(folder);
  return folder;
}

/** A copy of what is shipped, in a fresh folder. `modules`: with this checkout's installed packages linked. */
export function copyTree(name: string, modules: 'linked' | 'none'): string {
  const folder = newFolder(name);
  for (const part of SHIPPED) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  if (modules === 'linked') symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

const run = promisify(execFile);

/** Runs a program on this Node first in the PATH; rejects with its output when it does not exit with 0. */
export function command(cwd: string, program: string, args: readonly string[]): Promise<{ stdout: string }> {
  const path = `${dirname(process.execPath)}:${process.env.PATH}`;
  return run(program, [...args], { cwd, env: { ...process.env, PATH: path }, maxBuffer: 64 * 1024 * 1024 });
}
