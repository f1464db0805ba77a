// What Node compiled is kept only where nobody else can write: what lies there is run by the next process.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';

const MAIN = new URL('../src/main.ts', import.meta.url).pathname;

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'purser-home-'));
});

function purser(env: Readonly<Record<string, string>>): string {
  const { PATH = '' } = process.env;
  return execFileSync(process.execPath, [MAIN, '--version'], { env: { PATH, ...env }, encoding: 'utf8' });
}

const kept = (folder: string): number => (existsSync(folder) ? readdirSync(folder).length : 0);

test('it is kept in the cache folder of the user, for this user alone', () => {
  const folder = join(home, '.cache', 'purser');
  const first = purser({ HOME: home });
  expect(kept(folder)).toBe(1);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(purser({ HOME: home })).toBe(first);
  expect(purser({ HOME: '/nonexistent', XDG_CACHE_HOME: home })).toBe(first);
  expect(kept(join(home, 'purser'))).toBe(1);
});

test.each(['.cache', '.cache/purser'])('where others can write %s nothing is kept', (open) => {
  mkdirSync(join(home, '.cache', 'purser'), { recursive: true, mode: 0o700 });
  chmodSync(join(home, open), 0o770);
  purser({ HOME: home });
  expect(kept(join(home, '.cache', 'purser'))).toBe(0);
});

test('a link to another folder is not followed, and without a home nothing is made', () => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'purser-elsewhere-'));
  mkdirSync(join(home, '.cache'), { mode: 0o700 });
  symlinkSync(elsewhere, join(home, '.cache', 'purser'));
  purser({ HOME: home });
  expect(kept(elsewhere)).toBe(0);
  expect(purser({ HOME: join(home, 'none') })).toMatch(/^\d/);
  expect(existsSync(join(home, 'none'))).toBe(false);
  expect(purser({})).toMatch(/^\d/);
});
