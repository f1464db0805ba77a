// Patterns match what the manual says, in linear time, and never decode or collapse anything.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compile, covers, overlap, patternWrong } from '../../src/policy/pattern.ts';

const takes = (pattern: string, text: string) => compile(pattern).matches(text);

test('* stays within a segment, ** takes whole segments, also none', () => {
  expect(takes('/v1/*', '/v1/a')).toBe(true);
  expect(takes('/v1/*', '/v1/a/b')).toBe(false);
  expect(takes('/v1/**', '/v1/a/b')).toBe(true);
  expect(takes('/v1/**', '/v1')).toBe(true);
  expect(takes('/v1/**', '/v10')).toBe(false);
  expect(takes('/**/x', '/x')).toBe(true);
  expect(takes('/a*c/**/z', '/abc/d/e/z')).toBe(true);
  expect(takes('research-1-*', 'research-1-b')).toBe(true);
  expect(takes('research-1', 'research-1x')).toBe(false);
});

test('PROXY-16 CONF-11 what looks alike is not the same: case, slashes and escapes count', () => {
  for (const path of ['/V1/a', '/v1/a/', '//v1/a', '/v1%2Fa', '/v1/a;x', '/v1/%61', '/v1/a.']) {
    expect(takes('/v1/a', path), path).toBe(false);
  }
});

test('CONF-12 no path makes a pattern slow', () => {
  // A backtracking matcher needs longer than the age of the universe here; the test's own time limit tells.
  const evil = `/${'a'.repeat(50_000)}`;
  for (const pattern of ['/(a+)+$', '/*a*a*a*a*a*b', '/**/a/**/a/**/b', `/${'a*'.repeat(100)}b`]) {
    const compiled = compile(pattern);
    for (let round = 0; round < 10; round++) expect(compiled.matches(evil)).toBe(false);
    const many = '/a'.repeat(25_000);
    expect(compiled.matches(many)).toBe(false);
  }
});

test('** within a segment is refused at load', () => {
  expect(patternWrong('/a**')).toContain('whole segments');
  expect(patternWrong('/a/**/b*')).toBeUndefined();
});

const pieces = fc.array(fc.constantFrom('a', 'b', '*', 'a*', '*b', 'ab', '**'), { minLength: 1, maxLength: 4 });
const patternText = pieces.map((list) => list.join('/'));
const words = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'aab', ''), { minLength: 1, maxLength: 5 })
  .map((w) => w.join('/'));

/** The meaning of a pattern, written as slowly and plainly as possible. */
function slow(pattern: string[], text: string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return text.length === 0;
  if (first === '**') return text.some((_, i) => slow(rest, text.slice(i))) || slow(rest, []);
  const segment = new RegExp(`^${first.replaceAll('*', '[^/]*')}$`);
  return text[0] !== undefined && segment.test(text[0]) && slow(rest, text.slice(1));
}

test('the matcher agrees with the plain meaning of patterns', () => {
  fc.assert(
    fc.property(patternText, words, (pattern, text) => {
      expect(takes(pattern, text)).toBe(slow(pattern.split('/'), text.split('/')));
    }),
    { numRuns: 5_000 },
  );
});

test('a text that two patterns match proves that they overlap, and covering means matching all', () => {
  fc.assert(
    fc.property(patternText, patternText, words, (left, right, text) => {
      if (takes(left, text) && takes(right, text)) expect(overlap(left, right)).toBe(true);
      if (covers(left, right) && takes(right, text)) expect(takes(left, text)).toBe(true);
    }),
    { numRuns: 10_000 },
  );
  expect(overlap('a-*', 'b-*')).toBe(false);
  expect(overlap('*-a', 'b-*')).toBe(true);
  expect(overlap('a*', '*/b')).toBe(false);
  expect(covers('/v1/**', '/v1/*')).toBe(true);
  expect(covers('/v1/*', '/v1/**')).toBe(false);
});
