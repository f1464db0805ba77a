// What becomes of uncertain payments: looked up on a local chain through real nodes, and at a sandbox shop's own page.
// Judged by the chain's and the shop's books, the budgets and the log.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, type TestContext, test, vi } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import type { HoldView } from '../../src/operators/views.ts';
import { run } from '../command/support.ts';
import { type Authorisation, type Chain, startChain } from '../fakes/chain.ts';
import { type EvmMerchant, evmMerchant } from '../fakes/evm-merchant.ts';
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { type Idp, startIdp } from '../fakes/idp.ts';
import { type FakeNode, startNode } from '../fakes/node.ts';
import { resetAfter } from '../fakes/script.ts';
import { expectVerified, WAIT } from '../support/agreement.ts';
import { type GatewaySetup, policy, spawnGateway, startGateway, type TestGateway } from '../support/gateway.ts';
import { moneyOf } from '../support/stand.ts';

const holds = async (gateway: TestGateway) => (await gateway.api<{ holds: HoldView[] }>('holds')).holds;
const kinds = async (gateway: TestGateway) => (await gateway.receipts()).map(({ kind }) => kind);
const outcome = async (gateway: TestGateway) =>
  (await gateway.receipts()).find(({ kind }) => kind === 'settled' || kind === 'voided' || kind === 'resolved');
const codeOf = async (answer: Response) => (await answer.json()) as Record<string, unknown>;
const command = (gateway: TestGateway, ...args: string[]) => run([...args, '--config', gateway.configFile]);

/** Waits until nothing is open any more. */
const ended = (gateway: TestGateway) => vi.waitFor(async () => expect(await holds(gateway)).toEqual([]), WAIT);
/** Waits until the one open hold was looked at, with this in what was seen. */
const seen = (gateway: TestGateway, text: RegExp) =>
  vi.waitFor(async () => {
    const [hold] = await holds(gateway);
    expect(hold?.evidence?.seen).toMatch(text);
    return hold as HoldView & { evidence: NonNullable<HoldView['evidence']> };
  }, WAIT);

