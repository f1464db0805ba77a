import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, MAX_DEPTH } from '../../src/domain/canonical.ts';

const json = fc.jsonValue({ maxDepth: 6 });
const wellFormed = fc.string({ unit: 'binary' });

function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  const turned: Record<string, unknown> = Object.create(null);
  for (const [key, member] of Object.entries(value).reverse()) turned[key] = shuffled(member);
  return turned;
}

test('the canonical text of a JSON value reads back as that value', () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 1_000 },
  );
});

test('the order in which members were written does not show', () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
    }),
  );
});

test('writing what was read gives the same text', () => {
  fc.assert(
    fc.property(json, (value) => {
      const once = canonicalJson(value);
      expect(canonicalJson(JSON.parse(once))).toBe(once);
    }),
  );
});

test('members stand in the order of their UTF-16 code units', () => {
  fc.assert(
    fc.property(fc.uniqueArray(wellFormed, { maxLength: 8 }), (keys) => {
      const text = canonicalJson(Object.fromEntries(keys.map((key) => [key, 1])));
      const inText = [...text.matchAll(/"(?:[^"\\]|\\.)*"(?=:1[,}])/gs)].map((match) => JSON.parse(match[0]));
      const byUnits = keys.toSorted((left, right) => Buffer.compare(bigEndian(left), bigEndian(right)));
      expect(inText).toEqual(byUnits);
    }),
  );
});

const bigEndian = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

test('the example of RFC 8785 section 3.2.2 comes out as printed there', () => {
  const value = {
    numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
    literals: [null, true, false],
  };
  expect(canonicalJson(value)).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test('the keys of RFC 8785 section 3.2.3 are ordered as printed there', () => {
  const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
  const ordered = Object.keys(JSON.parse(canonicalJson(Object.fromEntries(keys.map((key) => [key, 'x'])))));
  expect(ordered).toEqual(['1', '\r', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33']);
});

test('integer-like keys and __proto__ are members like any other', () => {
  expect(canonicalJson(JSON.parse('{"__proto__":1,"b":2,"10":3,"9":4}'))).toBe('{"10":3,"9":4,"__proto__":1,"b":2}');
});

test('what JSON cannot say is refused instead of changed', () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const wrong: unknown[] = [
    undefined,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1n,
    () => 1,
    Symbol('s'),
    { a: undefined },
    { a: [undefined] },
    new Array(1),
    '\ud800',
    { '\udc00': 1 },
    { [Symbol('s')]: 1 },
    new Date(0),
    new Map(),
    Buffer.from('x'),
    cycle,
  ];
  for (const value of wrong) expect(() => canonicalJson(value)).toThrow(TypeError);
});

test('nesting is limited', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  expect(canonicalJson(nested(MAX_DEPTH))).toBe(`${'['.repeat(MAX_DEPTH)}1${']'.repeat(MAX_DEPTH)}`);
  expect(() => canonicalJson(nested(MAX_DEPTH + 1))).toThrow(TypeError);
});
