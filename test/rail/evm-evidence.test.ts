// What a chain shows of an authorisation: a real chain behind real nodes, honest ones and ones that lie, lag, fork or
// fall silent. Only what is shown at a finalised block is an end; every doubt is unknown.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Secret } from '../../src/domain/secret.ts';
import { openEvidence } from '../../src/gateway/evidence.ts';
import { alarming, type Evidence, type ExposedProof, unknown } from '../../src/rail/evidence.ts';
import { openEvmWallet } from '../../src/rail/evm.ts';
import { agree, evmEvidence } from '../../src/rail/evm-evidence.ts';
import type { RailAsset } from '../../src/rail/rail.ts';
import { askDocument } from '../../src/upstream/document.ts';
import { openPool } from '../../src/upstream/door.ts';
import { makeCertificates } from '../fakes/certificates.ts';
import { type Authorisation, type Chain, startChain } from '../fakes/chain.ts';
import { type Alter, type FakeNode, startNode } from '../fakes/node.ts';
import { challenge } from './support.ts';

const PAYEE = `0x${'ac'.repeat(20)}`;
const ATOMS = 250_000n;
let chain: Chain;
let asset: RailAsset;
let payer: Awaited<ReturnType<Chain['fund']>>;
let node: FakeNode;
let count = 0;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  chain = await startChain();
  asset = {
    id: 'usd.local',
    network: chain.network,
    token: chain.token.toLowerCase(),
    decimals: 6,
    eip712: chain.eip712,
  };
  payer = await chain.fund(100_000_000n);
  node = await startNode(chain);
});
afterEach(() => node.alter(undefined));
afterAll(async () => {
  for (const close of closing) await close();
  await node.close();
  await chain.close();
});

/** A node as the gateway asks it, through the door. */
function asks({ url }: FakeNode) {
  const { origin, pathname } = new URL(url);
  const pool = openPool({ origin, allowPrivateNetwork: true, ca: null }, 32_768);
  closing.push(() => pool.destroy());
  const question = { method: 'POST', path: pathname, mostBytes: 4 * 1024 * 1024 } as const;
  return (body: string, signal: AbortSignal) => askDocument(pool, { ...question, body, signal });
}

const books = (...nodes: FakeNode[]) =>
  evmEvidence({ network: chain.network, nodes: nodes.map(asks), now: () => Date.now() });
const lookAt = (proof: ExposedProof, source = books(node), ms = 3_000): Promise<Evidence> =>
  source.evidence(proof, AbortSignal.timeout(ms));

/** A fresh authorisation of this many seconds, and its name as a receipt has it. */
async function authorised(seconds = 60): Promise<{ proof: ExposedProof; authorisation: Authorisation }> {
  count += 1;
  const wallet = openEvmWallet({ ...payer, id: 'w', networks: [chain.network], proofLifetimeMs: seconds * 1_000 });
  const stated = { decimals: 6, credentialTypes: ['authorization'] };
  const asked = challenge({ method: 'evm', id: `challenge-${count}` });
  const demand = { challenge: asked, network: chain.network, token: asset.token, atoms: ATOMS, payee: PAYEE, stated };
  const heldAt = Date.now();
  const planned = wallet.plan(demand, heldAt);
  const { payload } = await wallet.prove(planned, asset);
  const { identity, redeemableUntil } = planned;
  const proof = { network: chain.network, identity, payee: PAYEE, atoms: ATOMS, heldAt, redeemableUntil };
  return { proof, authorisation: payload as Record<keyof Authorisation, string> };
}

let used: Promise<{ proof: ExposedProof; transaction: string }> | undefined;

/** One that was used on the chain, as a merchant would; the same for every test. */
function redeemed() {
  used ??= authorised().then(async ({ proof, authorisation }) => {
    return { proof, transaction: await chain.settle(authorisation) };
  });
  return used;
}

/** Waits until its life is over, and for a block after it. */
async function outlived({ redeemableUntil }: ExposedProof): Promise<void> {
  await sleep(Math.max(0, redeemableUntil - Date.now() + 50));
  await chain.mine();
}

/** Changes one member of a result, or of each item of a list. */
const member =
  (method: string, name: string, value: (was: never) => unknown): Alter =>
  (call) => {
    if (call.method !== method) return undefined;
    const change = (one: unknown) => ({
      ...(one as object),
      [name]: value((one as Record<string, never>)[name] as never),
    });
    return { result: Array.isArray(call.result) ? call.result.map(change) : change(call.result) };
  };

