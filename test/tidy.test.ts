// The house laws, kept by a test: sizes, who may import whom, and that the tree in src/README.md is the tree on disk.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = new URL('..', import.meta.url).pathname;
const SRC = join(ROOT, 'src');
const FILE_LINES = 300;
const FUNCTION_LINES = 70;
const LINE_CHARACTERS = 120;

/** Rooms that every other may use, and places that put rooms together. */
const BASE = ['domain', 'yaml'];
const COMPOSING = ['.', 'exchange', 'gateway', 'command', 'explain'];

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

const sources = files(SRC).filter((path) => path.endsWith('.ts'));
const tests = files(join(ROOT, 'test')).filter((path) => path.endsWith('.ts'));
const roomOf = (path: string): string => dirname(relative(SRC, path)).split('/')[0] ?? '.';

test(`no file of src is longer than ${FILE_LINES} lines`, () => {
  const long = sources.filter((path) => readFileSync(path, 'utf8').split('\n').length - 1 > FILE_LINES);
  expect(long.map((path) => relative(ROOT, path))).toEqual([]);
});

test(`no line is longer than ${LINE_CHARACTERS} characters`, () => {
  const long = [...sources, ...tests].flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line, index) => (line.length > LINE_CHARACTERS ? [`${relative(ROOT, path)}:${index + 1}`] : [])),
  );
  expect(long).toEqual([]);
});

test(`no function of src is longer than ${FUNCTION_LINES} lines`, () => {
  const opens = /^(\s*)(?!.*\b(?:if|for|while|switch|catch|else)\b).*(?:\)|\w|>)\s*(?:=>)?\s*\{$/;
  const isFunction = /\bfunction\b|=>\s*\{$|^\s*(?:async |static |get |set )*[#\w]+(?:<.*>)?\(.*\{$|^\s*\).*\{$/;
  const long = sources.flatMap((path) => {
    const lines = readFileSync(path, 'utf8').split('\n');
    return lines.flatMap((line, start) => {
      const indent = opens.exec(line)?.[1];
      if (indent === undefined || !isFunction.test(line)) return [];
      const end = lines.findIndex((other, index) => index > start && other.startsWith(`${indent}}`));
      return end - start + 1 > FUNCTION_LINES ? [`${relative(ROOT, path)}:${start + 1}`] : [];
    });
  });
  expect(long).toEqual([]);
});

test('a room imports only itself and the base rooms; only composing places put rooms together', () => {
  const wrong = sources.flatMap((path) => {
    const room = roomOf(path);
    if (COMPOSING.includes(room)) return [];
    const imports = [...readFileSync(path, 'utf8').matchAll(/(?:from|import)\s*\(?'(\.[^']+)'/g)];
    return imports
      .map((match) => roomOf(resolve(dirname(path), match[1] ?? '')))
      .filter((target) => target !== room && !BASE.includes(target))
      .map((target) => `${relative(ROOT, path)} imports ${target}/`);
  });
  expect(wrong).toEqual([]);
});

test('each file of src begins with a comment that says what it owns', () => {
  const bare = sources.filter((path) => !/^(?:#!.*\n)?\/\/ /.test(readFileSync(path, 'utf8')));
  expect(bare.map((path) => relative(ROOT, path))).toEqual([]);
});

test('src/README.md names exactly the files that are there', () => {
  const readme = readFileSync(join(SRC, 'README.md'), 'utf8');
  const tree = /```tree\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const named: string[] = [];
  let folder = '';
  for (const line of tree.split('\n')) {
    const match = /^(\s*)(\S+)/.exec(line);
    if (!match?.[2]) continue;
    if (match[2].endsWith('/')) folder = match[2];
    else named.push(match[1] === '' ? match[2] : `${folder}${match[2]}`);
  }
  const there = files(SRC).map((path) => relative(SRC, path));
  expect(named.sort()).toEqual(there.filter((path) => path !== 'README.md').sort());
});

test('nothing is skipped, left to do, or cast away', () => {
  const marks = new RegExp(['as any', 'as unknown as', '@ts-ignore', '@ts-expect-error', 'TODO', 'FIXME'].join('|'));
  const loose = sources.filter((path) => marks.test(readFileSync(path, 'utf8')));
  expect(loose.map((path) => relative(ROOT, path))).toEqual([]);
});
