// Demands whose amount or request can be read in more than one way, or in none (MPP, sandbox charge).
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { expectPaid, refuses, type Stand, startStand } from '../support/stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.close());

const malformed = async (amounts: readonly unknown[]) => {
  for (const amount of amounts) await refuses(stand, 'challenge_malformed', { request: { amount } });
};

test('CHAL-01: an amount with an exponent is unreadable, as text and as a number', async () => {
  await malformed(['1e9', '1E9', '1e0', 1e9, 1e21]);
});

test('CHAL-02: a negative amount is unreadable, whatever the minus sign', async () => {
  await malformed(['-1', '-0', '\u22121', '\uff0d1', -1]);
});

test('CHAL-03: a hexadecimal, octal or binary amount is unreadable', async () => {
  await malformed(['0x10', '0b11', '0o7', '0X1', '010', '00']);
});

test('CHAL-06: a sign, a separator, a suffix, space or a word is no amount', async () => {
  await malformed(['+1', '1_000', '1n', '10USD', 'Infinity', 'NaN', '', ' 1', '1 ', '\n12\t', '1.0', '1,0', '\u0661']);
});

test('CHAL-09: an amount beyond every integer of a machine is refused exactly, with no wrap and no crash', async () => {
  for (const atoms of [2n ** 53n + 1n, 2n ** 63n, 2n ** 64n, 2n ** 256n]) {
    const { problem, receipt } = await refuses(stand, 'over_ceiling', { request: { amount: `${atoms}` } });
    expect(receipt.offer).toMatchObject({ atoms: `${atoms}` });
    const exact = `${atoms}0000`.replace(/(\d{6})$/, '.$1');
    expect(receipt.offer?.value).toBe(exact);
    expect(problem.detail).toContain(exact);
  }
  const { problem } = await refuses(stand, 'challenge_malformed', { request: { amount: `1${'0'.repeat(1_000)}` } });
  expect(String(problem.detail).length).toBeLessThan(500);
  await expectPaid(stand, 100_000n, () => {
    stand.behave({});
    return stand.gateway.ask('/shop/v1/x');
  });
});

test('CHAL-10: an amount of zero is not supported, and is asked for once, not in a loop', async () => {
  const asked = stand.merchant.requests.length;
  await refuses(stand, 'challenge_unsupported', { request: { amount: '0' } });
  expect(stand.merchant.requests.length).toBe(asked + 1);
});

test('CHAL-11: an amount that is no JSON string is unreadable', async () => {
  await malformed([1000, 0, { toString: '1' }, ['1'], true, null, undefined]);
});

test('CHAL-12: a member that stands twice is unreadable, whichever comes first', async () => {
  const texts = [
    '{"amount":"1","amount":"1000000","currency":"usd","recipient":"acme"}',
    '{"amount":"1000000","amount":"1","currency":"usd","recipient":"acme"}',
    '{"amount":"1","currency":"eur","currency":"usd","recipient":"acme"}',
    '{"amount":"1","currency":"usd","recipient":"acme","recipient":"mallory"}',
    '{"amount":"1","currency":"usd","recipient":"acme","\\u0061mount":"1000000"}',
    '{"amount":"1","currency":"usd","recipient":"acme","x":{"a":1,"a":1}}',
  ];
  for (const requestText of texts) await refuses(stand, 'challenge_malformed', { requestText });
});

test('CHAL-13: a request that is not canonical JSON is unreadable; a canonical one is echoed as it was', async () => {
  const texts = [
    '{"currency":"usd","amount":"10","recipient":"acme"}',
    '{"amount": "10","currency":"usd","recipient":"acme"}',
    ' {"amount":"10","currency":"usd","recipient":"acme"}',
    '{"amount":"10","currency":"usd","recipient":"acme"}\n',
    '{"amount":"1\\u0030","currency":"usd","recipient":"acme"}',
    '{"amount":"10","currency":"usd","recipient":"acme","x":1.0}',
  ];
  for (const requestText of texts) await refuses(stand, 'challenge_malformed', { requestText });
  stand.behave({});
  await expectPaid(stand, 100_000n);
  const paid = stand.merchant.books.taken.at(-1);
  expect(paid?.request).toEqual({ amount: '10', currency: 'usd', recipient: 'acme' });
});

test('CHAL-14: base64url in another spelling is unreadable', async () => {
  const wire = Buffer.from('{"amount":"10","currency":"usd","recipient":"acme?>>"}').toString('base64url');
  const plain = Buffer.from('{"amount":"10","currency":"usd","recipient":"acme"}').toString('base64url');
  const last = plain.at(-1) ?? '';
  const trailing = `${plain.slice(0, -1)}${String.fromCharCode(last.charCodeAt(0) + 1)}`;
  const wires = [`${plain}=`, `${plain}==`, wire.replace(/-|_/g, '+'), `${plain.slice(0, 8)} ${plain.slice(8)}`];
  for (const requestWire of [...wires, `${plain}!`, `${plain}\t`, `.${plain}`, trailing, 'A', '']) {
    await refuses(stand, 'challenge_malformed', { requestWire });
  }
});

test('CHAL-15: bytes that are not UTF-8, a byte order mark, NUL and lone surrogates are unreadable', async () => {
  const around = (bytes: Buffer) =>
    Buffer.concat([Buffer.from('{"amount":"10","currency":"usd","recipient":"acme","x":"'), bytes, Buffer.from('"}')]);
  const whole = Buffer.from('{"amount":"10","currency":"usd","recipient":"acme"}');
  const texts = [
    around(Buffer.from([0xc0, 0x80])),
    around(Buffer.from([0xed, 0xa0, 0x80])),
    around(Buffer.from([0xff])),
    around(Buffer.from([0])),
    around(Buffer.from('\\ud800')),
    Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), whole]),
    Buffer.concat([whole, Buffer.from([0])]),
    Buffer.from(whole.toString(), 'utf16le'),
  ];
  for (const bytes of texts) {
    await refuses(stand, 'challenge_malformed', { requestWire: bytes.toString('base64url') });
  }
});

test('CHAL-16: names of a prototype are plain unknown members: ignored, and nothing is changed by them', async () => {
  const canary = Object.getOwnPropertyNames(Object.prototype).sort();
  const poison = '"__proto__":{"amount":"1"},"amount":"10","constructor":{"prototype":{"recipient":"x"}},';
  const requestText = `{${poison}"currency":"usd","hasOwnProperty":"1","recipient":"acme","toString":"1"}`;
  const opaque = Buffer.from('{"__proto__":"x","constructor":"y"}').toString('base64url');
  const params = Object.fromEntries([
    ['__proto__', 'x'],
    ['constructor', 'x'],
    ['tostring', 'z'],
    ['opaque', opaque],
  ]);
  const challenge = sandboxChallenge({ requestText, params });
  expect(challenge).toContain('__proto__="x"');
  stand.demands(challenge);
  const { settled } = await expectPaid(stand, 100_000n);
  expect(settled.offer).toMatchObject({ atoms: '10', payee: 'acme' });
  expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(canary);
  // Only members of its own count: a missing amount is not found on a prototype.
  await refuses(stand, 'challenge_malformed', {
    requestText: '{"__proto__":{"amount":"1"},"currency":"usd","recipient":"acme"}',
  });
});
