// An agent buys from the published mppx evm merchant: the operator's wallet signs, the chain moves exactly the price.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Chain, startChain } from '../fakes/chain.ts';
import { type EvmMerchant, evmMerchant } from '../fakes/evm-merchant.ts';
import { type Idp, startIdp } from '../fakes/idp.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const PRICE = 250_000n;
let chain: Chain;
let merchant: EvmMerchant;
let idp: Idp;
let gateway: TestGateway;
let payer: string;

beforeAll(async () => {
  chain = await startChain();
  merchant = await evmMerchant(chain, { price: '0.25' });
  idp = await startIdp();
  const funded = await chain.fund(10_000_000n);
  payer = funded.address;
  gateway = await startGateway({
    upstream: merchant.url,
    env: { EVM_KEY: funded.key },
    sections: {
      identity: `
  issuers:
    - issuer: "${idp.issuer}"
      audience: purser
      keys: { url: "${idp.keysUrl}" }
      allowPrivateNetwork: true`,
      assets: `
  - id: usdc
    network: "${chain.network}"
    token: "${chain.token}"
    decimals: 6
    value: "1 USD"
    eip712: { name: "${chain.eip712.name}", version: "${chain.eip712.version}" }`,
      wallets: `
  - { id: treasury, rail: evm, key: { env: EVM_KEY }, networks: ["${chain.network}"], proofLifetime: 1m }`,
    },
    policies: `agents: [{ id: research-1, owner: dana@example.com, team: research }]
budgets: [{ id: purse, limit: 0.60 USD, window: day, per: [agent, payee] }]
entitlements:
  - id: buys
    agents: { id: research-1 }
    services: [shop]
    assets: [usdc]
    payees: ["${merchant.recipient}"]
    ceiling: 0.25 USD
    budgets: [purse]
`,
  });
}, 60_000);

afterAll(async () => {
  await gateway.close();
  await merchant.close();
  await idp.close();
  await chain.close();
});

const ask = async () => gateway.ask('/shop/goods', { headers: { 'purser-token': await idp.token() } });

test('the chain moves exactly the price, and the receipt names the payment on its rail', async () => {
  const answer = await ask();
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ goods: true });
  expect(await chain.balanceOf(merchant.recipient)).toBe(PRICE);
  const settled = (await gateway.receipts()).find(({ kind }) => kind === 'settled');
  expect(settled).toMatchObject({
    offer: { asset: 'usdc', atoms: '250000' },
    settlement: { reference: merchant.settled[0] },
  });
  expect(settled?.development).toBeUndefined();
  expect(settled?.proof?.identity).toContain(`${chain.network}:${chain.token.toLowerCase()}:${payer.toLowerCase()}:0x`);
  const lifetime = Date.parse(settled?.proof?.redeemableUntil ?? '') - Date.parse(settled?.at ?? '');
  expect(lifetime).toBeLessThanOrEqual(60_000);
});

test('the budget is exact on a real rail too', async () => {
  const before = await chain.balanceOf(merchant.recipient);
  const answers = await Promise.all(Array.from({ length: 8 }, ask));
  const paid = answers.filter(({ status }) => status === 200).length;
  expect(paid).toBe(1);
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    expect(await answer.json()).toMatchObject({ code: 'budget_exceeded' });
  }
  expect(await chain.balanceOf(merchant.recipient)).toBe(before + PRICE);
});
