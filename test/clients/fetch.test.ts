// Node's own fetch with a bearer token (it refuses a user and password in the URL): whole, streamed, and what it shows
// when the money is gone. It retries nothing by itself; a person who asks again buys nothing twice.
import { expect, test } from 'vitest';
import { WORDS } from '../fakes/model-shop.ts';
import {
  type Buyer,
  complaint,
  expectNoToken,
  FAILURES,
  HANGS,
  ONCE,
  PATIENCE_MS,
  readWhile,
  standOfFile,
} from './support.ts';

const stand = standOfFile();

const ask = ({ base, token }: Buyer, path = '/v1/answer', init: RequestInit = {}): Promise<Response> =>
  fetch(`${base}${path}`, { ...init, headers: { authorization: `Bearer ${token}` } });

test('a whole answer is bought', async () => {
  const buyer = await stand.buyer('deliver');
  expect(await (await ask(buyer)).json()).toEqual({ answer: WORDS.join('') });
  expect(await buyer.spent()).toEqual(ONCE);
  expectNoToken(stand, buyer);
});

test('a streamed answer arrives as it is produced', async () => {
  const buyer = await stand.buyer('deliver');
  const answer = await ask(buyer, '/v1/answer?stream');
  if (!answer.body) throw new Error('an answer without a body');
  const text = await readWhile(answer.body.pipeThrough(new TextDecoderStream()), stand.shop.goOn);
  expect(text).toBe(WORDS.map((word) => `data: ${word}\n\n`).join(''));
  expect(await buyer.spent()).toEqual(ONCE);
});

for (const { after, title, detail } of FAILURES) {
  test(`paid, then ${after}: one payment however often it is asked, and the reason phrase says why`, async () => {
    const buyer = await stand.buyer(after);
    for (let time = 0; time < 3; time += 1) {
      const answer = await ask(buyer);
      expect(answer.status).toBe(424);
      expect(answer.statusText).toMatch(title);
      expect(await answer.json()).toMatchObject({ error: { message: expect.stringMatching(detail) } });
    }
    expect(await buyer.spent()).toEqual(ONCE);
  });
}

test('paid, then silence past its patience: asking again is the same purchase', async () => {
  const buyer = await stand.buyer('hang');
  await complaint(ask(buyer, '/v1/answer', { signal: AbortSignal.timeout(PATIENCE_MS) }));
  expect((await ask(buyer)).statusText).toMatch(HANGS.title);
  expect(await buyer.spent()).toEqual(ONCE);
});
