// A gateway with one scripted merchant behind it, and everything both of them say about money: the merchant's books,
// the budgets, the open holds, what was sealed. For tests that judge a case by all of these at once.
import { expect } from 'vitest';
import type { Receipt } from '../../src/domain/receipt.ts';
import { type CapturedRequest, type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { type ChallengeChanges, sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { demand, goods, type Script } from '../fakes/script.ts';
import { type GatewaySetup, policy, startGateway, type TestGateway } from './gateway.ts';

/** What the merchant does from now on; `nth` counts the requests of that sort since it was told. */
export interface Behaviour {
  /** To an unpaid request; default a fresh valid demand. */
  readonly unpaid?: Script | ((nth: number, request: CapturedRequest) => Script);
  /** To a paid one; default the goods. */
  readonly paid?: Script | ((nth: number, request: CapturedRequest) => Script);
}

/** Totals over all scopes of all budgets, in micro-units. */
export interface Money {
  readonly settled: bigint;
  readonly held: bigint;
}

/** An open hold as the operators' port shows it. */
export interface HoldView {
  readonly id: string;
  readonly exchange: string;
  readonly state: 'held' | 'exposed' | 'uncertain';
  readonly amount: string;
  readonly heldAt: string;
  readonly evidence: { readonly seen: string; readonly at: string; readonly next: string } | null;
  readonly ending: { readonly code: string | null; readonly upstreamStatus: number | null } | null;
}

/** The body of a problem document. */
export type Problem = Readonly<Record<string, unknown>> & { readonly receipt?: string; readonly code: string };

/** A gateway, its merchant, and what they say. */
export interface Stand {
  readonly gateway: TestGateway;
  readonly merchant: HostileMerchant;
  /** Tells the merchant how to behave; what is not named is as it should be. */
  behave(behaviour: Behaviour): void;
  /** It demands this, again and again; a list writes one header line each. */
  demands(challenge: string | readonly string[]): void;
  money(): Promise<Money>;
  holds(): Promise<HoldView[]>;
  /** What was sealed after this number. */
  sealedAfter(seq: number): Promise<Receipt[]>;
  lastSeq(): Promise<number>;
  close(): Promise<void>;
}

/** Play money enough for a whole file, and no pause for uncertain purchases. */
const ROOMY = '{ paymentSettle: 2s, diskReserve: 0B, unsettled: 100000 }';

/**
 * Starts both; the policy lets `buyer-*` pay `acme` up to 1 USD. `UPSTREAM` in a section becomes the merchant's URL.
 */
export async function startStand(setup: Omit<GatewaySetup, 'upstream'> = {}): Promise<Stand> {
  let now: Behaviour = {};
  let unpaid = 0;
  let paid = 0;
  const fresh = () => demand(sandboxChallenge());
  const merchant = await hostileMerchant({
    unpaid: (_, request) => chosen(now.unpaid ?? fresh, ++unpaid, request),
    paid: (_, request) => chosen(now.paid ?? goods, ++paid, request),
  });
  const gateway = await startGateway({
    policies: policy({ limit: '1000.00 USD' }),
    ...setup,
    sections: Object.fromEntries(
      Object.entries({ limits: ROOMY, ...setup.sections }).map(([name, text]) => [
        name,
        text.replaceAll('UPSTREAM', merchant.url),
      ]),
    ),
    upstream: merchant.url,
  });
  const behave = (behaviour: Behaviour) => {
    now = behaviour;
    unpaid = 0;
    paid = 0;
  };
  return {
    gateway,
    merchant,
    behave,
    demands: (challenge) => behave({ unpaid: demand(challenge) }),
    money: () => moneyOf(gateway),
    holds: async () => (await gateway.api<{ holds: HoldView[] }>('holds')).holds,
    lastSeq: async () => (await newest(gateway, 1))[0]?.seq ?? 0,
    sealedAfter: async (seq) => (await newest(gateway, 1000)).filter((receipt) => receipt.seq > seq).reverse(),
    async close() {
      await gateway.close();
      await merchant.close();
    },
  };
}

function chosen(behaviour: Exclude<Behaviour['paid'], undefined>, nth: number, request: CapturedRequest): Script {
  return typeof behaviour === 'function' ? behaviour(nth, request) : behaviour;
}

async function newest(gateway: TestGateway, limit: number): Promise<Receipt[]> {
  const { receipts } = await gateway.api<{ receipts: { receipt: Receipt }[] }>(`receipts?limit=${limit}`);
  return receipts.map(({ receipt }) => receipt);
}

/** All budgets together. A payment counts once in each budget that it touches. */
export async function moneyOf(gateway: TestGateway): Promise<Money> {
  const { budgets } = await gateway.api<{ budgets: { scopes: { settled: string; held: string }[] }[] }>('budgets');
  const scopes = budgets.flatMap((budget) => budget.scopes);
  return {
    settled: scopes.reduce((sum, scope) => sum + micros(scope.settled), 0n),
    held: scopes.reduce((sum, scope) => sum + micros(scope.held), 0n),
  };
}

/** `0.020000` → 20000n */
export function micros(text: string): bigint {
  expect(text).toMatch(/^\d+\.\d{6}$/);
  return BigInt(text.replace('.', ''));
}

/** What one request did: everything that was sealed for it, and how money moved meanwhile. */
export interface Outcome {
  readonly answer: Response;
  readonly body: string;
  readonly sealed: Receipt[];
  readonly settled: bigint;
  readonly held: bigint;
  /** Payments that came into the merchant's hands. */
  readonly taken: number;
  /** Requests that reached the merchant. */
  readonly requests: readonly CapturedRequest[];
}

/** A GET that was not asked before, so that it is a purchase of its own and not a repeat of an uncertain one. */
let asked = 0;
const askNew = (stand: Stand) => stand.gateway.ask(`/shop/v1/x?n=${++asked}`);

/** Sends one request alone and reads its answer to the end; a body that breaks off reads as `cut`. */
export async function watch(stand: Stand, ask: () => Promise<Response> = () => askNew(stand)): Promise<Outcome> {
  const [before, seq] = [await stand.money(), await stand.lastSeq()];
  const [taken, read] = [stand.merchant.books.taken.length, stand.merchant.requests.length];
  const answer = await ask();
  const body = await answer.text().catch(() => 'cut');
  const sealed = await settledDown(stand, seq);
  const after = await stand.money();
  return {
    answer,
    body,
    sealed,
    settled: after.settled - before.settled,
    held: after.held - before.held,
    taken: stand.merchant.books.taken.length - taken,
    requests: stand.merchant.requests.slice(read),
  };
}

/** Waits until what was begun is ended: an answer that was handed over is sealed a moment after it arrived. */
async function settledDown(stand: Stand, seq: number): Promise<Receipt[]> {
  for (;;) {
    const sealed = await stand.sealedAfter(seq);
    const count = (...kinds: string[]) => sealed.filter(({ kind }) => kinds.includes(kind)).length;
    const relayed = sealed.filter(({ kind, decision }) => kind === 'uncertain' && decision?.code === undefined).length;
    const ended = count('settled', 'uncertain', 'voided') === count('intended');
    if (ended && count('settled') + relayed <= count('delivered')) return sealed;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * NP: no money moves. The merchant got no payment, settled and held are as they were, and exactly one refusal with this
 * code was sealed, the one the answer names.
 */
export async function expectNoMoney(
  stand: Stand,
  code: string,
  ask?: () => Promise<Response>,
): Promise<{ outcome: Outcome; problem: Problem; receipt: Receipt }> {
  const outcome = await watch(stand, ask);
  const { answer, sealed } = outcome;
  expect(JSON.parse(outcome.body)).toMatchObject({ code });
  const problem = JSON.parse(outcome.body) as Problem;
  expect(outcome.requests.filter(({ paid }) => paid)).toEqual([]);
  expect({ taken: outcome.taken, settled: outcome.settled, held: outcome.held }).toEqual({
    taken: 0,
    settled: 0n,
    held: 0n,
  });
  const [receipt, ...more] = sealed;
  expect(more).toEqual([]);
  expect(receipt).toMatchObject({ kind: 'refused', id: problem.receipt, decision: { outcome: 'refused', code } });
  if (!receipt) throw new Error('no receipt was sealed');
  expect(answer.headers.get('www-authenticate')).toBeNull();
  return { outcome, problem, receipt };
}

/** The merchant demands this; nothing is paid and `code` is the one sealed answer. */
export async function refuses(
  stand: Stand,
  code: string,
  challenge: string | readonly string[] | ChallengeChanges,
): Promise<{ problem: Problem; receipt: Receipt }> {
  const isText = typeof challenge === 'string' || Array.isArray(challenge);
  stand.demands(isText ? (challenge as string | readonly string[]) : sandboxChallenge(challenge as ChallengeChanges));
  return expectNoMoney(stand, code);
}

/** One payment of this many micro-units: in the merchant's books once, settled, intended → settled → delivered. */
export async function expectPaid(
  stand: Stand,
  amount: bigint,
  ask?: () => Promise<Response>,
): Promise<{ outcome: Outcome; settled: Receipt }> {
  const outcome = await watch(stand, ask);
  expect(outcome.sealed.map(({ kind }) => kind)).toEqual(['intended', 'settled', 'delivered']);
  expect({ taken: outcome.taken, settled: outcome.settled, held: outcome.held }).toEqual({
    taken: 1,
    settled: amount,
    held: 0n,
  });
  const settled = outcome.sealed[1];
  if (!settled) throw new Error('nothing was settled');
  expect(outcome.answer.headers.get('purser-receipt')).toContain(`"${settled.id}";state=settled;`);
  return { outcome, settled };
}
