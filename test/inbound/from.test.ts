// Whose word is taken for where a request came from.
import { expect, test } from 'vitest';
import { openFrom } from '../../src/inbound/from.ts';

const from = openFrom(['10.0.0.0/8', 'fd00::/8', '192.0.2.1/32']);

test.each([
  ['nobody is believed who is not trusted', '203.0.113.9', ['1.2.3.4'], '203.0.113.9'],
  ['a trusted proxy names the caller', '10.0.0.1', ['203.0.113.9'], '203.0.113.9'],
  [
    'what stands before an untrusted address is the agent’s own word',
    '10.0.0.1',
    ['1.2.3.4, 203.0.113.9'],
    '203.0.113.9',
  ],
  ['trusted proxies are passed over from the right', '10.0.0.1', ['203.0.113.9, 192.0.2.1', '10.9.9.9'], '203.0.113.9'],
  ['all trusted: the first of them', '10.0.0.1', ['10.0.0.3, 10.0.0.2'], '10.0.0.3'],
  ['what cannot be read ends the search', '10.0.0.1', ['203.0.113.9, unknown, 10.0.0.2'], '10.0.0.2'],
  ['nothing said: the proxy itself', '10.0.0.1', [], '10.0.0.1'],
  ['an empty line says nothing', '10.0.0.1', [''], '10.0.0.1'],
  ['a mapped address is its IPv4', '::ffff:10.0.0.1', ['::ffff:203.0.113.9'], '203.0.113.9'],
  ['ports that some proxies write are left out', '10.0.0.1', ['203.0.113.9:4711'], '203.0.113.9'],
  ['also behind brackets', 'fd00::1', ['[2001:db8::7]:4711'], '2001:db8::7'],
  ['an address in disguise is none', '10.0.0.1', ['0x7f.1'], '10.0.0.1'],
  ['a connection that is gone', undefined, ['203.0.113.9'], 'unknown'],
])('%s', (_, peer, said, expected) => {
  expect(from(peer, said)).toBe(expected);
});

test('without trusted proxies the connection alone counts', () => {
  expect(openFrom([])('10.0.0.1', ['203.0.113.9'])).toBe('10.0.0.1');
});
