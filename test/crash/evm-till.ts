// The published evm merchant on a local chain as a till: what the chain moved is what was taken.
import { startChain } from '../fakes/chain.ts';
import { evmMerchant } from '../fakes/evm-merchant.ts';
import { startIdp } from '../fakes/idp.ts';
import { PRICE, type Till } from './till.ts';

/** Sells everything for {@link PRICE}, in a token of six decimals. */
export async function evmTill(): Promise<Till> {
  const chain = await startChain();
  const merchant = await evmMerchant(chain, { price: '0.02' });
  const idp = await startIdp();
  const { key } = await chain.fund(1_000_000_000n);
  const identity = `
  issuers:
    - { issuer: "${idp.issuer}", audience: purser, keys: { url: "${idp.keysUrl}" }, allowPrivateNetwork: true }`;
  const assets = `
  - id: usdc
    network: "${chain.network}"
    token: "${chain.token}"
    decimals: 6
    value: "1 USD"
    eip712: { name: "${chain.eip712.name}", version: "${chain.eip712.version}" }`;
  const wallets = `
  - { id: treasury, rail: evm, key: { env: EVM_KEY }, networks: ["${chain.network}"], proofLifetime: 1m }`;
  const limits = '{ paymentSettle: 10s, holdLease: 2s, diskReserve: 0B, unsettled: 100000 }';
  const policies = (room: number) => `agents: [{ id: research-1, owner: dana@example.com, team: research }]
budgets: [{ id: purse, limit: ${(Number(PRICE) * room) / 1_000_000} USD, window: total, per: all }]
entitlements:
  - id: buys
    agents: { id: research-1 }
    services: [shop]
    assets: [usdc]
    payees: ["${merchant.recipient}"]
    ceiling: 1.00 USD
    budgets: [purse]
`;
  return {
    url: merchant.url,
    setup: (room) => ({
      upstream: merchant.url,
      env: { EVM_KEY: key },
      sections: { identity, assets, wallets, limits },
      policies: policies(room),
    }),
    token: () => idp.token(),
    paidFor: (target) => merchant.paid.filter((paid) => paid === target).length,
    taken: () => chain.balanceOf(merchant.recipient),
    faults: () => [],
    tells: false,
    onPaid: null,
    async close() {
      await merchant.close();
      await idp.close();
      await chain.close();
    },
  };
}
