// No hostile case is forgotten: each id stands at the start of a test's title, here or in a folder beside this one,
// or in the table of README.md with the reason why not.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const FOLDER = new URL('.', import.meta.url).pathname;
/** Where tests are named by their case. */
const FOLDERS = ['threats', 'crash', 'gateway'].map((name) => join(FOLDER, '..', name));

/** The groups, each with the numbers of its cases. */
const CASES: Readonly<Record<string, readonly number[]>> = {
  AUTH: [1, 3, 4, 5, 7, 8, 9, 13, 17, 18, 19, 20, 22, 23, 26, 27, 28, 30, 31, 32, 33, 36, 37, 38, 39, 40, 41],
  CHAL: [
    1, 2, 3, 6, 9, 10, 11, 12, 13, 14, 15, 16, 20, 23, 24, 25, 26, 28, 29, 30, 31, 33, 34, 35, 36, 37, 39, 40, 42, 43,
    47, 48, 49, 50,
  ],
  CRASH: [2, 3, 4, 5, 7, 8, 9, 10, 11, 14, 17, 19, 20],
  CONC: [1, 2, 4, 5, 6, 7, 10, 11, 13, 14, 15, 18],
  MONEY: [3, 4, 6, 7, 8],
  CONF: [2, 3, 5, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19],
  LOG: [2, 3, 5, 7, 8, 10, 11, 12, 13, 14, 16, 18, 20],
  LEAK: [1, 3, 4, 5, 6, 8],
};

const ids = Object.entries(CASES).flatMap(([group, numbers]) =>
  numbers.map((number) => `${group}-${String(number).padStart(2, '0')}`),
);

/** Ids at the start of a text literal, before its colon: `'CONF-02, CONF-03: …'`. */
function named(source: string): string[] {
  const titles = source.matchAll(/(?<=['"`])((?:[A-Z]+-\d\d(?:, )?)+)(?=: )/g);
  return [...titles].flatMap(([list]) => list.split(', '));
}

const tested = new Set(
  FOLDERS.flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.ts') && file !== 'complete.test.ts')
      .flatMap((file) => named(readFileSync(join(folder, file), 'utf8'))),
  ),
);

const table = [
  ...readFileSync(join(FOLDER, 'README.md'), 'utf8').matchAll(/^\| ([A-Z]+-\d\d) +\| (.+?) +\| (.+?) +\|$/gm),
];
const setAside = table.map(([, id]) => id ?? '');

test('each hostile case is tested under its id, or stands in the table with the reason', () => {
  expect(ids.filter((id) => !tested.has(id) && !setAside.includes(id))).toEqual([]);
});

test('the table names each case once, none that is tested and none that does not exist', () => {
  expect(setAside.length).toBeGreaterThan(0);
  expect(setAside).toEqual([...new Set(setAside)]);
  expect(setAside.filter((id) => tested.has(id) || !ids.includes(id))).toEqual([]);
});
