// Random WWW-Authenticate lines for the comparison with mppx: valid ones, ones with a hostile part, and any of them
// with characters changed.
import fc from 'fast-check';
import { base64url, sandboxRequest } from './demand.ts';

interface Param {
  readonly name: string;
  /** As it stands behind the equals sign. */
  readonly written: string;
}

const quoted = (name: string, value: string): Param => ({ name, written: `"${value.replace(/["\\]/g, '\\$&')}"` });
const some = (...params: fc.Arbitrary<Param>[]) =>
  fc
    .tuple(...params.map((param) => fc.option(param, { nil: null })))
    .map((all) => all.filter((param) => param !== null));
const of = (name: string, ...values: string[]) => fc.constantFrom(...values).map((value) => quoted(name, value));

/** Header lines that must be read by both. */
export const validLines = fc.array(challenge(valid()), { minLength: 1, maxLength: 3 }).chain((challenges) => {
  const numbered = challenges.map((written, at) => written.replace('id="', `id="${at}`));
  const foreign = fc.constantFrom('Basic realm="a, b"', 'Bearer', 'Negotiate YQ==', 'Digest qop="auth", nonce=x');
  return fc.tuple(fc.array(foreign, { maxLength: 2 }), fc.boolean()).map(([others, oneLine]) => {
    const all = [...numbered, ...others];
    return oneLine ? [all.join(', ')] : all;
  });
});

/** Header lines with something wrong in them: a challenge, what stands beside it, or the marks between. */
export const hostileLines = fc
  .tuple(
    fc.array(challenge(hostile()), { minLength: 1, maxLength: 2 }),
    fc.array(challenge(valid()), { maxLength: 1 }),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: oddElement().map((element) => [element]) },
    ),
  )
  .map((groups) => groups.flat())
  .chain((elements) => {
    const marks = fc.array(mark(), { minLength: elements.length, maxLength: elements.length });
    const order = fc.shuffledSubarray(elements, { minLength: elements.length });
    return fc.tuple(order, marks).map(([ordered, between]) => {
      const text = ordered.map((element, at) => (at === 0 ? '' : (between[at] ?? '')) + element).join('');
      return text.split('\n');
    });
  });

/** Lines with one to three characters removed, put in or changed. */
export const mutatedLines = fc.oneof(validLines, hostileLines).chain((lines) => {
  const edit = fc.record({ at: fc.nat(), kind: fc.constantFrom('remove', 'insert', 'change'), char: character() });
  return fc.array(edit, { minLength: 1, maxLength: 3 }).map((edits) => {
    const changed = [...lines];
    for (const { at, kind, char } of edits) {
      const line = at % changed.length;
      const text = changed[line] ?? '';
      const place = at % (text.length + 1);
      const rest = text.slice(kind === 'insert' ? place : place + 1);
      changed[line] = text.slice(0, place) + (kind === 'remove' ? '' : char) + rest;
    }
    return changed;
  });
});

function challenge(params: fc.Arbitrary<Param[]>): fc.Arbitrary<string> {
  const shape = fc.record({ scheme: fc.constantFrom('Payment', 'Payment', 'payment', 'PAYMENT'), params });
  return shape.map(
    ({ scheme, params }) => `${scheme} ${params.map(({ name, written }) => `${name}=${written}`).join(', ')}`,
  );
}

function valid(): fc.Arbitrary<Param[]> {
  const visible = fc.string({ unit: fc.constantFrom(...'abzAZ09-_."\\,='), minLength: 1, maxLength: 12 });
  const amount = fc.bigInt({ min: 1n, max: 10n ** 78n - 1n }).map(String);
  const extra = fc.dictionary(fc.constantFrom('description', 'externalId', 'constructor', 'x'), fc.string(), {
    maxKeys: 2,
  });
  const request = fc.tuple(amount, extra).map(([value, more]) => sandboxRequest({ ...more, amount: value }));
  const required = fc.tuple(
    visible.map((id) => quoted('id', id)),
    visible.map((realm) => quoted('realm', realm)),
    of('method', 'sandbox', 'sandbox', 'tempo'),
    of('intent', 'charge', 'charge', 'session'),
    request.map((value) => quoted('request', value)),
  );
  const optional = some(
    of('expires', '2026-11-23T12:05:00Z', '2026-11-23T12:05:00.123Z', '2030-02-28T23:59:59.5+05:30'),
    of('description', 'weather', 'a "day"', '', 'caf\u00e9', '\u0007'),
    of(
      'digest',
      `sha-256=:${Buffer.alloc(32, 7).toString('base64')}:`,
      `sha-256=${Buffer.alloc(32, 7).toString('base64')}`,
    ),
    of('opaque', base64url('{"a":"b"}'), base64url('{}')),
    of('flavour', 'sweet'),
  );
  return fc
    .tuple(required, optional)
    .chain(([must, may]) => fc.shuffledSubarray([...must, ...may], { minLength: must.length + may.length }));
}