describe.concurrent('on a chain', () => {
  let chain: Chain;
  let idp: Idp;
  let payer: Awaited<ReturnType<Chain['fund']>>;
  let ticking: NodeJS.Timeout;
  beforeAll(async () => {
    chain = await startChain();
    idp = await startIdp();
    payer = await chain.fund(100_000_000n);
    // A chain goes on by itself.
    ticking = setInterval(() => void chain.mine(), 200);
  }, 60_000);
  afterAll(async () => {
    clearInterval(ticking);
    await idp.close();
    await chain.close();
  });
  /** A merchant that keeps authorisations, and a node, both closed with the test. */
  async function counterparties({ onTestFinished }: TestContext) {
    const merchant = await evmMerchant(chain, { price: '0.25', keeps: () => true });
    onTestFinished(() => merchant.close());
    const node = await startNode(chain);
    onTestFinished(() => node.close());
    return { merchant, node };
  }

  function setup(merchant: EvmMerchant, nodes: readonly FakeNode[], lifetime: string): GatewaySetup {
    const rpc = nodes.map((_, index) => `{ env: RPC_${index} }`).join(', ');
    return {
      upstream: merchant.url,
      env: { EVM_KEY: payer.key, ...Object.fromEntries(nodes.map(({ url }, index) => [`RPC_${index}`, url])) },
      sections: {
        identity: `
  issuers:
    - { issuer: "${idp.issuer}", audience: purser, keys: { url: "${idp.keysUrl}" }, allowPrivateNetwork: true }`,
        networks: `\n  - { id: "${chain.network}", rpc: [${rpc}], allowPrivateNetwork: true }`,
        assets: `
  - id: usdc
    network: "${chain.network}"
    token: "${chain.token}"
    decimals: 6
    value: "1 USD"
    eip712: { name: "${chain.eip712.name}", version: "${chain.eip712.version}" }`,
        wallets: `
  - { id: treasury, rail: evm, key: { env: EVM_KEY }, networks: ["${chain.network}"], proofLifetime: ${lifetime} }`,
        limits: '{ paymentSettle: 200ms, diskReserve: 0B }',
      },
      policies: `agents: [{ id: research-1, owner: dana@example.com, team: research }]
budgets: [{ id: purse, limit: 10 USD, window: day, per: agent }]
entitlements:
  - id: buys
    agents: { id: research-1 }
    services: [shop]
    assets: [usdc]
    payees: ["${merchant.recipient}"]
    ceiling: 0.25 USD
    budgets: [purse]
`,
    };
  }

  async function start(context: TestContext, how: GatewaySetup): Promise<TestGateway> {
    const gateway = await startGateway(how);
    context.onTestFinished(() => gateway.close());
    return gateway;
  }

  /** All of them, with one node and proofs that live this long. */
  async function open(context: TestContext, lifetime = '30s') {
    const { merchant, node } = await counterparties(context);
    return { merchant, node, gateway: await start(context, setup(merchant, [node], lifetime)) };
  }

  const ask = async (gateway: TestGateway, key?: string) =>
    gateway.ask('/shop/goods', {
      headers: { 'purser-token': await idp.token(), ...(key === undefined ? {} : { 'idempotency-key': key }) },
    });

  /** A purchase that the merchant does not answer; `then` is what it does with the authorisation, at once. */
  async function leftUncertain<Done = void>(
    { gateway, merchant }: { gateway: TestGateway; merchant: EvmMerchant },
    then: (authorisation: Authorisation) => Promise<Done> | Done,
  ): Promise<Done> {
    const asked = ask(gateway);
    const kept = await vi.waitFor(() => {
      expect(merchant.kept).toHaveLength(1);
      return merchant.kept[0] as Authorisation;
    }, WAIT);
    const done = then(kept);
    expect(await codeOf(await asked)).toMatchObject({ code: 'payment_uncertain', state: 'exposed' });
    expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 250_000n });
    return done;
  }
  const settles = (authorisation: Authorisation) => chain.settle(authorisation);
  const forgets = () => {};

  test('redeemed late: settled with the transaction, and its repeat is told so', async (context) => {
    const { gateway, merchant } = await open(context);
    const transaction = await leftUncertain({ gateway, merchant }, settles);
    await ended(gateway);
    expect(await moneyOf(gateway)).toEqual({ settled: 250_000n, held: 0n });
    expect(await outcome(gateway)).toMatchObject({
      kind: 'settled',
      agent: { id: 'research-1', team: 'research' },
      hold: { amount: '0.250000' },
      settlement: { evidence: 'rail', reference: transaction },
    });
    const again = await codeOf(await ask(gateway));
    expect(again).toMatchObject({ code: 'already_paid', state: 'settled', receipt: (await outcome(gateway))?.id });
    expect(merchant.kept).toHaveLength(1);
    const metrics = await (await fetch(`${gateway.operators}/metrics`)).text();
    expect(metrics).toContain('purser_evidence_total{rail="evm",result="redeemed"} 1\n');
    expect(metrics).toContain('purser_uncertain_oldest_seconds 0\n');
    expect(metrics).toMatch(/purser_spend_micros_total\{team="research",service="shop"\} 250000\n/);
    await expectVerified(gateway);
  });

  test('never used: the money is back soon after its end; its repeat buys nothing, a new key does', async (context) => {
    const { gateway, merchant } = await open(context, '3s');
    await leftUncertain({ gateway, merchant }, forgets);
    const [hold] = await holds(gateway);
    await ended(gateway);
    const locked = Date.now() - Date.parse(hold?.redeemableUntil ?? '');
    expect(locked).toBeGreaterThan(0);
    expect(locked).toBeLessThan(5_000);
    expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 0n });
    const voided = await outcome(gateway);
    expect(voided).toMatchObject({ kind: 'voided', settlement: { evidence: 'rail' } });
    expect(voided?.settlement?.reference).toMatch(/^unused at finalised block/);
    expect(await codeOf(await ask(gateway))).toMatchObject({
      ...{ code: 'payment_uncertain', state: 'voided', amount: '0.250000', receipt: voided?.id },
    });
    expect(merchant.kept).toHaveLength(1);
    await ask(gateway, 'another');
    expect(merchant.kept).toHaveLength(2);
    const { out } = await command(gateway, 'explain', String(voided?.id));
    expect(out).toMatch(/Not paid: 0\.250000 USD was set aside and given back\..*payment_uncertain/);
    expect(out).toContain('voided by the books of the rail (unused at finalised block');
    await expectVerified(gateway);
  });

  test('cancelled by its payer: voided before its end', async (context) => {
    const { gateway, merchant } = await open(context, '1m');
    const transaction = await leftUncertain({ gateway, merchant }, ({ nonce }) => chain.cancel(payer.key, nonce));
    await ended(gateway);
    expect((await outcome(gateway))?.settlement?.reference).toContain(transaction);
    expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 0n });
  });

  test('used for another amount than decided: held, loud, with its next look-up', async (context) => {
    const { gateway, merchant, node } = await open(context);
    node.alter((call) => {
      if (call.method !== 'eth_getTransactionReceipt' || call.result === null) return undefined;
      const was = call.result as { logs: { topics: string[]; data: string }[] };
      const logs = was.logs.map((log) => (log.topics.length === 3 && log.data !== '0x' ? { ...log, data: WORD } : log));
      return { result: { ...was, logs } };
    });
    await leftUncertain({ gateway, merchant }, settles);
    const { evidence } = await seen(gateway, /which moved 1 atoms to 0x[0-9a-f]{40}; decided were 250000 atoms to/);
    expect(evidence).toMatchObject({ verdict: 'unknown', alarming: true });
    expect(Date.parse(evidence.next)).toBeGreaterThan(Date.parse(evidence.at));
    expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 250_000n });
    const { out } = await command(gateway, 'holds', 'list');
    expect(out).toMatch(/LOOK AT THIS: unknown: used in block/);
    expect(out).toMatch(/\d+ s ago/);
    const metrics = await (await fetch(`${gateway.operators}/metrics`)).text();
    expect(metrics).toMatch(/purser_evidence_total\{rail="evm",result="alarming"\} [1-9]/);
    expect(metrics).toMatch(/purser_uncertain_oldest_seconds [1-9.]/);
  });

  test('two nodes that contradict each other change nothing; when they agree, it ends', async (context) => {
    const { merchant, node } = await counterparties(context);
    const second = await startNode(chain);
    context.onTestFinished(() => second.close());
    second.alter(({ method }) => (method === 'eth_call' ? { result: `0x${'0'.repeat(64)}` } : undefined));
    const gateway = await start(context, setup(merchant, [node, second], '30s'));
    await leftUncertain({ gateway, merchant }, settles);
    const { evidence } = await seen(
      gateway,
      /^the two nodes do not agree: used in block .*; unused at finalised block/,
    );
    expect(evidence.verdict).toBe('unknown');
    expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 250_000n });
    second.alter(undefined);
    await ended(gateway);
    expect(await outcome(gateway)).toMatchObject({ kind: 'settled', settlement: { evidence: 'rail' } });
  });

  test('a node that is away changes nothing; when it is back, it ends', async (context) => {
    const { gateway, merchant, node } = await open(context, '3s');
    node.alter(() => 'lost');
    await leftUncertain({ gateway, merchant }, forgets);
    await seen(gateway, /^the node does not answer eth_chainId$/);
    expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 250_000n });
    node.alter(undefined);
    await ended(gateway);
    expect(await outcome(gateway)).toMatchObject({ kind: 'voided' });
  });

  test('killed while the merchant has it, and started again: it ends by what the chain shows', async (context) => {
    const { merchant, node } = await counterparties(context);
    const slow = setup(merchant, [node], '20s');
    const how = { ...slow, sections: { ...slow.sections, limits: '{ paymentSettle: 60s, diskReserve: 0B }' } };
    const first = await spawnGateway(how);
    context.onTestFinished(() => first.close());
    const lost = ask(first).catch(() => undefined);
    await vi.waitFor(() => expect(merchant.kept).toHaveLength(1), WAIT);
    const transaction = await settles(merchant.kept[0] as Authorisation);
    await first.kill();
    await lost;
    const again = await start(context, { ...how, folder: first.folder });
    await ended(again);
    expect(await kinds(again)).toEqual(['policy', 'intended', 'uncertain', 'settled']);
    expect((await outcome(again))?.settlement).toMatchObject({ evidence: 'rail', reference: transaction });
    expect(await moneyOf(again)).toEqual({ settled: 250_000n, held: 0n });
    expect(await codeOf(await ask(again))).toMatchObject({ code: 'already_paid' });
    expect(merchant.kept).toHaveLength(1);
    await expectVerified(again);
  });

  test('a person ends it while a look-up runs: one outcome, whoever is first', async (context) => {
    const gate = Promise.withResolvers<undefined>();
    const { gateway, merchant, node } = await open(context, '3s');
    node.alter(({ method }) => (method === 'eth_call' ? gate.promise : undefined));
    await leftUncertain({ gateway, merchant }, forgets);
    const [hold] = await holds(gateway);
    await vi.waitFor(() => expect(node.asked).toContain('eth_call'), WAIT);
    await sleep(Math.max(0, Date.parse(hold?.redeemableUntil ?? '') - Date.now()));
    const order = { method: 'POST', body: JSON.stringify({ as: 'voided', because: 'asked the merchant' }) };
    const orders = [1, 2, 3].map(() => gateway.api(`holds/${hold?.id}/resolve`, order).catch(() => 'refused'));
    await vi.waitFor(() => expect(node.asked.filter((method) => method === 'eth_call').length).toBe(2), WAIT);
    gate.resolve(undefined);
    await Promise.all(orders);
    await ended(gateway);
    await sleep(1_000);
    const ends = (await kinds(gateway)).filter((kind) => ['settled', 'voided', 'resolved'].includes(kind));
    expect(ends).toHaveLength(1);
    expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 0n });
    await expectVerified(gateway);
  });

  test('a person cannot say the opposite of what the chain shows, unless it is said and sealed', async (context) => {
    const { merchant, node } = await counterparties(context);
    const folder = mkdtempSync(join(tmpdir(), 'purser-evidence-'));
    context.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const how = { ...setup(merchant, [node], '5s'), folder };
    node.alter(() => 'lost');
    const gateway = await startGateway(how);
    await leftUncertain({ gateway, merchant }, forgets);
    const [hold] = await holds(gateway);
    // With no gateway that would end it first, the command looks at the chain itself.
    await gateway.close();
    node.alter(undefined);
    await sleep(Math.max(0, Date.parse(hold?.redeemableUntil ?? '') - Date.now()));
    await chain.mine();
    const env = Object.fromEntries(Object.entries(how.env ?? {}).map(([name, value]) => [name, String(value)]));
    const order = ['holds', 'resolve', String(hold?.id), '--as', 'settled', '--because', 'they say so'];
    const resolve = (...more: string[]) => run([...order, ...more, '--config', gateway.configFile], env);
    const refused = await resolve();
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(/opposite of settled: unused at finalised block \d+/);
    const done = await resolve('--against-evidence');
    expect([done.code, done.err]).toEqual([0, '']);

    const again = await start(context, how);
    const sealed = await outcome(again);
    expect(sealed).toMatchObject({ kind: 'resolved', settlement: { evidence: 'person' } });
    expect(sealed?.change).toMatchObject({ what: 'resolved as settled', because: 'they say so', by: 'local' });
    expect(sealed?.change?.against).toMatch(/^unused at finalised block/);
    expect(await moneyOf(again)).toEqual({ settled: 250_000n, held: 0n });
    expect(await codeOf(await ask(again))).toMatchObject({ code: 'already_paid' });
    const { out } = await command(again, 'explain', String(sealed?.id));
    expect(out).toMatch(/against the books of the rail \(unused at finalised block .*\): they say so/);
    await expectVerified(again);
  });
});

