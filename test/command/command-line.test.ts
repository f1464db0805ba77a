// The command line as a shell sees it: exit codes, usage, suggestions, help.
import { execFile } from 'node:child_process';
import { accessSync, constants, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from './support.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

function purser(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const cwd = mkdtempSync(join(tmpdir(), 'purser-cli-'));
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { cwd }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 255 : 0, out, err });
    });
  });
}

test('help and version go to standard output and are exit code 0', async () => {
  const help = await purser('--help');
  expect([help.code, help.err]).toEqual([0, '']);
  for (const name of [
    'serve',
    'demo',
    'check',
    'token',
    'receipts',
    'report',
    'audit',
    'budgets',
    'holds',
    'stop',
    'start',
  ]) {
    expect(help.out).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  }
  expect((await purser('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('a mistyped command is exit code 2, with usage and what was probably meant, on standard error', async () => {
  const answer = await purser('budgest');
  expect([answer.code, answer.out]).toEqual([2, '']);
  expect(answer.err).toContain("unknown command 'budgest'");
  expect(answer.err).toContain('Did you mean budgets?');
  expect(answer.err).toContain('Usage: purser');
});

test('a configuration that does not exist is exit code 1 and says where to start', async () => {
  const answer = await purser('budgets');
  expect([answer.code, answer.out]).toEqual([1, '']);
  expect(answer.err).toContain('config.example.yaml');
});

test('the entry can be executed', () => {
  expect(() => accessSync(MAIN, constants.X_OK)).not.toThrow();
});

test.each([
  [[], 'Usage: purser'],
  [['--colour'], "unknown option '--colour'"],
  [['budgets', '--jsn'], 'Did you mean --json?'],
  [['budgets', 'extra'], 'too many arguments'],
  [['budgets', '--gateway', 'http://10.0.0.1:1'], 'It must be https beyond loopback'],
  [['budgets', '--gateway', 'https://u:p@h'], 'It must be an address such as'],
  [['stop', '--all', '--because', 'x', '--gateway', 'purser:8403'], 'It must be an address such as'],
  [['holds'], 'Usage: purser holds'],
  [['holds', 'lst'], 'Did you mean list?'],
  [['holds', 'resolve', 'h'], "required option '--as <end>'"],
  [['holds', 'resolve', 'h', '--as', 'lost', '--because', 'x'], 'Allowed choices are settled, voided'],
  [['holds', 'resolve', '--as', 'settled', '--because', 'x'], 'name one hold by its ID, or many'],
  [['holds', 'resolve', '--as', 'settled', '--because', 'x', '--service', 's'], 'name one hold by its ID, or many'],
  [
    [
      'holds',
      'resolve',
      'h',
      '--as',
      'settled',
      '--because',
      'x',
      '--service',
      's',
      '--before',
      '2026-11-23T10:00:00Z',
    ],
    'or many',
  ],
  [
    ['holds', 'resolve', '--as', 'settled', '--because', 'x', '--service', 's', '--before', '2026-02-30T00:00:00Z'],
    'an instant such as',
  ],
  [['stop'], 'say why with --because'],
  [['stop', '--because', 'x'], 'name one of --agent ID'],
  [['stop', '--agent', 'a', '--all', '--because', 'x'], 'name one of --agent ID'],
  [['start'], 'name one of --agent ID'],
  [['receipts', 'list', '--limit', '1e3'], 'a whole number'],
  [['token', '--check', 'file', '--agent', 'a'], '--check stands alone'],
  [['explain'], 'name an ID, or --agent ID'],
  [['explain', 'p.1', '--agent', 'a'], 'name an ID, or --agent ID'],
  [['explain', '--agent', 'a', '--service', 's'], 'name an ID, or --agent ID'],
])('bad usage is exit code 2 and nothing on standard output: %j', async (args, says) => {
  const answer = await run(args);
  expect([answer.code, answer.out]).toEqual([2, '']);
  expect(answer.err).toContain(says);
});

test('every command has help', async () => {
  for (const args of [
    ['serve'],
    ['demo'],
    ['check'],
    ['token'],
    ['receipts'],
    ['receipts', 'verify'],
    ['report'],
    ['holds', 'resolve'],
    ['stop'],
    ['stop', 'list'],
    ['start'],
  ]) {
    const answer = await run([...args, '--help']);
    expect([args, answer.code]).toEqual([args, 0]);
    expect(answer.out).toContain(`Usage: purser ${args.join(' ')}`);
  }
});