test('used for exactly the amount: redeemed, with its transaction and block, again and again', async () => {
  const { proof, transaction } = await redeemed();
  const source = books(node);
  const evidence = await lookAt(proof, source);
  expect(evidence).toMatchObject({ verdict: 'redeemed', alarming: false, reference: transaction });
  expect(evidence.block?.hash).toMatch(/^0x[0-9a-f]{64}$/);
  await chain.mine();
  expect(await lookAt(proof, source)).toEqual(evidence);
});

test('unused: unknown while it can be used, dead at a finalised block of its end or later', async () => {
  const { proof } = await authorised(2);
  await chain.mine();
  expect(await lookAt(proof)).toMatchObject({ verdict: 'unknown', alarming: false, reference: null });
  await sleep(Math.max(0, proof.redeemableUntil - Date.now() + 50));
  // Its end has come by our clock, but no block says so.
  expect(await lookAt(proof)).toMatchObject({ verdict: 'unknown' });
  await outlived(proof);
  const dead = await lookAt(proof);
  expect(dead).toMatchObject({ verdict: 'dead', alarming: false });
  expect(dead.reference).toMatch(/^unused at finalised block \d+ \(0x[0-9a-f]{64}\) of 20/);
});

test('cancelled: dead at once, though the token says "used" of it', async () => {
  const { proof, authorisation } = await authorised();
  const transaction = await chain.cancel(payer.key, authorisation.nonce);
  expect(await chain.used(payer.address, authorisation.nonce)).toBe(true);
  const evidence = await lookAt(proof);
  expect(evidence).toMatchObject({ verdict: 'dead', alarming: false });
  expect(evidence.reference).toContain(transaction);
});

test('the state alone is no evidence: without the event of it nothing is known', async () => {
  const { proof } = await redeemed();
  node.alter(({ method }) => (method === 'eth_getLogs' ? { result: [] } : undefined));
  expect(await lookAt(proof)).toMatchObject({ verdict: 'unknown', alarming: false });
});

const word = (value: bigint) => `0x${value.toString(16).padStart(64, '0')}`;
type Log = { topics: string[]; data: string; logIndex: string };
const transfers = (change: (log: Log) => object): Alter =>
  member('eth_getTransactionReceipt', 'logs', (logs: Log[]) =>
    logs.map((log) => (log.topics.length === 3 && log.data !== '0x' ? { ...log, ...change(log) } : log)),
  );

test.each<[string, Alter]>([
  ['another amount', transfers(() => ({ data: word(ATOMS - 1n) }))],
  ['another payee', transfers(({ topics }) => ({ topics: [topics[0], topics[1], word(7n)] }))],
  ['no transfer at all', member('eth_getTransactionReceipt', 'logs', (logs: Log[]) => logs.slice(0, 1))],
  [
    'two transfers',
    member('eth_getTransactionReceipt', 'logs', (logs: Log[]) => [...logs, { ...logs[1], logIndex: '0x9' }]),
  ],
  ['two uses', (call) => (call.method === 'eth_getLogs' ? { result: [call.result, call.result].flat() } : undefined)],
  ['a failed transaction', member('eth_getTransactionReceipt', 'status', () => '0x0')],
  ['another transaction', member('eth_getTransactionReceipt', 'transactionHash', () => word(1n))],
  ['an event of another block', member('eth_getLogs', 'blockHash', () => word(1n))],
  ['an event of another token', member('eth_getLogs', 'address', () => PAYEE)],
  ['an event of a block outside', member('eth_getLogs', 'blockNumber', () => '0xffffff')],
  ['another chain', ({ method }) => (method === 'eth_chainId' ? { result: '0x1' } : undefined)],
  [
    'a block of the future',
    member('eth_getBlockByNumber', 'timestamp', () => `0x${Math.ceil(Date.now() / 1_000 + 120).toString(16)}`),
  ],
])('%s: unknown, and somebody has to look', async (_, alter) => {
  const { proof } = await redeemed();
  node.alter(alter);
  expect(await lookAt(proof)).toMatchObject({ verdict: 'unknown', alarming: true, reference: null });
});

