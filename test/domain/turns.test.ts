// Turns: one after the other under one name, whatever becomes of each; other names do not wait.
import { expect, test } from 'vitest';
import { Turns } from '../../src/domain/turns.ts';

test('one name is one after the other in order, a failure holds up nobody, and other names go ahead', async () => {
  const turns = new Turns();
  const gate = Promise.withResolvers<void>();
  const order: string[] = [];
  const first = turns.take('a', async () => {
    await gate.promise;
    order.push('first');
    throw new Error('no');
  });
  const second = turns.take('a', async () => order.push('second'));
  await turns.take('b', async () => order.push('other'));
  gate.resolve();
  await expect(first).rejects.toThrow('no');
  await second;
  await turns.take('a', async () => order.push('third'));
  expect(order).toEqual(['other', 'first', 'second', 'third']);
});
