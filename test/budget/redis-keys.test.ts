import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GenerationKeys, lineOfKey, RedisKeys } from '../../src/budget/redis-keys.ts';

const keys = new GenerationKeys(new RedisKeys('purser'), 7);

test('a line is read back from the key of its counters, whatever budget and scope are called', () => {
  const name = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(name, name, fc.constantFrom('rolling' as const, 0, 1_700_000_000_000), (budget, scope, start) => {
      expect(lineOfKey(keys.line(budget, start, scope))).toEqual({ budget, scope });
    }),
  );
});

test('no other key is taken for that of a line', () => {
  for (const key of [
    keys.open,
    keys.hold('h.1'),
    keys.claim('k', 'l'),
    keys.index('day'),
    `${keys.index('x')}:l:0:1:a`,
  ])
    expect([key, lineOfKey(key)]).toEqual([key, undefined]);
  expect(lineOfKey(keys.line('day', 0, '[]').replace(':3:', ':2:'))).toBeUndefined();
});