const WORD = `0x${'1'.padStart(64, '0')}`;

describe.concurrent('at a shop of play money', () => {
  const wallets = '\n  - { id: play, rail: sandbox, key: { file: sandbox.pem }, proofLifetime: 5s }';
  const sections = { wallets, limits: '{ paymentSettle: 300ms, diskReserve: 0B }' };

  async function shopThatHangs({ onTestFinished }: TestContext, tells: boolean): Promise<Merchant> {
    const shop = await sandboxMerchant({
      tells,
      routes: [{ method: 'GET', path: '/v1/hang', price: '2', goods: { kind: 'hang' } }],
    });
    onTestFinished(() => shop.close());
    return shop;
  }

  async function start({ onTestFinished }: TestContext, upstream: string): Promise<TestGateway> {
    const gateway = await startGateway({ upstream, sections, policies: policy() });
    onTestFinished(() => gateway.close());
    return gateway;
  }

  test('it says that it took the payment: settled', async (context) => {
    const shop = await shopThatHangs(context, true);
    const gateway = await start(context, shop.url);
    expect(await codeOf(await gateway.ask('/shop/v1/hang'))).toMatchObject({ code: 'payment_uncertain' });
    await ended(gateway);
    expect(await moneyOf(gateway)).toEqual({ settled: 20_000n, held: 0n });
    expect(await outcome(gateway)).toMatchObject({ kind: 'settled', settlement: { evidence: 'rail' } });
    expect(shop.books).toHaveLength(1);
    expect(await codeOf(await gateway.ask('/shop/v1/hang'))).toMatchObject({ code: 'already_paid' });
    await expectVerified(gateway);
  });

  test('it does not tell: held for a person', async (context) => {
    const shop = await shopThatHangs(context, false);
    const gateway = await start(context, shop.url);
    await gateway.ask('/shop/v1/hang');
    await seen(gateway, /^the service does not tell: it answered 404$/);
    await sleep(2_500);
    expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 20_000n });
  });

  test('it says that it did not take it: dead only after its end', async (context) => {
    let saidFalseAt = 0;
    const shop = await hostileMerchant({
      paid: resetAfter(),
      told: () => {
        saidFalseAt ||= Date.now();
        return '{"redeemed":false}';
      },
    });
    context.onTestFinished(() => shop.close());
    const gateway = await start(context, shop.url);
    expect(await codeOf(await gateway.ask('/shop/v1/x'))).toMatchObject({ code: 'payment_uncertain' });
    const [hold] = await holds(gateway);
    const until = Date.parse(hold?.redeemableUntil ?? '');
    await ended(gateway);
    expect(saidFalseAt).toBeLessThan(until);
    const voided = await outcome(gateway);
    expect(voided).toMatchObject({ kind: 'voided', settlement: { evidence: 'rail' } });
    expect(Date.parse(voided?.at ?? '')).toBeGreaterThan(until);
    expect(await moneyOf(gateway)).toEqual({ settled: 0n, held: 0n });
    await expectVerified(gateway);
  });
});
