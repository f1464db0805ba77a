// The chain as the third side: what wallets moved on a local chain, read through real nodes, against the receipts.
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseUnits } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { makeCertificates } from '../fakes/certificates.ts';
import { type Chain, startChain } from '../fakes/chain.ts';
import { type EvmMerchant, evmMerchant } from '../fakes/evm-merchant.ts';
import { type Idp, startIdp } from '../fakes/idp.ts';
import { type FakeNode, startNode } from '../fakes/node.ts';
import { audited, kinds } from '../support/auditing.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { run } from './support.ts';

type Payer = Awaited<ReturnType<Chain['fund']>>;

let chain: Chain;
let idp: Idp;
let payer: Payer;
let merchant: EvmMerchant;
let shop: Shop;
let nodes: readonly FakeNode[];
let gateway: TestGateway;
let env: Readonly<Record<string, string>>;
let ticking: NodeJS.Timeout;

beforeAll(async () => {
  chain = await startChain();
  ticking = setInterval(() => void chain.mine(), 200);
  idp = await startIdp();
  payer = await chain.fund(100_000_000n);
  merchant = await evmMerchant(chain, { price: '0.25' });
  shop = await openShop();
  nodes = [await startNode(chain), await startNode(chain)];
  env = { EVM_KEY: payer.key, RPC_0: nodes[0]?.url ?? '', RPC_1: nodes[1]?.url ?? '' };
  gateway = await startGateway({
    upstream: shop.url,
    env,
    sections: sections(),
    policies: policies(merchant.recipient),
  });
}, 60_000);
afterAll(async () => {
  await gateway.close();
  for (const one of [shop, merchant, idp, ...nodes]) await one.close();
  clearInterval(ticking);
  await chain.close();
});

/** The proofs live this long, so that a payment that never came is one soon. */
const LIFETIME_MS = 10_000;
const pastAnyProof = (): Promise<void> => sleep(LIFETIME_MS + 1_500);

const audit = () => audited(['--chain', '--config', gateway.configFile], env);

interface Shop {
  readonly url: string;
  /** It hands out the goods for any authorisation and keeps it. */
  lies: boolean;
  close(): Promise<void>;
}

