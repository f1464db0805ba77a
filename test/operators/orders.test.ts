// What operators see and order, over a real store and ledger.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ask, leaveUncertain, openPort, purchase, READER, type TestPort, WRITER } from './port.ts';

let port: TestPort;
beforeEach(async () => {
  port = await openPort();
});
afterEach(() => port.close());

const get = async (path: string) => (await ask(`${port.url}/api/${path}`, { token: READER })).json;
const order = (method: string, path: string, body?: unknown) =>
  ask(`${port.url}/api/${path}`, { method, token: WRITER, body });
const resolve = (hold: string, as: string) =>
  order('POST', `holds/${hold}/resolve`, { as, because: 'seen in the merchant’s books' });
const receiptOf = async (answer: { json: Record<string, unknown> }) =>
  (await port.ledger.find(String(answer.json.receipt)))?.receipt;

test('budgets and holds show what is limited, held and left, and the evidence of an uncertain hold', async () => {
  const hold = await purchase(port, 'h1');
  await leaveUncertain(port, hold);
  const { budgets } = await get('budgets');
  expect(budgets).toMatchObject([
    {
      id: 'day',
      window: 'day',
      limit: '5.000000',
      scopes: [{ scope: '["research-1"]', settled: '0.000000', held: '1.250000', left: '3.750000', payments: 1 }],
    },
  ]);
  const { holds } = await get('holds');
  expect(holds).toMatchObject([
    { id: hold, state: 'uncertain', amount: '1.250000', ending: { code: 'payment_uncertain', upstreamStatus: null } },
  ]);
});

test('of each budget as many scopes are shown as asked for, and no number is guessed', async () => {
  await purchase(port, 'h1');
  await purchase(port, 'h2', undefined, 'research-2');
  await purchase(port, 'h3', undefined, 'research-2');
  expect((await get('budgets')).budgets).toMatchObject([{ scopes: [{ payments: 2 }, { payments: 1 }] }]);
  expect((await get('budgets?scopes=1')).budgets).toMatchObject([{ scopes: [{ scope: '["research-2"]' }] }]);
  for (const query of ['scopes=0', 'scopes=100001', 'scopes=1e2', 'scopes=', 'most=5']) {
    expect([query, (await get(`budgets?${query}`)).code]).toEqual([query, 'query_invalid']);
  }
});

test('a stop is in force and sealed with who gave it and why; start lifts exactly the one named', async () => {
  const answer = await order('POST', 'stops', { kind: 'service', id: 'weather', because: 'price jumped' });
  expect(answer.status).toBe(200);
  expect(answer.json.warning).toBeUndefined();
  expect(await receiptOf(answer)).toMatchObject({
    kind: 'operator',
    change: { what: 'stop service weather', outcome: 'applied', by: 'dana', because: 'price jumped' },
  });
  await order('POST', 'stops', { kind: 'all', id: '*', because: 'incident' });
  await expect(purchase(port, 'h1')).rejects.toThrow('stopped');
  expect((await order('DELETE', 'stops?kind=all&id=*')).status).toBe(200);
  await expect(purchase(port, 'h2')).rejects.toThrow('stopped');
  expect((await get('stops')).stops).toMatchObject([{ kind: 'service', id: 'weather', by: 'dana' }]);
  const started = await order('DELETE', 'stops?kind=service&id=weather&because=fixed');
  expect(await receiptOf(started)).toMatchObject({
    change: { what: 'start service weather', outcome: 'applied', by: 'dana', because: 'fixed' },
  });
  await purchase(port, 'h3');
  const again = await order('DELETE', 'stops?kind=service&id=weather');
  expect([again.status, again.json.code]).toEqual([404, 'not_stopped']);
});

test('a stop of an id that nothing has is in force and says so', async () => {
  const answer = await order('POST', 'stops', { kind: 'agent', id: 'reserch-1', because: 'x' });
  expect(answer.json.warning).toContain('reserch-1');
  expect(await port.budget.stops()).toHaveLength(1);
});

