// A seller that misbehaves around the payment: asks again, raises its price, fails, forges a receipt, breaks off, or
// sends its buyer round in circles. One request of an agent is at most one payment.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sandboxMerchant } from '../../src/demo/merchant.ts';
import { type ChallengeChanges, sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import * as script from '../fakes/script.ts';
import { expectNoMoney, expectPaid, type Outcome, type Stand, startStand, watch } from '../support/stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.close());

const TEN_CENTS = 100_000n;
const demand = (changes: ChallengeChanges = {}) => script.demand(sandboxChallenge(changes));
const price = (amount: string) => demand({ request: { amount } });

let asked = 0;
const ask = (headers: Record<string, string> = {}) => stand.gateway.ask(`/shop/v1/${++asked}`, { headers });

function expectHeld(outcome: Outcome, code: string): void {
  expect(outcome).toMatchObject({ taken: 1, settled: 0n, held: TEN_CENTS });
  expect(outcome.answer.status).toBe(424);
  expect(JSON.parse(outcome.body)).toMatchObject({ code, amount: '0.100000', state: 'exposed' });
  expect(outcome.sealed.map(({ kind }) => kind)).toEqual(['intended', 'uncertain']);
}

test('FLOW-01: a seller that answers every payment with a new demand is paid once for one request', async () => {
  stand.behave({ paid: () => demand() });
  const outcome = await watch(stand, () => ask());
  expectHeld(outcome, 'payment_rejected');
  expect(outcome.requests.map(({ paid }) => paid)).toEqual([false, true]);
});

test('FLOW-01: a seller that never delivers is paused after as many unsettled purchases as are allowed', async () => {
  const paused = await startStand({ sections: { limits: '{ diskReserve: 0B, unsettled: 3 }' } });
  try {
    paused.behave({ paid: () => demand() });
    for (let nth = 0; nth < 3; nth++) expectHeld(await watch(paused), 'payment_rejected');
    await expectNoMoney(paused, 'service_paused');
    expect(paused.merchant.books.taken).toHaveLength(3);
    await watch(paused, () => paused.gateway.ask('/shop/v1/other', { agent: 'buyer-2' }));
    expect(paused.merchant.books.taken).toHaveLength(4);
  } finally {
    await paused.close();
  }
});

test('FLOW-02: a price that rises after the payment is decided anew, by a new request, up to the ceiling', async () => {
  const prices = ['10', '100', '1000', '10000'];
  stand.behave({ unpaid: price('10'), paid: (nth) => price(prices[nth] ?? '1') });
  expectHeld(await watch(stand, () => ask()), 'payment_rejected');
  for (const amount of ['101', '1000', '10000']) {
    stand.behave({ unpaid: price(amount) });
    await expectNoMoney(stand, 'over_ceiling', () => ask());
  }
});

test('FLOW-04: paid, then an error or nothing: the money stays gone, and the same key buys no more', async () => {
  for (const [status, code] of [
    [500, 'paid_not_delivered'],
    [404, 'payment_uncertain'],
    [403, 'payment_uncertain'],
  ] as const) {
    stand.behave({ paid: script.answer(status, { body: 'x' }) });
    const key = { 'idempotency-key': `flow-04-${status}` };
    const path = `/shop/v1/${++asked}`;
    const first = await watch(stand, () => stand.gateway.ask(path, { headers: key }));
    expect(first).toMatchObject({ taken: 1, settled: 0n, held: TEN_CENTS });
    stand.behave({});
    const again = await watch(stand, () => stand.gateway.ask(path, { headers: key }));
    expect(again).toMatchObject({ taken: 0, settled: 0n, held: 0n, sealed: [], requests: [] });
    expect([again.answer.status, JSON.parse(again.body).code]).toEqual([424, code]);
  }
  stand.behave({ paid: script.answer(204, { contentLength: null }) });
  await expectPaid(stand, TEN_CENTS, () => ask());
});

const receipt = (value: unknown) =>
  [['Payment-Receipt', Buffer.from(JSON.stringify(value)).toString('base64url')] as const] as const;

test('FLOW-06: a forged receipt changes neither what was settled nor whether it was', async () => {
  const forged = receipt({ status: 'success', reference: 'other', amount: '0', timestamp: '2999-01-01T00:00:00Z' });
  stand.behave({ unpaid: script.answer(200, { headers: forged }) });
  const free = await watch(stand, () => ask());
  expect(free).toMatchObject({ sealed: [], settled: 0n, held: 0n, taken: 0 });
  stand.behave({ paid: script.answer(200, { headers: forged }) });
  const { settled } = await expectPaid(stand, TEN_CENTS, () => ask());
  expect(settled.offer).toMatchObject({ atoms: '10', value: '0.100000' });
  expect(settled.settlement).toMatchObject({ evidence: 'answered', reference: 'other' });
});

test('FLOW-07: a receipt on an error proves nothing: the money stays held, and is counted once', async () => {
  stand.behave({ paid: script.answer(500, { headers: receipt({ status: 'success', reference: 'tx' }) }) });
  const outcome = await watch(stand, () => ask());
  expectHeld(outcome, 'paid_not_delivered');
  expect(outcome.answer.headers.get('payment-receipt')).toBeNull();
});

test('FLOW-08: a receipt that is broken or too long is no reason to withhold what was paid for', async () => {
  const values = ['%%%', '<script>', 'A'.repeat(9_000), Buffer.from('{"__proto__":1}').toString('base64url')];
  for (const value of values) {
    stand.behave({ paid: script.answer(200, { headers: [['Payment-Receipt', value]], body: 'goods' }) });
    const { outcome, settled } = await expectPaid(stand, TEN_CENTS, () => ask());
    expect(outcome.body).toBe('goods');
    expect(settled.settlement).toEqual({ evidence: 'answered', upstreamStatus: 200 });
  }
  stand.behave({ paid: script.answer(200, { headers: [['Payment-Receipt', 'A'.repeat(1_000_000)]] }) });
  expectHeld(await watch(stand, () => ask()), 'payment_uncertain');
});

test('FLOW-10: a reset after the proof was sent is never followed by another proof', async () => {
  for (const bytes of [0, 1, 30]) {
    stand.behave({ paid: script.resetAfter(bytes) });
    const outcome = await watch(stand, () => ask());
    expectHeld(outcome, 'payment_uncertain');
    expect(outcome.requests.map(({ paid }) => paid)).toEqual([false, true]);
  }
});

test('FLOW-16: a proof is worth nothing to another seller', async () => {
  const other = await sandboxMerchant({
    routes: [{ method: 'GET', path: '/v1/x', price: '10', goods: { kind: 'json', body: {} } }],
  });
  try {
    stand.behave({});
    await expectPaid(stand, TEN_CENTS, () => ask());
    const sent = stand.merchant.requests.at(-1)?.headers ?? [];
    const [, authorization = ''] = sent.find(([name]) => name.toLowerCase() === 'authorization') ?? [];
    expect(authorization).toMatch(/^Payment /);
    const tried = await fetch(`${other.url}/v1/x`, { headers: { authorization } });
    expect(tried.status).toBe(402);
    expect(other.books).toEqual([]);
  } finally {
    await other.close();
  }
});

test('FLOW-19: a redirect is never followed, so none goes in circles', async () => {
  stand.behave({ unpaid: script.redirect(302, '/v1/x'), paid: script.redirect(302, '/v1/x') });
  const outcome = await watch(stand, () => ask());
  expect(outcome.requests).toHaveLength(1);
  expect(outcome).toMatchObject({ taken: 0, sealed: [] });
  stand.behave({ paid: script.redirect(302, '/v1/x') });
  const paid = await watch(stand, () => ask());
  expect(paid.requests).toHaveLength(2);
  expect(paid).toMatchObject({ taken: 1, held: TEN_CENTS });
});

test('FLOW-20: interim answers neither demand nor settle anything, however many there are', async () => {
  const hint = script.answer(103, { headers: [['WWW-Authenticate', sandboxChallenge()]], contentLength: null });
  const flood = Array.from({ length: 1_000 }, () => hint).flat();
  stand.behave({ unpaid: [...flood, ...script.goods] });
  expect(await watch(stand, () => ask())).toMatchObject({ taken: 0, sealed: [], body: '{"goods":true}' });
  stand.behave({ unpaid: [...flood, ...demand()], paid: [...flood, ...script.goods] });
  await expectPaid(stand, TEN_CENTS, () => ask());
});

test('FLOW-25: the same number in another currency is another demand, and the old hold does not serve it', async () => {
  stand.behave({ paid: demand({ request: { currency: 'eur' } }) });
  const outcome = await watch(stand, () => ask());
  expectHeld(outcome, 'payment_rejected');
  stand.behave({ unpaid: demand({ request: { currency: 'eur' } }) });
  await expectNoMoney(stand, 'asset_unknown', () => ask());
});

test('FLOW-27: a Retry-After of the seller is obeyed by nobody here: no wait, no loop', async () => {
  for (const value of ['0', '1000000000', '-1', 'Fri, 31 Dec 9999 23:59:59 GMT', 'x']) {
    const headers = [['Retry-After', value] as const];
    stand.behave({ unpaid: script.demand(sandboxChallenge(), { headers }) });
    await expectPaid(stand, TEN_CENTS, () => ask());
    stand.behave({ paid: script.answer(503, { headers }) });
    const outcome = await watch(stand, () => ask());
    expectHeld(outcome, 'paid_not_delivered');
    expect(outcome.answer.headers.get('retry-after')).toBeNull();
    expect(outcome.requests).toHaveLength(2);
  }
});

test('FLOW-30: what an agent says of its price can only narrow what the policy allows', async () => {
  stand.behave({ unpaid: () => price('500') });
  await expectNoMoney(stand, 'over_ceiling', () =>
    ask({ 'purser-max-price': '1000 USD', 'x-max-amount': '1000', 'x-purser-skip-policy': '1' }),
  );
  stand.behave({ unpaid: () => demand() });
  await expectNoMoney(stand, 'over_max_price', () => ask({ 'purser-max-price': '0.099999 USD' }));
  await expectPaid(stand, TEN_CENTS, () => ask({ 'purser-max-price': '0.1 USD' }));
});
