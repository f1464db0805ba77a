// The nearest known name is the one a person meant.
import { expect, test } from 'vitest';
import { nearest } from '../../src/yaml/words.ts';

test('CONF-05 misspelt names find the known one, whatever their case and separators', () => {
  expect(nearest('limitt', ['limit', 'window', 'per'])).toBe('limit');
  expect(nearest('time_zone', ['currency', 'timeZone'])).toBe('timeZone');
  expect(nearest('entitelments', ['agents', 'entitlements'])).toBe('entitlements');
  expect(nearest('banana', ['limit', 'window', 'per'])).toBeUndefined();
});

test('words of other products are answered with ours', () => {
  const windows = ['hour', 'day', 'week', 'month', 'year', 'total'];
  expect(nearest('daily', windows)).toBe('day');
  expect(nearest('all_time', windows)).toBe('total');
  expect(nearest('Daily', ['id', 'limit', 'window', 'per'])).toBe('window: day');
  expect(nearest('recipients', ['payees', 'assets'])).toBe('payees');
});
