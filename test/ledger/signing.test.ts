import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { signInput } from '../../src/ledger/chain.ts';
import { handToHelper, type Order, SharedPiece, Signing } from '../../src/ledger/signing.ts';

const { privateKey: key } = generateKeyPairSync('ed25519');
const INPUTS = Array.from({ length: 100 }, (_, n) => `header.payload-${n}`);
const EXPECTED = INPUTS.map((input) => signInput(input, key).toString('base64url'));

function added(handOver?: (order: Order) => void): Signing {
  const signing = new Signing(key, handOver);
  for (const input of INPUTS) signing.add(input);
  return signing;
}

test('signatures are those of one thread, in the order of the inputs', () => {
  expect(added().finish()).toEqual(EXPECTED);
  expect(new Signing(key).finish()).toEqual([]);
});

test('the second thread signs while this one does other things', async () => {
  const orders: Order[] = [];
  const signing = added((order) => {
    orders.push(order);
    handToHelper(order);
  });
  const pieces = orders.map(({ shared }) => new SharedPiece(shared));
  const signed = () => pieces.flatMap((piece, index) => orders[index]?.inputs.map((_, at) => piece.get(at)) ?? []);
  while (signed().some((signature) => signature === undefined)) await sleep(10);
  expect(signed()).toEqual(EXPECTED.slice(0, signed().length));
  expect(signing.finish()).toEqual(EXPECTED);
});

test('a second thread that never answers, or stops amid its work, keeps nothing back', () => {
  expect(added(() => {}).finish()).toEqual(EXPECTED);
  const takesAll = ({ shared, inputs }: Order) => {
    const piece = new SharedPiece(shared);
    for (const at of inputs.keys()) piece.take(at);
  };
  expect(added(takesAll).finish()).toEqual(EXPECTED);
});