test.each<[string, Alter]>([
  ['it hangs up', () => 'lost'],
  ['it never answers', ({ method }) => (method === 'eth_call' ? 'silence' : undefined)],
  ['a dropped event', member('eth_getLogs', 'removed', () => true)],
  ['no block', ({ method }) => (method === 'eth_getBlockByNumber' ? { result: null } : undefined)],
  ['a number for a quantity', member('eth_getBlockByNumber', 'number', () => 7)],
  ['leading zeros', member('eth_getBlockByNumber', 'number', () => '0x007')],
  ['half a hash', member('eth_getBlockByNumber', 'hash', () => '0x12')],
  ['a state that is neither', ({ method }) => (method === 'eth_call' ? { result: word(2n) } : undefined)],
  ['no state', ({ method }) => (method === 'eth_call' ? { result: '0x' } : undefined)],
  ['too much', ({ method }) => (method === 'eth_call' ? { result: 'x'.repeat(5_000_000) } : undefined)],
  [
    'a block of long ago',
    member('eth_getBlockByNumber', 'timestamp', () => `0x${Math.floor(Date.now() / 1_000 - 7_200).toString(16)}`),
  ],
])('%s: unknown', async (_, alter) => {
  const { proof } = await redeemed();
  node.alter(alter);
  const evidence = await lookAt(proof, books(node), 1_000);
  expect(evidence).toMatchObject({ verdict: 'unknown', alarming: false, reference: null });
  expect(evidence.seen).not.toMatch(/secret|x{9}/);
});

test('a node that falls back, or has another block than it finalised, ends nothing', async () => {
  const { proof } = await authorised(1);
  await outlived(proof);
  const early = BigInt(String(await chain.call('eth_blockNumber', [])));
  await chain.mine();
  const source = books(node);
  const { proof: other } = await authorised();
  expect(await lookAt(other, source)).toMatchObject({ verdict: 'unknown' });
  const behind = await chain.call('eth_getBlockByNumber', [`0x${early.toString(16)}`, false]);
  node.alter(({ params }) => (params[0] === 'finalized' ? { result: behind } : undefined));
  expect(await lookAt(proof, source)).toMatchObject({ verdict: 'unknown', alarming: false });
  node.alter((call) => {
    const asked = call.method === 'eth_getBlockByNumber' && call.params[0] !== 'finalized';
    return asked ? { result: { ...(call.result as object), hash: word(3n) } } : undefined;
  });
  expect(await lookAt(proof, source)).toMatchObject({ verdict: 'unknown', alarming: true });
  node.alter(undefined);
  expect(await lookAt(proof, source)).toMatchObject({ verdict: 'dead' });
});

test('a use of before this proof was made is that of another payment', async () => {
  const { proof } = await redeemed();
  const later = { ...proof, heldAt: proof.heldAt + 3_600_000 };
  const evidence = await lookAt(later);
  expect(evidence).toMatchObject({ verdict: 'unknown', alarming: false });
  expect(evidence.seen).toMatch(/neither its use nor its cancellation is found/);
});

test('of a batch only the transfer of this very use counts', async () => {
  const { proof } = await redeemed();
  const others = (logs: Log[]) => {
    const [used, moved] = logs as [Log, Log];
    const more = { ...used, topics: [used.topics[0], used.topics[1], word(5n)], logIndex: '0x8' };
    return [used, moved, more, { ...moved, data: word(1n), logIndex: '0x9' }];
  };
  node.alter(member('eth_getTransactionReceipt', 'logs', others));
  expect(await lookAt(proof)).toMatchObject({ verdict: 'redeemed' });
  const none = (logs: Log[]) => others(logs).filter((_, index) => index !== 1);
  node.alter(member('eth_getTransactionReceipt', 'logs', none));
  expect(await lookAt(proof)).toMatchObject({ verdict: 'unknown', alarming: true });
});

test('two nodes: only what both show counts; what they deny each other is loud', async () => {
  const second = await startNode(chain);
  closing.push(() => second.close());
  const both = books(node, second);
  const { proof, transaction } = await redeemed();
  expect(await lookAt(proof, both)).toMatchObject({ verdict: 'redeemed', reference: transaction });

  second.alter(() => 'lost');
  expect(await lookAt(proof, both)).toMatchObject({ verdict: 'unknown', alarming: false });

  // One says that it was never used, and its life is over.
  const { proof: short, authorisation } = await authorised(5);
  await chain.settle(authorisation);
  await outlived(short);
  second.alter(({ method }) => (method === 'eth_call' ? { result: word(0n) } : undefined));
  expect(await lookAt(short, books(second))).toMatchObject({ verdict: 'dead' });
  expect(await lookAt(short, both)).toMatchObject({ verdict: 'unknown', alarming: true });

  // Both say the same of the payment, but of two histories.
  second.alter((call) => {
    const block = call.method === 'eth_getBlockByNumber' && { ...(call.result as object), hash: word(9n) };
    return block ? { result: block } : undefined;
  });
  const { proof: unused } = await authorised(1);
  await outlived(unused);
  expect(await lookAt(unused, books(second))).toMatchObject({ verdict: 'dead' });
  expect(await lookAt(unused, books(node, second))).toMatchObject({ verdict: 'unknown', alarming: true });
  expect(await lookAt(unused, books(second, node))).toMatchObject({ verdict: 'unknown', alarming: true });
});

