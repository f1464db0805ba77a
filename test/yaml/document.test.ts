// YAML is read strictly: what could surprise is an error that says where.
import { expect, test } from 'vitest';
import { readYaml } from '../../src/yaml/document.ts';

const read = (text: string) => readYaml('f.yaml', new TextEncoder().encode(text));
const problemOf = (text: string) => {
  const [first] = read(text).problems;
  return first && `${first.line}:${first.col} ${first.path} ${first.message}`;
};

test('CONF-02 keys that reach a prototype are refused, also merged in, and Object.prototype stays as it is', () => {
  expect(problemOf('a:\n  __proto__: { polluted: 1 }\n')).toMatch(/^2:3 a\.__proto__ .*cannot be a key/);
  expect(problemOf('constructor: 1\n')).toMatch(/^1:1 constructor .*cannot be a key/);
  expect(problemOf('x: &x { "__proto__": { polluted: 1 } }\n')).toContain('cannot be a key');
  expect(problemOf('a:\n  <<: { __proto__: { polluted: 1 } }\n')).toContain('cannot be a key');
  expect('polluted' in {}).toBe(false);
});

test('CONF-03 a key that stands twice is refused with the lines of both', () => {
  expect(problemOf('a: 1\nb: 2\na: 3\n')).toBe('3:1 a stands twice, first on line 1; keep one');
});

test('CONF-14 tags are refused, and nothing is expanded', () => {
  expect(problemOf('a: !!js/function "x"\n')).toContain('tags');
  expect(problemOf('a: !include /etc/passwd\n')).toContain('tags');
  expect(problemOf('a: !!str 5\n')).toContain('tags');
  const variable = ['$', '{HOME}'].join('');
  expect(read(`a: "${variable}"\n`).value).toEqual({ a: variable });
});

test('aliases and merges work up to a hundred uses, counted where they are used', () => {
  expect(read('a: &a [1]\nb: *a\n').value).toEqual({ a: [1], b: [1] });
  expect(read('a: &a { x: 1, y: 2 }\nb: { <<: *a, y: 3 }\n').value).toEqual({ a: { x: 1, y: 2 }, b: { x: 1, y: 3 } });
  expect(problemOf(`a: &a 1\nb: [${Array(101).fill('*a').join(', ')}]\n`)).toContain('more than 100');
  expect(read(`a: &a 1\nb: [${Array(100).fill('*a').join(', ')}]\n`).problems).toEqual([]);
});

test('a few aliases cannot stand for very much, nor for themselves', () => {
  const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`);
  expect(problemOf(`l0: &l0 [x]\n${levels.join('\n')}\n`)).toContain('more than 100');
  expect(problemOf('a: &a [*a]\n')).toContain('holds it');
});

test('what is no YAML 1.2 in UTF-8, or two documents, or too deep, says so', () => {
  expect(problemOf('a: [1,\nb: 2\n')).toContain('not valid YAML');
  expect(problemOf('a: 1\n---\nb: 2\n')).toContain('second document');
  expect(problemOf('%YAML 1.1\n---\na: yes\n')).toContain('1.2');
  expect(problemOf(`a: ${'['.repeat(100)}${']'.repeat(100)}\n`)).toContain('deep');
  expect(read('['.repeat(100_000)).problems.length).toBeGreaterThan(0);
  expect(readYaml('f', new Uint8Array([0x61, 0x3a, 0x20, 0xff])).problems[0]?.message).toContain('UTF-8');
  expect(problemOf('a: "\\ud800"\n')).toContain('well-formed');
});

test('a file that is indented with tabs is told so once', () => {
  const { problems } = read('a:\n\tb: 1\n\tc:\n\t\td: 2\ne: [1,\n');
  expect(problems).toMatchObject([{ line: 2, message: expect.stringContaining('write spaces instead') }]);
});

test('a problem stands at its value, or at the key above what is missing', () => {
  const file = read('a:\n  b: [1, 2]\n');
  expect(file.problem(['a', 'b', 1], 'x')).toMatchObject({ line: 2, col: 10, path: 'a.b[1]' });
  expect(file.problem(['a', 'c'], 'x')).toMatchObject({ line: 1, col: 1, path: 'a.c' });
});
