// The WWW-Authenticate reader against RFC 9110's grammar, and what is left of a header without payment challenges.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readChallenges, stripPayment } from '../../src/challenge/www-authenticate.ts';

const read = (value: string) =>
  readChallenges(value)?.map(({ scheme, params, raw }) => {
    return { scheme, params: Object.fromEntries([...params].map(([name, param]) => [name, param.value])), raw };
  });
const schemes = (value: string) => readChallenges(value)?.map(({ scheme }) => scheme);

test('one line may hold several challenges, with parameters, a token68 or nothing', () => {
  const value =
    'Basic realm="a, b", Payment id="x",method=sandbox , Negotiate abc+/==,Bare, ,Digest qop="auth" , nonce=n';
  expect(read(value)).toEqual([
    { scheme: 'Basic', params: { realm: 'a, b' }, raw: 'Basic realm="a, b"' },
    { scheme: 'Payment', params: { id: 'x', method: 'sandbox' }, raw: 'Payment id="x",method=sandbox' },
    { scheme: 'Negotiate', params: {}, raw: 'Negotiate abc+/==' },
    { scheme: 'Bare', params: {}, raw: 'Bare' },
    { scheme: 'Digest', params: { qop: 'auth', nonce: 'n' }, raw: 'Digest qop="auth" , nonce=n' },
  ]);
});

test('names are lower-cased, white space around = is taken, escapes are resolved and their source is kept', () => {
  const [challenge] = readChallenges('Payment ID \t=\t "a\\"b\\\\c" ,\tX-y=1') ?? [];
  expect(challenge?.params.get('id')).toEqual({ value: 'a"b\\c', source: 'a\\"b\\\\c' });
  expect(challenge?.params.get('x-y')?.value).toBe('1');
});

test('a quoted string cannot end early and smuggle a challenge', () => {
  expect(schemes('Basic realm="a\\", Payment id=\\"x"')).toEqual(['Basic']);
  expect(schemes('Basic realm="a\\\\", Payment id="x"')).toEqual(['Basic', 'Payment']);
});

test('a repeated name is told, whatever its case, and the first one is kept', () => {
  const [challenge] = readChallenges('Payment id="1", ID="2", __proto__="3", a=1, a=1') ?? [];
  expect(challenge?.params.get('id')?.value).toBe('1');
  expect([...(challenge?.repeated ?? [])]).toEqual(['id', 'a']);
});

test('CHAL-16: names of prototypes are plain parameters', () => {
  const [challenge] = readChallenges('Payment __proto__="x", constructor="y", toString="z"') ?? [];
  expect([...(challenge?.params.keys() ?? [])]).toEqual(['__proto__', 'constructor', 'tostring']);
  expect(challenge?.params.get('hasownproperty')).toBeUndefined();
  expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('x');
});

test.each([
  'Payment id="x',
  'Payment id="x\\',
  'Payment id="x" realm="y"',
  'Payment id="x"; realm="y"',
  'Payment\tid="x"',
  'Payment  \tid="x"',
  'Payment Payment id="x"',
  'Payment abc==, id="x"',
  'Payment id="x", realm=',
  'Payment id="x", realm=a/b',
  'Payment id="x"y',
  'Payment ="x"',
  'id="x", Payment realm="y"',
  'Payment "x"',
  'Payment id="\u0100"',
  'Payment id="a\nb"',
  'Payment id="a\\\nb"',
  'Payment id="a\0b"',
  'Payment\u00a0id="x"',
  '(Payment id="x")',
  'Päyment id="x"',
  `${'A,'.repeat(300)}Payment id="x"`,
])('%j is not of the grammar', (value) => {
  expect(readChallenges(value)).toBeUndefined();
});

