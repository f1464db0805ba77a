// The MCP client over streamable HTTP, with the agent's token in a header: a server that asks for money by HTTP's 402
// sells calls of its tools. The client repeats nothing by itself, and what it numbers anew is a purchase of its own.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { expect, onTestFinished, test } from 'vitest';
import { WORDS } from '../fakes/model-shop.ts';
import { type Buyer, complaint, expectNoToken, FAILURES, ONCE, PATIENCE_MS, standOfFile } from './support.ts';

const stand = standOfFile();

const CALL = { name: 'ask', arguments: { question: 'What is the weather?' } };

async function connected({ base, token }: Buyer, headers: Record<string, string> = {}): Promise<Client> {
  const requestInit = { headers: { 'Purser-Token': token, ...headers } };
  const client = new Client({ name: 'agent', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL(`${base}/mcp`), { requestInit });
  // The SDK's own types disagree on `sessionId` where optional properties are taken exactly.
  await client.connect(transport as Transport);
  onTestFinished(() => client.close());
  return client;
}

test('connecting and listing tools is free, a call is bought', async () => {
  const buyer = await stand.buyer('deliver');
  const client = await connected(buyer);
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['ask']);
  expect(await buyer.spent()).toEqual({ ...ONCE, taken: 0, proofs: 0, budget: '0.000000' });
  const { content } = await client.callTool(CALL);
  expect(content).toEqual([{ type: 'text', text: WORDS.join('') }]);
  expect(await buyer.spent()).toEqual(ONCE);
  expectNoToken(stand, buyer);
});

test('a refusal is shown with its code and reason, and nothing is paid', async () => {
  const buyer = await stand.buyer('deliver');
  const client = await connected(buyer, { 'Purser-Max-Price': '0.01 USD' });
  const said = await complaint(client.callTool(CALL));
  expect(said).toMatch(/"code":"over_max_price"/);
  expect(said).toMatch(/0\.020000 USD/);
  expect(await buyer.spent()).toEqual({ taken: 0, proofs: 0, budget: '0.000000' });
});

for (const { after, detail } of FAILURES) {
  test(`paid, then ${after}: one payment, and the error says why`, async () => {
    const buyer = await stand.buyer(after);
    const client = await connected(buyer);
    const said = await complaint(client.callTool(CALL));
    expect(said).toMatch(detail);
    expect(await buyer.spent()).toEqual(ONCE);
  });
}

test('paid, then silence: a call that is made again is another purchase, unless it has the key', async () => {
  const buyer = await stand.buyer('hang');
  const keyed = await connected(buyer, { 'Idempotency-Key': 'weather-today' });
  await complaint(keyed.callTool(CALL, undefined, { timeout: PATIENCE_MS }));
  expect(await complaint(keyed.callTool(CALL))).toMatch(/"code":"idempotency_mismatch"/);
  expect(await buyer.spent()).toEqual(ONCE);
  stand.shop.behave('deliver');
  await (await connected(buyer)).callTool(CALL);
  expect(await buyer.spent()).toEqual({ taken: 2, proofs: 2, budget: '0.040000' });
});
