// The strict JSON reader: what it reads the platform reads alike, and what parsers disagree on it does not read.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isJsonObject, MAX_JSON_DEPTH, readJson } from '../../src/domain/strict-json.ts';

const read = (text: string | Uint8Array) =>
  readJson(typeof text === 'string' ? Buffer.from(text, 'utf8') : text, 10_000);
const value = (text: string) => {
  const reading = read(text);
  return 'value' in reading ? reading.value : undefined;
};
const problem = (text: string | Uint8Array) => {
  const reading = read(text);
  return 'problem' in reading ? reading.problem : undefined;
};

test('well-formed values are read as JSON.parse reads them', () => {
  const json = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }).map((any) => JSON.stringify(any));
  fc.assert(
    fc.property(json, (text) => {
      if (text.includes('\\u0000')) return;
      expect(JSON.stringify(value(text))).toBe(JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 2_000 },
  );
});

test('whatever is read of a hostile text, JSON.parse reads alike', () => {
  const piece = fc.constantFrom(
    ...'{}[]:,"\\ \n0123456789.eE+-atfnu',
    '"a"',
    '"b":',
    '\\u00e9',
    '\\ud83d',
    'true',
    'null',
    '{"a":1}',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('');
      const reading = read(text);
      if ('value' in reading) expect(JSON.stringify(reading.value)).toBe(JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 20_000 },
  );
});

test.each([
  ['a key that stands twice', '{"a":1,"a":2}', 'a key stands twice (at character 8)'],
  ['a key that stands twice in another spelling', '{"a":1,"\\u0061":2}', 'a key stands twice'],
  ['a key that stands twice deep inside', '{"x":[{"y":{"a":1,"b":2,"a":1}}]}', 'a key stands twice'],
  ['a doubled __proto__', '{"__proto__":1,"__proto__":2}', 'a key stands twice'],
  ['half a surrogate pair', '"\\ud800"', 'half of a surrogate pair'],
  ['half a surrogate pair in a key', '{"\\udc00":1}', 'half of a surrogate pair'],
  ['an escaped NUL', '"\\u0000"', 'NUL'],
  ['a raw control character', '"\u0001"', 'control character'],
  ['a byte order mark', '\ufeff{}', 'not one of JSON'],
  ['a number too large', '1e400', 'too large'],
  ['a leading zero', '01', 'something follows'],
  ['a plus sign', '+1', 'not one of JSON'],
  ['hexadecimal', '0x10', 'something follows'],
  ['NaN', 'NaN', 'not one of JSON'],
  ['a trailing comma', '[1,]', 'not one of JSON'],
  ['a comment', '{}/**/', 'something follows'],
  ['single quotes', "{'a':1}", 'missing'],
  ['an escape of another language', '"\\x41"', 'escape'],
  ['no value', '', 'missing'],
  ['two values', '{}{}', 'something follows'],
  ['an open object', '{"a":1', 'does not end'],
  ['an open string', '"a', 'does not end'],
])('%s is refused', (_, text, words) => {
  expect(problem(text)).toContain(words);
});

test.each([
  ['an overlong encoding', [0x22, 0xc0, 0x80, 0x22]],
  ['an encoded surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
  ['a cut sequence', [0x22, 0xe2, 0x82, 0x22]],
])('%s is not UTF-8', (_, bytes) => {
  expect(problem(Uint8Array.from(bytes))).toBe('it is not UTF-8');
});

test('a raw NUL is refused', () => {
  expect(problem(Uint8Array.from([0x22, 0x00, 0x22]))).toContain('control character');
});

test('depth and size have limits', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  expect(value(nested(MAX_JSON_DEPTH))).toBeDefined();
  expect(problem(nested(MAX_JSON_DEPTH + 1))).toContain('levels deep');
  expect(problem('['.repeat(9_999))).toContain('levels deep');
  expect(problem(`"${'x'.repeat(9_999)}"`)).toBe('it is longer than 10000 bytes');
});

test('keys of prototypes are plain members and change nothing', () => {
  const object = value('{"__proto__":{"polluted":1},"constructor":2,"toString":3,"hasOwnProperty":4}');
  if (!isJsonObject(object)) throw new TypeError('an object');
  expect(Object.getPrototypeOf(object)).toBeNull();
  expect(Object.keys(object)).toEqual(['__proto__', 'constructor', 'toString', 'hasOwnProperty']);
  expect(object.polluted).toBeUndefined();
  expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('polluted');
  const plain = value('{}');
  expect(isJsonObject(plain) && plain.toString).toBeUndefined();
});

test('only objects are objects', () => {
  for (const text of ['null', '[]', '"a"', '1', 'true']) expect(isJsonObject(value(text))).toBe(false);
  expect(isJsonObject(undefined)).toBe(false);
});