test('whatever is written of the grammar is read back, its raw parts in place', () => {
  const token = fc.string({ unit: fc.constantFrom(..."abzAZ09!#$%&'*+-.^_`|~"), minLength: 1, maxLength: 6 });
  const quoted = fc.string({ unit: fc.constantFrom(...'ab",\\= \t\u00e9\u0001'), maxLength: 8 });
  const blank = fc.constantFrom('', ' ', '\t', ' \t ');
  const param = fc.record({ name: token, value: quoted, left: blank, right: blank });
  const challenge = fc.record({ scheme: token, params: fc.array(param, { minLength: 1, maxLength: 4 }), comma: blank });
  fc.assert(
    fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), (challenges) => {
      const written = challenges.map(({ scheme, params, comma }) => {
        const parts = params.map(({ name, value, left, right }) => {
          return `${name}${left}=${right}"${value.replace(/["\\]/g, '\\$&')}"`;
        });
        return `${scheme} ${parts.join(`${comma},${comma}`)}`;
      });
      const found = readChallenges(written.join(', '));
      expect(found?.map(({ raw }) => raw)).toEqual(written);
      for (const [at, { params }] of challenges.entries()) {
        for (const { name, value } of [...params].reverse()) {
          const first = params.find((other) => other.name.toLowerCase() === name.toLowerCase());
          expect(found?.[at]?.params.get(name.toLowerCase())?.value).toBe((first ?? { value }).value);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test('payment challenges are taken out and others stay byte for byte', () => {
  const basic = 'Basic  realm="Payment id=\\"x\\"" ,\tcharset=UTF-8';
  expect(stripPayment(['Payment id="x"', basic])).toEqual([basic]);
  expect(stripPayment([`Payment id="x", ${basic}, L402 macaroon="m", invoice="i", Negotiate YQ==`])).toEqual([
    `${basic}, Negotiate YQ==`,
  ]);
  expect(stripPayment(['pAYMENT id="x"', 'LSAT macaroon="m"', 'l402 a=b'])).toEqual([]);
  expect(stripPayment(['Bearer', ' Basic realm="x",, ', 'Odd {'])).toEqual(['Bearer', ' Basic realm="x",, ', 'Odd {']);
});

test('a line that cannot be read goes whole where a payment challenge may be in it', () => {
  expect(stripPayment(['Odd {, Payment id="x"'])).toEqual([]);
  expect(stripPayment(['Basic realm="x', 'Bearer'])).toEqual(['Basic realm="x', 'Bearer']);
  expect(stripPayment(['Payment', 'id="x", request="e30"', 'Bearer'])).toEqual(['Bearer']);
  expect(stripPayment(['Negotiate@ payment\tid="x"'])).toEqual([]);
});

test('no lenient reader finds a payment challenge in what is left', () => {
  const piece = fc.constantFrom(
    'Payment',
    'payment ',
    ' ',
    ',',
    ', ',
    '"',
    '\\',
    '=',
    'id="x"',
    'Basic realm="',
    'a b',
    'YQ==',
    '\t',
    'L402 x=y',
    '{',
  );
  fc.assert(
    fc.property(fc.array(fc.array(piece, { maxLength: 10 }), { maxLength: 3 }), (lines) => {
      for (const left of stripPayment(lines.map((pieces) => pieces.join('')))) {
        for (const { scheme } of readChallenges(left) ?? []) expect(scheme).not.toMatch(/^(?:payment|l402|lsat)$/i);
        // Not in the grammar: then nobody may find the word outside of a larger token.
        if (!readChallenges(left)) expect(left).not.toMatch(/(?:^|[\s,])(?:payment|l402|lsat)(?:[\s,]|$)/i);
      }
    }),
    { numRuns: 5_000 },
  );
});

test('time grows with length, not with its square', () => {
  const shapes: ((n: number) => string)[] = [
    (n) => ','.repeat(n),
    (n) => 'a,'.repeat(n / 2),
    (n) => `Payment id="${'\\a'.repeat(n / 2)}`,
    (n) => `Payment${' '.repeat(n)}`,
    (n) => `Payment a${'\t'.repeat(n)}b`,
    (n) => `Payment a${'='.repeat(n)}`,
    (n) => `Payment ${'a=b,'.repeat(n / 4)}`,
    (n) => `Payment ${'a'.repeat(n)}@`,
    (n) => `Basic realm="${'payment '.repeat(n / 8)}`,
    (n) => `${'payment-'.repeat(n / 8)}@`,
  ];
  const best = (work: () => void) => {
    const times = Array.from({ length: 7 }, () => {
      const start = performance.now();
      work();
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  for (const shape of shapes) {
    const [short, long] = [shape(1 << 14), shape(1 << 18)];
    const small = best(() => [readChallenges(short), stripPayment([short])]);
    const large = best(() => [readChallenges(long), stripPayment([long])]);
    // Sixteen times the text; its square would be 256 times the time.
    expect(large / Math.max(small, 0.2)).toBeLessThan(100);
  }
});
