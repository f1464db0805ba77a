// LangChain's OpenAI model with a base URL and an API key: it buys whole and streamed answers, and its own retries,
// which it makes on 424 too, buy nothing twice.
import { ChatOpenAI } from '@langchain/openai';
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

const PROMPT = 'What is the weather?';
const WIRES = [
  { wire: 'chat completions', useResponsesApi: false },
  { wire: 'responses', useResponsesApi: true },
];

interface More {
  readonly useResponsesApi?: boolean;
  readonly timeout?: number;
  readonly configuration?: Record<string, unknown>;
}

function model({ base, token }: Buyer, { configuration = {}, ...more }: More = {}): ChatOpenAI {
  return new ChatOpenAI({
    model: 'sky-1',
    apiKey: token,
    configuration: { baseURL: `${base}/v1`, ...configuration },
    maxRetries: 1,
    ...more,
  });
}

for (const { wire, useResponsesApi } of WIRES) {
  test(`a whole answer is bought over ${wire}`, async () => {
    const buyer = await stand.buyer('deliver');
    const answer = await model(buyer, { useResponsesApi }).invoke(PROMPT);
    expect(answer.text).toBe(WORDS.join(''));
    expect(await buyer.spent()).toEqual(ONCE);
    expectNoToken(stand, buyer);
  });

  test(`a streamed answer arrives as it is produced over ${wire}`, async () => {
    const buyer = await stand.buyer('deliver');
    const stream = await model(buyer, { useResponsesApi }).stream(PROMPT);
    const texts = async function* () {
      for await (const chunk of stream) yield chunk.text;
    };
    expect(await readWhile(texts(), () => stand.shop.goOn())).toBe(WORDS.join(''));
    expect(await buyer.spent()).toEqual(ONCE);
  });
}

for (const { after, detail } of FAILURES) {
  test(`paid, then ${after}: one payment, and the error says why`, async () => {
    const buyer = await stand.buyer(after);
    let asked = 0;
    const counting: typeof fetch = (...request) => {
      asked += 1;
      return fetch(...request);
    };
    expect(await complaint(model(buyer, { configuration: { fetch: counting } }).invoke(PROMPT))).toMatch(detail);
    expect(asked).toBe(2);
    expect(await buyer.spent()).toEqual(ONCE);
  });
}

test('a refusal is shown with its reason, and nothing is paid', async () => {
  const buyer = await stand.buyer('deliver');
  const configuration = { defaultHeaders: { 'Purser-Max-Price': '0.01 USD' } };
  expect(await complaint(model(buyer, { configuration }).invoke(PROMPT))).toMatch(/^403 .*0\.020000 USD/);
  expect(await buyer.spent()).toEqual({ taken: 0, proofs: 0, budget: '0.000000' });
});

test('paid, then silence past the time-out: asking again is the same purchase, and the error says why', async () => {
  const buyer = await stand.buyer('hang');
  await complaint(model(buyer, { timeout: PATIENCE_MS }).invoke(PROMPT));
  expect(await buyer.spent()).toEqual(ONCE);
  expect(await complaint(model(buyer).invoke(PROMPT))).toMatch(HANGS.detail);
  expect(await buyer.spent()).toEqual(ONCE);
});
