// The `@anthropic-ai/sdk` client with a base URL and either an API key or an auth token: it buys whole and streamed
// answers, and its own retries buy nothing twice.
import Anthropic from '@anthropic-ai/sdk';
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

const byKey = ({ base, token }: Buyer): Anthropic => new Anthropic({ baseURL: base, apiKey: token, authToken: null });
const byToken = ({ base, token }: Buyer): Anthropic => new Anthropic({ baseURL: base, apiKey: null, authToken: token });
const ASKED = {
  model: 'sky-1',
  max_tokens: 20,
  messages: [{ role: 'user' as const, content: 'What is the weather?' }],
};

for (const { how, client } of [
  { how: 'an API key', client: byKey },
  { how: 'an auth token', client: byToken },
]) {
  test(`a message is bought with ${how}`, async () => {
    const buyer = await stand.buyer('deliver');
    const answer = await client(buyer).messages.create(ASKED);
    expect(answer.content).toMatchObject([{ type: 'text', text: WORDS.join('') }]);
    expect(await buyer.spent()).toEqual(ONCE);
    expectNoToken(stand, buyer);
  });
}

test('a streamed message arrives as it is produced', async () => {
  const buyer = await stand.buyer('deliver');
  const stream = await byKey(buyer).messages.create({ ...ASKED, stream: true });
  const texts = async function* () {
    for await (const event of stream) {
      yield event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : '';
    }
  };
  expect(await readWhile(texts(), stand.shop.goOn)).toBe(WORDS.join(''));
  expect(await buyer.spent()).toEqual(ONCE);
});

for (const { after, detail } of FAILURES) {
  for (const stream of [false, true]) {
    test(`paid, then ${after}: one payment, and the error says why (${stream ? 'streamed' : 'whole'})`, async () => {
      const buyer = await stand.buyer(after);
      const said = await complaint(byKey(buyer).messages.create({ ...ASKED, stream }));
      expect(said).toMatch(/^424 /);
      expect(said).toMatch(detail);
      expect(await buyer.spent()).toEqual(ONCE);
    });
  }
}

test('paid, then silence past the time-out: its retries are the same purchase, and the error says why', async () => {
  const buyer = await stand.buyer('hang');
  const impatient = byToken(buyer).withOptions({ timeout: PATIENCE_MS });
  expect(await complaint(impatient.messages.create(ASKED))).toMatch(HANGS.detail);
  expect(await buyer.spent()).toEqual(ONCE);
});
