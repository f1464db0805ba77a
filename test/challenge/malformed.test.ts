// Demands that break a rule: each is refused as a whole, with a word on what was wrong. Ids are rows of the hostile
// cases.
import { expect, test } from 'vitest';
import { base64url, evmRequest, LIMIT, payment, refusalOf, SHOP, sandboxRequest, USDC } from './demand.ts';

const sandbox = (changes: Record<string, unknown>) => payment({ request: sandboxRequest(changes) });
const evm = (changes: Record<string, unknown>, details: Record<string, unknown> = {}) =>
  payment({ method: 'evm', request: evmRequest(changes, details) });
const text = (json: string | Uint8Array) => payment({ request: base64url(json) });
const SHOPS_REQUEST = '{"amount":"10","currency":"usd","recipient":"acme"}';

const MALFORMED: readonly (readonly [string, string, string])[] = [
  ...[
    '1e9',
    '-1',
    '-0',
    '\u22121',
    '0x10',
    '0b11',
    '0o7',
    '+1',
    '1_000',
    '1n',
    '10USD',
    'Infinity',
    'NaN',
    '1.0',
    '007',
    '00',
    '',
    ' 1',
    '1\n',
    '１',
  ].map(
    (amount) =>
      [`CHAL-01/02/03/06: the amount ${JSON.stringify(amount)}`, sandbox({ amount }), 'request.amount is "'] as const,
  ),
  ...[1000, 1e9, {}, { toString: '1' }, ['1'], true, null].map(
    (amount) =>
      [`CHAL-01/11: the amount ${JSON.stringify(amount)}`, sandbox({ amount }), 'request.amount is '] as const,
  ),
  ['CHAL-11: no amount', sandbox({ amount: undefined }), 'request.amount is missing'],
  ['CHAL-09: an amount of 1001 digits', sandbox({ amount: `1${'0'.repeat(1000)}` }), '… (1001 characters)'],
  ['CHAL-09: an amount of 79 digits', sandbox({ amount: `${10n ** 78n}` }), '… (79 characters)'],
  ['CHAL-09: 2^256 of a token', evm({ amount: `${2n ** 256n}` }), '2^256'],
  [
    'CHAL-12: amount twice',
    text('{"amount":"1","amount":"10","currency":"usd","recipient":"acme"}'),
    'a key stands twice',
  ],
  [
    'CHAL-12: recipient twice',
    text('{"amount":"1","currency":"usd","recipient":"a","recipient":"b"}'),
    'a key stands twice',
  ],
  ['CHAL-13: unsorted keys', text('{"currency":"usd","amount":"10","recipient":"acme"}'), 'not canonical JSON'],
  ['CHAL-13: a space', text('{"amount": "10","currency":"usd","recipient":"acme"}'), 'not canonical JSON'],
  [
    'CHAL-13: a needless escape',
    text('{"amount":"\\u0031","currency":"usd","recipient":"acme"}'),
    'not canonical JSON',
  ],
  [
    'CHAL-13: a number in another spelling',
    text('{"amount":"10","currency":"usd","recipient":"acme","x":1.0}'),
    'not canonical JSON',
  ],
  ['CHAL-14: padding', payment({ request: `${base64url('{"a":1}')}==` }), 'expected base64url without padding'],
  ['CHAL-14: the other alphabet', payment({ request: 'eyJ+/w' }), 'expected base64url without padding'],
  ['CHAL-14: a junk character', payment({ request: `${sandboxRequest()}.` }), 'expected base64url without padding'],
  ['CHAL-14: loose trailing bits', payment({ request: 'eyJhIjoxfR' }), 'request is not canonical base64url'],
  ['CHAL-14: an empty request', payment({ request: '' }), 'parameter request is empty'],
  ['CHAL-15: an overlong encoding', text(Uint8Array.from([0x22, 0xc0, 0x80, 0x22])), 'it is not UTF-8'],
  ['CHAL-15: an encoded surrogate', text(Uint8Array.from([0x22, 0xed, 0xa0, 0x80, 0x22])), 'it is not UTF-8'],
  ['CHAL-15: a byte order mark', text(`\ufeff${SHOPS_REQUEST}`), 'not strict JSON'],
  ['CHAL-15: a NUL', text(`${SHOPS_REQUEST.slice(0, -2)}\0"}`), 'not strict JSON'],
  ['CHAL-15: an escaped NUL', text(`${SHOPS_REQUEST.slice(0, -2)}\\u0000"}`), 'NUL'],
  ['CHAL-15: half a surrogate pair', text(`${SHOPS_REQUEST.slice(0, -2)}\\ud800"}`), 'surrogate'],
  [
    'CHAL-16: members by prototype only',
    text('{"__proto__":{"amount":"1","currency":"usd","recipient":"acme"}}'),
    'request.amount is missing',
  ],
  ['a request that is no object', text('["10","usd","acme"]'), 'not a JSON object'],
  ...['id', 'realm', 'request'].flatMap((name) => [
    [`CHAL-23: no ${name}`, payment({ [name]: null }), `parameter ${name} is missing`] as const,
    [`CHAL-23: an empty ${name}`, payment({ [name]: '' }), `parameter ${name} is empty`] as const,
  ]),
  ...['method', 'intent'].flatMap((name) => [
    [`CHAL-23: no ${name}`, payment({ [name]: null }), 'one method and one intent'] as const,
    [`CHAL-23: an empty ${name}`, payment({ [name]: '' }), 'one method and one intent'] as const,
  ]),
  ['CHAL-23: a challenge without parameters', 'Payment', 'one method and one intent'],
  ['a method in upper case', payment({ method: 'Sandbox' }), 'written in lower case'],
  ['an intent in upper case', payment({ intent: 'CHARGE' }), 'written in lower case'],
  ['a parameter that stands twice', `${payment()}, realm="other"`, 'parameter "realm" stands twice'],
  ['a method that stands twice', `${payment({ method: 'tempo' })}, method="sandbox"`, 'one method and one intent'],
  ['an unknown parameter that stands twice', `${payment()}, a=1, A=2`, 'parameter "a" stands twice'],
  ['an id too long', payment({ id: 'x'.repeat(1025) }), 'longer than 1024'],
  ['an id with a space', payment({ id: 'a b' }), 'visible ASCII'],
  ['a realm too long', payment({ realm: 'x'.repeat(513) }), 'longer than 512'],
  ['a realm of unclear encoding', payment({ realm: 'caf\u00e9' }), '"caf\\u{e9}"'],
  ['an escape that others read otherwise', payment().replace('shop.example', 'shop\\u002eexample'), 'needless escape'],
  ['a request too long', payment({ request: 'A'.repeat(16_385) }), 'longer than 16384'],
  ['CHAL-24: no currency', sandbox({ currency: undefined }), 'request.currency is missing'],
  ...['USD', 'U\u0405D', 'usd ', 'us', 'usd.base', ''].map(
    (currency) =>
      [`CHAL-24: the currency ${JSON.stringify(currency)}`, sandbox({ currency }), 'request.currency is '] as const,
  ),
  ['CHAL-24: a token by its symbol', evm({ currency: 'USDC' }), 'request.currency is "USDC"'],
  ...['', 'a b', 'x'.repeat(65), '../x', 7, null].map(
    (recipient) =>
      [`the account ${JSON.stringify(recipient)}`, sandbox({ recipient }), 'request.recipient is '] as const,
  ),
  ...[-1, 6.5, 256, '6', null].map(
    (decimals) => [`CHAL-25: ${JSON.stringify(decimals)} decimals`, evm({}, { decimals }), 'decimals is '] as const,
  ),
  ...['8453', undefined, 0, -1, 1.5, 2 ** 53, null, 'eip155:8453'].map(
    (chainId) => [`CHAL-26: the chain ${JSON.stringify(chainId)}`, evm({}, { chainId }), 'chainId is '] as const,
  ),
  ['CHAL-26: no method details', evm({ methodDetails: undefined }), 'methodDetails is missing'],
  ['CHAL-26: method details as text', evm({ methodDetails: '{}' }), 'methodDetails is '],
  ...[
    SHOP.replace('d35C', 'D35C'),
    SHOP.replace('0x', '0X'),
    SHOP.slice(0, -2),
    `${SHOP}00`,
    'shop.eth',
    `0x${'0'.repeat(40)}`,
    USDC,
    undefined,
    null,
  ].map((recipient) => [`CHAL-29: the recipient ${recipient}`, evm({ recipient }), 'request.recipient is '] as const),
  ['CHAL-29: a token with a wrong checksum', evm({ currency: USDC.replace('fCD6', 'fcD6') }), 'request.currency is '],
  ...splits().map(([what, list]) => [`CHAL-30: ${what}`, evm({}, { splits: list }), 'splits'] as const),
  ...[
    '9999-12-31T23:59:59Z',
    '+275760-09-13',
    '2025-02-30T00:00:00Z',
    '2026-11-23T12:05:00',
    '2026-11-23T12:05:60Z',
    '1795435500',
    'NaN',
  ].map((expires) => [`CHAL-33: expires ${expires}`, payment({ expires }), 'RFC 3339'] as const),
  ['CHAL-33: expires empty', payment({ expires: '' }), 'parameter expires is empty'],
  ['CHAL-36: a digest that is none', payment({ digest: 'sha-256=abc' }), 'digest is "sha-256=abc"'],
  ['CHAL-37: opaque too long', payment({ opaque: base64url(`{"a":"${'x'.repeat(16_000)}"}`) }), 'opaque is longer'],
  ...['{"a":{"b":"c"}}', '{"a":1}', '{"a":["b"]}', '["a"]', '"a"', '{"a":"b","a":"c"}', '{', '\ufeff{}'].map(
    (json) => [`CHAL-37: opaque ${json}`, payment({ opaque: base64url(json) }), 'opaque is not a flat'] as const,
  ),
  ['CHAL-37: opaque that is not base64url', payment({ opaque: '<script>' }), 'parameter opaque is "<script>"'],
  ['CHAL-37: opaque of 1 MB', payment({ opaque: 'A'.repeat(1 << 20) }), `longer than ${LIMIT} bytes`],
  ['a list of credential types that is none', evm({}, { credentialTypes: 'authorization' }), 'credentialTypes'],
  ['an empty list of credential types', evm({}, { credentialTypes: [] }), 'credentialTypes'],
];

function splits(): [string, unknown][] {
  const split = (amount: unknown, recipient: unknown = USDC) => ({ amount, recipient });
  return [
    ['splits that take all', [split('4000'), split('6000')]],
    ['splits that take more', [split('10001')]],
    ['a negative split', [split('-1')]],
    ['eleven splits', Array.from({ length: 11 }, () => split('1'))],
    ['no splits in the list', []],
    ['splits that are no list', { amount: '1' }],
    ['a split that is no object', ['1']],
    ['a split to a name', [split('1', 'shop.eth')]],
    ['a split to nobody', [split('1', null)]],
  ];
}

test.each(MALFORMED)('%s makes the demand malformed', (_, line, words) => {
  const refusal = refusalOf(line);
  expect(refusal).toMatch(/^challenge_malformed: /);
  expect(refusal).toContain(words);
});
