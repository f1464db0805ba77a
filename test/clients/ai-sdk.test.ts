// The Vercel AI SDK with its OpenAI provider, a base URL and an API key: it buys whole and streamed answers on both
// wires, and its own retries buy nothing twice.
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, type LanguageModel, streamText } from 'ai';
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

const prompt = 'What is the weather?';
const provider = ({ base, token }: Buyer) => createOpenAI({ baseURL: `${base}/v1`, apiKey: token });
const WIRES: readonly { wire: string; model(buyer: Buyer): LanguageModel }[] = [
  { wire: 'chat completions', model: (buyer) => provider(buyer).chat('sky-1') },
  { wire: 'responses', model: (buyer) => provider(buyer).responses('sky-1') },
];

for (const { wire, model } of WIRES) {
  test(`a whole answer is bought over ${wire}`, async () => {
    const buyer = await stand.buyer('deliver');
    const { text } = await generateText({ model: model(buyer), prompt });
    expect(text).toBe(WORDS.join(''));
    expect(await buyer.spent()).toEqual(ONCE);
    expectNoToken(stand, buyer);
  });

  test(`a streamed answer arrives as it is produced over ${wire}`, async () => {
    const buyer = await stand.buyer('deliver');
    const { textStream } = streamText({ model: model(buyer), prompt });
    expect(await readWhile(textStream, stand.shop.goOn)).toBe(WORDS.join(''));
    expect(await buyer.spent()).toEqual(ONCE);
  });

  for (const { after, detail } of FAILURES) {
    test(`paid, then ${after}: one payment, and the error says why (${wire})`, async () => {
      const buyer = await stand.buyer(after);
      expect(await complaint(generateText({ model: model(buyer), prompt }))).toMatch(detail);
      expect(await buyer.spent()).toEqual(ONCE);
    });
  }
}

for (const { after, detail } of FAILURES) {
  test(`paid, then ${after}: one payment, and the error of the stream says why`, async () => {
    const buyer = await stand.buyer(after);
    const said: unknown[] = [];
    const { textStream } = streamText({
      model: provider(buyer).chat('sky-1'),
      prompt,
      onError: ({ error }) => void said.push(error),
    });
    await readWhile(textStream, () => {});
    expect(String(said[0])).toMatch(detail);
    expect(await buyer.spent()).toEqual(ONCE);
  });
}

test('paid, then silence past the time-out: asking again is the same purchase, and the error says why', async () => {
  const buyer = await stand.buyer('hang');
  const model = provider(buyer).chat('sky-1');
  await complaint(generateText({ model, prompt, timeout: PATIENCE_MS }));
  expect(await buyer.spent()).toEqual(ONCE);
  expect(await complaint(generateText({ model, prompt }))).toMatch(HANGS.detail);
  expect(await buyer.spent()).toEqual(ONCE);
});
