// Completion as the shells give it: the generated scripts are loaded into real shells and asked.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { commandLine } from '../../src/command/command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'purser-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));
for (const file of ['config.yaml', 'keys.json']) writeFileSync(join(folder, file), '');

async function printed(...args: string[]): Promise<string> {
  let out = '';
  const code = await commandLine(args, { out: (text) => (out += text), err: () => {}, env: {} });
  expect(code).toBe(0);
  return out;
}

const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;

/** What each shell offers after these words, the last of which is being written. */
const ASK: Readonly<Record<string, (script: string, words: readonly string[]) => string[]>> = {
  bash: (script, words) => {
    const list = words.map((word) => `'${word}'`).join(' ');
    const ask = `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _purser; printf '%s\n' "\${COMPREPLY[@]}"`;
    return run('bash', ['--norc', '-c', `${script}\n${ask}`]);
  },
  zsh: (script, words) => {
    // The functions of its completion system that show what is offered print it instead.
    const show = `
      compdef() { : }; _files() { print -l *(N) }; _message() { : }
      _describe() { local name; for name in "\${(@P)2}"; do print -r -- "\${name%%:*}"; done }
      compadd() { shift; print -l -- "$@" }`;
    const list = words.map((word) => `'${word}'`).join(' ');
    return run('zsh', ['-f', '-c', `${show}\n${script}\nwords=(${list}); CURRENT=${words.length}; _purser`]).filter(
      (name) => name.startsWith(words.at(-1) ?? ''),
    );
  },
  fish: (script, words) => {
    const line = words.map((word) => (word === '' ? '' : word)).join(' ');
    return run('fish', ['--no-config', '-c', `${script}\ncomplete -C '${line}'`]).map(
      (name) => name.split('\t')[0] ?? '',
    );
  },
};

function run(shell: string, args: readonly string[]): string[] {
  const { stdout, stderr } = spawnSync(shell, args, { cwd: folder, encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout
    .split('\n')
    .filter((name) => name !== '')
    .sort();
}

const SELECTORS = ['--code', '--kind', '--payee'];

for (const [shell, ask] of Object.entries(ASK)) {
  test.runIf(has(shell))(`${shell} completes commands, their commands, flags, choices and files`, async () => {
    const script = await printed('completion', shell);
    const offered = (...words: string[]) => ask(script, ['purser', ...words]);
    expect(offered('re')).toEqual(['receipts', 'report']);
    expect(offered('receipts', '')).toEqual(['checkpoint', 'export', 'list', 'merge', 'prove', 'show', 'verify']);
    expect(offered('receipts', 'list', '--')).toEqual(expect.arrayContaining(SELECTORS));
    expect(offered('receipts', 'export', '--')).not.toContain('--kind');
    expect(offered('holds', 'resolve', '--as', '')).toEqual(['settled', 'voided']);
    expect(offered('holds', 'resolve', 'x', '--as', 'v')).toEqual(['voided']);
    expect(offered('--help', 'schema', '')).toEqual(['config', 'openapi', 'policies']);
    expect(offered('completion', 'f')).toEqual(['fish']);
    expect(offered('check', '--config', 'c')).toEqual(['config.yaml']);
    expect(offered('receipts', 'verify', 'k')).toEqual(['keys.json']);
    // What a flag takes is no command.
    expect(offered('stop', '--agent', 'list', '--al')).toEqual(['--all']);
    expect(offered('receipts', 'list', '--kind', '')).toEqual([]);
  });
}

test('every command and flag that help shows is in each script', async () => {
  const help = await printed('--help');
  const commands = [...help.matchAll(/^ {2}([a-z]+)[ \n]/gm)].map(([, name]) => name).filter((name) => name !== 'help');
  expect(commands.length).toBeGreaterThan(10);
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = await printed('completion', shell);
    for (const name of commands) {
      expect(script).toMatch(new RegExp(`\\b${name}\\b`));
      const flags = [...(await printed(name ?? '', '--help')).matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)];
      for (const [, flag] of flags) expect(script).toMatch(new RegExp(`(--|-l )${flag}\\b`));
    }
  }
});

test('a shell that there is no script for is bad usage', async () => {
  expect(await commandLine(['completion', 'tcsh'], { out: () => {}, err: () => {}, env: {} })).toBe(2);
});