test('an uncertain hold resolved as settled is spent, and its receipt names the purchase and the person', async () => {
  const hold = await purchase(port, 'h1');
  await leaveUncertain(port, hold);
  const answer = await resolve(hold, 'settled');
  expect(await receiptOf(answer)).toMatchObject({
    kind: 'resolved',
    exchange: 'exchange-h1',
    trace: 'b'.repeat(32),
    agent: { id: 'research-1', owner: 'dana@example.com' },
    service: { id: 'weather', provider: 'Acme' },
    hold: { id: hold, amount: '1.250000' },
    settlement: { evidence: 'person' },
    change: { what: 'resolved as settled', outcome: 'applied', by: 'dana' },
  });
  expect((await get('holds')).holds).toEqual([]);
  const [line] = await port.budget.scopes(
    { budget: 'day', window: { kind: 'day' }, per: 'agent', limitMicros: 5_000_000n, limitPayments: null },
    1,
  );
  expect([line?.settledMicros, line?.heldMicros]).toEqual([1_250_000n, 0n]);
  expect((await port.ledger.unfinished()).outcomes).toEqual([]);
});

test('voided is refused while a proof can be redeemed, and gives the money back after', async () => {
  const hold = await purchase(port, 'h1', Date.now() + 60_000);
  await leaveUncertain(port, hold);
  const early = await resolve(hold, 'voided');
  expect([early.status, early.json.code]).toEqual([409, 'proof_redeemable']);
  expect((await get('holds')).holds).toHaveLength(1);
  port.ahead(61_000);
  expect((await resolve(hold, 'voided')).status).toBe(200);
  const { budgets } = await get('budgets');
  expect(JSON.stringify(budgets)).not.toContain('1.250000');
});

test('a hold whose request runs, one that is unknown, and one whose outcome is sealed are not resolved', async () => {
  const hold = await purchase(port, 'h1');
  expect((await resolve(hold, 'settled')).json.code).toBe('hold_running');
  expect((await resolve(`${port.ledger.log}.nothing`, 'settled')).json.code).toBe('hold_unknown');
  await leaveUncertain(port, hold);
  await port.ledger.seal({
    kind: 'settled',
    exchange: 'exchange-h1',
    hold: { id: hold, wallet: 'play', amount: '1.250000', fee: '0.000000', budgets: [] },
  });
  port.ahead(61_000);
  const against = await resolve(hold, 'voided');
  expect([against.status, against.json.code]).toEqual([409, 'outcome_sealed']);
  expect((await get('holds')).holds).toHaveLength(1);
});

test('many orders for one hold at once end it once, with one receipt', async () => {
  const hold = await purchase(port, 'h1', Date.now() - 1);
  await leaveUncertain(port, hold);
  const answers = await Promise.all(['settled', 'voided', 'settled', 'voided'].map((as) => resolve(hold, as)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404]);
  expect(await port.ledger.list({ kind: 'resolved' })).toHaveLength(1);
});

test('receipts are listed by every filter and shown by id', async () => {
  await purchase(port, 'h1');
  await purchase(port, 'h2');
  const all = (await get('receipts')).receipts;
  expect(all).toMatchObject([
    { receipt: { kind: 'intended', exchange: 'exchange-h2' } },
    { receipt: { exchange: 'exchange-h1' } },
  ]);
  expect(
    (await get('receipts?exchange=exchange-h1&agent=research-1&service=weather&kind=intended')).receipts,
  ).toHaveLength(1);
  expect((await get('receipts?limit=1')).receipts).toHaveLength(1);
  expect((await get('receipts?team=other')).receipts).toEqual([]);
  expect((await get('receipts?since=2100-01-01T00:00:00Z')).receipts).toEqual([]);
  expect(await get(`receipts/${port.ledger.log}.1`)).toMatchObject({ receipt: { seq: 1 }, hash: expect.any(String) });
  expect((await get('receipts/other.1')).code).toBe('not_found');
});