test('two sights agree on one end alone, and a transaction is one only in the same block', () => {
  const block = { number: 1n, hash: word(1n) };
  const paid: Evidence = { verdict: 'redeemed', alarming: false, seen: 'used', reference: word(4n), block };
  const dead: Evidence = { ...paid, verdict: 'dead', seen: 'unused' };
  expect(agree(paid, paid)).toBe(paid);
  expect(agree(dead, { ...dead, block: null })).toBe(dead);
  for (const other of [dead, { ...paid, reference: word(5n) }, { ...paid, block: { ...block, hash: word(2n) } }]) {
    expect(agree(paid, other)).toMatchObject({ verdict: 'unknown', alarming: true });
  }
  expect(agree(paid, unknown('behind'))).toMatchObject({ verdict: 'unknown', alarming: false });
  expect(agree(unknown('behind'), alarming('forked'))).toMatchObject({ verdict: 'unknown', alarming: true });
});

test('the window of its events is found on a chain of many blocks', { timeout: 60_000 }, async () => {
  const { proof, authorisation } = await authorised(3_600);
  const transaction = await chain.settle(authorisation);
  await chain.call('evm_mine', [{ blocks: 2_500 }]);
  const { asked } = node;
  const before = asked.length;
  const late = evmEvidence({ network: chain.network, nodes: [asks(node)], now: () => Date.now() + 3_000_000 });
  expect(await lookAt(proof, late, 20_000)).toMatchObject({ verdict: 'redeemed', reference: transaction });
  const questions = asked.slice(before);
  expect(questions.filter((method) => method === 'eth_getLogs').length).toBeGreaterThan(1);
  expect(questions.length).toBeLessThan(40);
});

test('a name that is not of this chain is not looked for', async () => {
  const { proof } = await redeemed();
  const { asked } = node;
  const before = asked.length;
  for (const identity of ['', 'a:b', proof.identity.replace('eip155:31337', 'eip155:1'), `${proof.identity}0`]) {
    expect(await lookAt({ ...proof, identity })).toMatchObject({ verdict: 'unknown' });
  }
  expect(asked).toHaveLength(before);
});

test('a node behind TLS is believed under its own authority alone, and why it is not is told', async () => {
  const { proof } = await redeemed();
  const [own, other] = [makeCertificates(), makeCertificates()];
  const secure = await startNode(chain, own);
  closing.push(() => secure.close());
  const lookedAt = async (ca: string | null) => {
    const written = { id: chain.network, rpc: [new Secret(secure.url)], allowPrivateNetwork: true, ca };
    const evidences = openEvidence({ networks: [written], wallets: [] }, new Map(), SYSTEM_CLOCK);
    closing.push(() => evidences.close());
    return evidences.of(chain.network, 'shop')?.evidence(proof, AbortSignal.timeout(3_000));
  };
  for (const ca of [other.ca, null]) {
    const { verdict, seen } = (await lookedAt(ca)) ?? {};
    expect([verdict, seen]).toEqual(['unknown', expect.stringMatching(UNTRUSTED)]);
  }
  expect(secure.asked).toEqual([]);
  expect(await lookedAt(own.ca)).toMatchObject({ verdict: 'redeemed' });
  for (const { remove } of [own, other]) remove();
});

const SYSTEM_CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };
const UNTRUSTED =
  /^the node shows a certificate that is not trusted \([A-Z_]+\); its authority stands in networks\[\]\.tls\.ca$/;

test('PROXY-27 a node on a private address is not spoken to unless that is allowed', async () => {
  const { proof } = await redeemed();
  const before = node.asked.length;
  const reached = async (allowPrivateNetwork: boolean) => {
    const written = { id: chain.network, rpc: [new Secret(node.url)], allowPrivateNetwork, ca: null };
    const evidences = openEvidence({ networks: [written], wallets: [] }, new Map(), SYSTEM_CLOCK);
    closing.push(() => evidences.close());
    return evidences.of(chain.network, 'shop')?.evidence(proof, AbortSignal.timeout(3_000));
  };
  expect(await reached(false)).toMatchObject({ verdict: 'unknown', seen: 'the node does not answer eth_chainId' });
  expect(node.asked).toHaveLength(before);
  expect(await reached(true)).toMatchObject({ verdict: 'redeemed' });
});
