// The `openai` client with a base URL and an API key alone: it buys whole and streamed answers, and its own retries buy
// nothing twice.
import OpenAI from 'openai';
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

const client = ({ base, token }: Buyer): OpenAI => new OpenAI({ baseURL: `${base}/v1`, apiKey: token });
const CHAT = { model: 'sky-1', messages: [{ role: 'user' as const, content: 'What is the weather?' }] };
const ASKED = { model: 'sky-1', input: 'What is the weather?' };

test('a chat completion is bought', async () => {
  const buyer = await stand.buyer('deliver');
  const answer = await client(buyer).chat.completions.create(CHAT);
  expect(answer.choices[0]?.message.content).toBe(WORDS.join(''));
  expect(await buyer.spent()).toEqual(ONCE);
  expectNoToken(stand, buyer);
});

test('a streamed chat completion arrives as it is produced', async () => {
  const buyer = await stand.buyer('deliver');
  const stream = await client(buyer).chat.completions.create({ ...CHAT, stream: true });
  const texts = async function* () {
    for await (const chunk of stream) yield chunk.choices[0]?.delta.content ?? '';
  };
  expect(await readWhile(texts(), stand.shop.goOn)).toBe(WORDS.join(''));
  expect(await buyer.spent()).toEqual(ONCE);
});

test('a response is bought', async () => {
  const buyer = await stand.buyer('deliver');
  const answer = await client(buyer).responses.create(ASKED);
  expect(answer.output_text).toBe(WORDS.join(''));
  expect(await buyer.spent()).toEqual(ONCE);
});

test('a streamed response arrives as it is produced', async () => {
  const buyer = await stand.buyer('deliver');
  const stream = await client(buyer).responses.create({ ...ASKED, stream: true });
  const texts = async function* () {
    for await (const event of stream) yield event.type === 'response.output_text.delta' ? event.delta : '';
  };
  expect(await readWhile(texts(), stand.shop.goOn)).toBe(WORDS.join(''));
  expect(await buyer.spent()).toEqual(ONCE);
});

for (const { after, detail } of FAILURES) {
  for (const stream of [false, true]) {
    test(`paid, then ${after}: one payment, and the error says why (${stream ? 'streamed' : 'whole'})`, async () => {
      const buyer = await stand.buyer(after);
      const said = await complaint(client(buyer).chat.completions.create({ ...CHAT, stream }));
      expect(said).toMatch(/^424 /);
      expect(said).toMatch(detail);
      expect(await buyer.spent()).toEqual(ONCE);
    });
  }
}

test('paid, then silence past the time-out: its retries are the same purchase, and the error says why', async () => {
  const buyer = await stand.buyer('hang');
  const impatient = client(buyer).withOptions({ timeout: PATIENCE_MS });
  expect(await complaint(impatient.chat.completions.create(CHAT))).toMatch(HANGS.detail);
  expect(await buyer.spent()).toEqual(ONCE);
});
