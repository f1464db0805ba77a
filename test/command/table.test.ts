import fc from 'fast-check';
import { expect, test } from 'vitest';
import { table, visible } from '../../src/command/table.ts';

test('columns line up under their headings', () => {
  expect(
    table(
      [
        ['a', 'long cell'],
        ['wider', 'x'],
      ],
      ['id', 'what'],
    ),
  ).toBe('ID     WHAT\na      long cell\nwider  x\n');
});

test('control, direction and invisible characters are shown escaped', () => {
  expect(visible('a\u001b[31mred\u202etxt\u200b\u0085\u2028é漢😀')).toBe(
    'a\\u001b[31mred\\u202etxt\\u200b\\u0085\\u2028é漢😀',
  );
});

test('JSON with its hidden characters escaped is still JSON of the same value', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = visible(JSON.stringify(text));
      expect(JSON.parse(shown)).toBe(text);
      expect(shown).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
    }),
  );
});