/** The merchant, as long as it is honest. */
async function openShop(): Promise<Shop> {
  const server = createServer(async (request, response) => {
    const { authorization } = request.headers;
    request.resume();
    if (opened.lies && authorization) return void response.end('{"goods":true}');
    const answer = await fetch(merchant.url, { headers: authorization === undefined ? {} : { authorization } });
    const demand = answer.headers.get('www-authenticate');
    response.writeHead(answer.status, demand === null ? {} : { 'www-authenticate': demand });
    response.end(await answer.text());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const opened: Shop = { url: `http://127.0.0.1:${port}`, lies: false, close: async () => void server.close() };
  return opened;
}

function sections(): Record<string, string> {
  const { name, version } = chain.eip712;
  return {
    identity: `
  issuers:
    - { issuer: "${idp.issuer}", audience: purser, keys: { url: "${idp.keysUrl}" }, allowPrivateNetwork: true }`,
    networks: `\n  - { id: "${chain.network}", rpc: [{ env: RPC_0 }, { env: RPC_1 }], allowPrivateNetwork: true }`,
    assets: `
  - { id: usdc, network: "${chain.network}", token: "${chain.token}", decimals: 6, value: "1 USD",
      eip712: { name: "${name}", version: "${version}" } }`,
    wallets: `
  - { id: treasury, rail: evm, key: { env: EVM_KEY }, networks: ["${chain.network}"],
      proofLifetime: ${LIFETIME_MS}ms }`,
  };
}

const policies = (payee: string): string => `agents: [{ id: research-1, owner: dana@example.com, team: research }]
budgets: [{ id: purse, limit: 10 USD, window: day, per: agent }]
entitlements:
  - { id: buys, agents: { id: research-1 }, services: [shop], assets: [usdc], payees: ["${payee}"],
      ceiling: 0.25 USD, budgets: [purse] }
`;

let bought = 0;

async function buy(times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    bought += 1;
    const answer = await gateway.ask(`/shop/x?n=${bought}`, { headers: { 'purser-token': await idp.token() } });
    expect(answer.status).toBe(200);
  }
}

/** Whoever has the wallet's key pays past the gateway. */
async function payPast(atoms: bigint, by = payer): Promise<string> {
  const account = privateKeyToAccount(by.key);
  const nonce = `0x${'7e'.repeat(32)}` as const;
  const terms = { from: account.address, to: merchant.recipient, value: atoms, validAfter: 0n, nonce };
  const validBefore = BigInt(Math.floor(Date.now() / 1_000) + 3_600);
  const signature = await account.signTypedData({
    domain: { ...chain.eip712, chainId: chain.chainId, verifyingContract: chain.token },
    types: {
      TransferWithAuthorization: [
        { name: 'from', type: 'address' },
        { name: 'to', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'validAfter', type: 'uint256' },
        { name: 'validBefore', type: 'uint256' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    primaryType: 'TransferWithAuthorization',
    message: { ...terms, validBefore },
  });
  await chain.settle({
    ...terms,
    value: String(atoms),
    validAfter: '0',
    validBefore: String(validBefore),
    signature,
  });
  return nonce;
}

test('what was settled is on the chain: both sides come to the same', async () => {
  await buy(2);
  await sleep(1_500);
  const answer = await audit();
  expect(answer.differences).toEqual([]);
  const book = `${chain.network} ${payer.address.toLowerCase()}`;
  const both = { payments: 2, atoms: '500000' };
  expect(answer.rails).toEqual([{ book, asset: 'usdc', moved: both, settled: both }]);
}, 60_000);

test('a node that hides or withholds transfers is not believed: nothing is said', async () => {
  const [, second] = nodes;
  onTestFinished(() => second?.alter(undefined));
  for (const [altered, said] of [
    [{ result: [] }, 'do not show the same transfers; nothing is said'],
    ['lost' as const, `a node of ${chain.network} does not answer eth_getLogs; nothing is said`],
  ] as const) {
    second?.alter(({ method }) => (method === 'eth_getLogs' ? altered : undefined));
    const refused = await run(['audit', '--chain', '--json', '--config', gateway.configFile], { ...env });
    expect([refused.code, refused.out]).toEqual([1, '']);
    expect(refused.err).toContain(said);
  }
}, 60_000);

test('a node behind TLS is read under the authority that is configured for it, and refused under another', async () => {
  const [own, other] = [makeCertificates(), makeCertificates()];
  const secure = await startNode(chain, own);
  onTestFinished(async () => {
    await secure.close();
    for (const { remove } of [own, other]) remove();
  });
  const text = readFileSync(gateway.configFile, 'utf8').replace(', { env: RPC_1 }', '');
  const under = (caFile: string): string => {
    const file = `${gateway.configFile}.tls.yaml`;
    writeFileSync(file, text.replace(/^(networks:.*\n.*) }$/m, `$1, tls: { ca: { file: "${caFile}" } } }`));
    return file;
  };
  const tls = { ...env, RPC_0: secure.url };
  expect((await audited(['--chain', '--config', under(own.caFile)], tls)).differences).toEqual([]);
  const refused = await run(['audit', '--chain', '--config', under(other.caFile)], tls);
  expect([refused.code, refused.out]).toEqual([1, '']);
  expect(refused.err).toMatch(/certificate that is not trusted \([A-Z_]+\).*networks\[\]\.tls\.ca; nothing is said/);
}, 60_000);

test('FLOW-12: a service that says it was paid, while the chain never shows it', async () => {
  shop.lies = true;
  await buy(1);
  shop.lies = false;
  expect((await audit()).differences).toEqual([]);
  await pastAnyProof();
  const answer = await audit();
  expect(answer.receipts.settled).toEqual({ payments: 3, amount: '0.750000' });
  expect(kinds(answer)).toEqual(['settled_without_transfer']);
}, 60_000);

test('a payment past the gateway, by whoever has the key of the wallet, is told', async () => {
  const nonce = await payPast(parseUnits('0.1', 6));
  await sleep(1_500);
  const told = (await audit()).differences.find(({ kind }) => kind === 'transfer_without_receipt');
  expect(told?.about.endsWith(`:${nonce}`)).toBe(true);
  expect(told?.rails).toMatch(/^100000 atoms of usdc to 0x[0-9a-f]{40} at \S+ \(block \d+, transaction 0x/);
}, 60_000);

test('a payment by a configured wallet that nothing was ever bought with is told', async () => {
  const vault = await chain.fund(1_000_000n);
  const nonce = await payPast(parseUnits('0.2', 6), vault);
  await sleep(1_500);
  const file = `${gateway.configFile}.vault.yaml`;
  const wallet = `  - { id: vault, rail: evm, key: { env: VAULT_KEY }, networks: ["${chain.network}"] }`;
  writeFileSync(file, readFileSync(gateway.configFile, 'utf8').replace(/^wallets: *\n/m, `$&${wallet}\n`));
  const { differences } = await audited(['--chain', '--config', file], { ...env, VAULT_KEY: vault.key });
  const name = `${chain.network}:${chain.token}:${vault.address.toLowerCase()}:${nonce}`;
  expect(differences.find(({ about }) => about === name)).toMatchObject({ kind: 'transfer_without_receipt' });
}, 60_000);

test('without a node the network is named, and nothing is told of its chain', async () => {
  const file = `${gateway.configFile}.without.yaml`;
  writeFileSync(file, readFileSync(gateway.configFile, 'utf8').replace(/^networks:.*\n.*\n/m, 'networks: []\n'));
  const answer = await audited(['--chain', '--config', file], env);
  expect([answer.rails, answer.differences]).toEqual([[], []]);
  expect(answer.notes.join()).toContain(`no node of ${chain.network} is configured (networks)`);
}, 60_000);