function hostile(): fc.Arbitrary<Param[]> {
  const raw = (name: string, ...written: string[]) =>
    fc.constantFrom(...written).map((text) => ({ name, written: text }));
  const oddity = fc.oneof(
    { weight: 6, arbitrary: requestOddities().map((value) => quoted('request', value)) },
    of('id', '', 'a b', 'x'.repeat(1025), '\u00e9', 'same', 'same'),
    of('realm', '', 'x'.repeat(513), 'caf\u00e9', '\u0000'.replace('\0', '\u0001')),
    of('method', '', 'Sandbox', 'SANDBOX', 'sand_box', 'x402', 'tempo', 'a/b'),
    of('intent', '', 'Charge', 'session', 'charge!', 'subscription', 'charge v2'),
    of(
      'expires',
      '',
      'NaN',
      '2025-02-30T00:00:00Z',
      '2025-01-01T00:00:60Z',
      '9999-12-31T23:59:59Z',
      '2026-11-23t12:05:00z',
      '1795435500',
      '1960-01-01T00:00:00Z',
      '2026-11-23T12:05:00+99:00',
      '2026-11-23T12:05:00.1234567891Z',
      '2026-11-23T12:05:00',
    ),
    of(
      'digest',
      '',
      'sha-256=abc',
      'sha-256',
      'md5=:AAAA:',
      `sha-512=:${Buffer.alloc(64).toString('base64')}:`,
      `sha-256=:${Buffer.alloc(31).toString('base64')}:`,
    ),
    of(
      'opaque',
      '',
      'e30=',
      base64url('{"a":1}'),
      base64url('[]'),
      base64url('{"a":"b","a":"c"}'),
      '<>',
      'A'.repeat(16_385),
    ),
    of('header', 'Authorization', 'authorization', 'Payment-Authorization', 'a b', ''),
    of('description', 'x'.repeat(300), '\u0001\u0085', 'Payment id="x"', ', Payment '),
    raw('description', '"a\\u2014b"', '"\\ud83d"', '"\\u20"', '"\\x"', '"', 'a b', "''"),
    raw('realm', '"shop\\u002eexample"', '"a\\b"', 'shop.example', 'shop/x', 'a b', '"a" b', '', '"', 'x"y'),
    raw('id', 'abc', '""', '"a""b"', '=', '"a\\"'),
    raw('request', sandboxRequest(), `${sandboxRequest()}==`),
    fc
      .constantFrom('__proto__', 'constructor', 'x.y', 'ID', 'Realm', 'REQUEST', 'x!', 'x y', '', 'payment')
      .map((name) => quoted(name, 'v')),
  );
  const action = fc.record({
    oddity,
    how: fc.constantFrom('replace', 'replace', 'replace', 'add', 'drop'),
    bws: fc.constantFrom('', '', ' ', '\t'),
  });
  return fc.tuple(valid(), fc.array(action, { minLength: 1, maxLength: 1 })).map(([params, actions]) => {
    let changed = params;
    for (const { oddity, how, bws } of actions) {
      const others = how === 'add' ? changed : changed.filter(({ name }) => name !== oddity.name);
      changed = how === 'drop' ? others : [...others, { name: oddity.name + bws, written: bws + oddity.written }];
    }
    return changed;
  });
}

function requestOddities(): fc.Arbitrary<string> {
  const texts = [
    '{"amount":"1","amount":"10","currency":"usd","recipient":"acme"}',
    '{"currency":"usd","amount":"10","recipient":"acme"}',
    '{"amount": "10","currency":"usd","recipient":"acme"}',
    '{"amount":"\\u0031","currency":"usd","recipient":"acme"}',
    '{"amount":"10","currency":"usd","recipient":"acme","x":1.0}',
    '{"amount":"10","currency":"usd","recipient":"acme","x":1e400}',
    '{"amount":"10","currency":"usd","recipient":"\\ud800"}',
    '{"amount":"10","currency":"usd","recipient":"\\u0000"}',
    '{"__proto__":{"amount":"1"},"amount":"10","currency":"usd","recipient":"acme"}',
    `{"amount":"10","currency":"usd","recipient":"acme","x":${'['.repeat(40)}${']'.repeat(40)}}`,
    '\ufeff{"amount":"10","currency":"usd","recipient":"acme"}',
    '{}',
    '[]',
    'null',
    '"x"',
    '1',
    '',
    '{',
    "{'a':1}",
  ].map((json) => base64url(json));
  const bytes = [
    [0x7b, 0x22, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d],
    [0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d],
  ];
  const amounts = ['1.5', '007', '-1', '1e9', '0x10', '', '0', 10, null, ['1']].map((amount) =>
    sandboxRequest({ amount }),
  );
  const members = [
    sandboxRequest({ currency: 'USD' }),
    sandboxRequest({ recipient: 'a b' }),
    sandboxRequest({ recipient: undefined }),
  ];
  const spellings = [
    `${sandboxRequest()}=`,
    `${base64url('{"a":1}')}==`,
    'eyJhIjoxfR',
    `${sandboxRequest()} `,
    `${sandboxRequest()}!`,
    'e3+/',
    'A',
    `A${sandboxRequest()}`,
    'x'.repeat(16_385),
  ];
  return fc.constantFrom(
    ...texts,
    ...bytes.map((list) => base64url(Uint8Array.from(list))),
    ...amounts,
    ...members,
    ...spellings,
  );
}

function oddElement(): fc.Arbitrary<string> {
  return fc.constantFrom(
    'Payment',
    'Payment ',
    'payment abc==',
    'Basic realm="x"',
    'Basic realm="Payment id=1"',
    'Negotiate YQ==',
    'L402 macaroon="m"',
    'realm="x"',
    'Odd {',
    'X-Payment id="1"',
    '"',
    '',
    'Digest a=b; c=d',
    'a.b c="d"',
  );
}

/** What stands between two elements; a line break begins another header line. */
function mark(): fc.Arbitrary<string> {
  return fc.constantFrom(', ', ', ', ', ', '\n', '\n', '\n', ',', ' ,\t', ', ,', ' ', ';');
}

function character(): fc.Arbitrary<string> {
  const latin1 = fc.integer({ min: 1, max: 255 }).filter((code) => code !== 10 && code !== 13);
  return fc.oneof(
    fc.constantFrom(...'",=\\ \t;/-_.aPp0@'),
    latin1.map((code) => String.fromCharCode(code)),
  );
}
