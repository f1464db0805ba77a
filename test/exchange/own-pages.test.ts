// What an agent reads of itself under /.purser/, and that it reads nothing of anybody else.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';

let shop: PaidShop;
let gateway: TestGateway;
let goods: PromiseWithResolvers<void>;

beforeAll(async () => {
  goods = Promise.withResolvers();
  shop = await paidShop(async (response, { target }) => {
    if (target === '/waits') await goods.promise;
    response.writeHead(target === '/fails' ? 503 : 200).end('the goods');
  });
  gateway = await startGateway({
    upstream: shop.url,
    policies: policy({ limit: '5.00 USD', payments: 100, ceiling: '0.50 USD' }),
  });
});

afterAll(async () => {
  await gateway.close();
  await shop.close();
});

const page = async (path: string, agent = 'buyer-1'): Promise<{ status: number; body: unknown }> => {
  const answer = await gateway.ask(`/.purser${path}`, { agent });
  return { status: answer.status, body: await answer.json() };
};
const buy = (path: string, key: string) => gateway.ask(`/shop${path}`, { headers: { 'idempotency-key': key } });
const receiptOf = (answer: Response): string =>
  /^"([^"]+)"/.exec(answer.headers.get('purser-receipt') ?? '')?.[1] ?? '';

test('a purchase is found by its key while it runs, when it is settled, and when its outcome is unknown', async () => {
  const running = buy('/waits', 'mine');
  await vi.waitFor(() => expect(shop.books.length).toBe(1));
  expect(await page('/purchases?key=mine')).toMatchObject({
    status: 200,
    body: { state: 'exposed', running: true, amount: '0.020000', currency: 'USD', receipts: [{ kind: 'intended' }] },
  });
  goods.resolve();
  await (await running).text();
  await vi.waitFor(async () => {
    expect(await page('/purchases?key=mine')).toMatchObject({
      status: 200,
      body: {
        state: 'settled',
        running: false,
        receipts: [{ kind: 'intended' }, { kind: 'settled' }, { kind: 'delivered' }],
      },
    });
  });
  expect((await buy('/fails', 'lost')).status).toBe(424);
  expect(await page('/purchases?key=lost')).toMatchObject({
    status: 200,
    body: { state: 'exposed', running: false, receipts: [{ kind: 'intended' }, { kind: 'uncertain' }] },
  });
});

test("another agent's key is not found, and a request without a readable key is refused", async () => {
  await (await buy('/ok', 'private')).text();
  expect((await page('/purchases?key=private', 'buyer-2')).status).toBe(404);
  expect((await page('/purchases?key=unused')).status).toBe(404);
  for (const query of ['', '?key=', '?key=a%20b', `?key=${'k'.repeat(256)}`]) {
    expect(await page(`/purchases${query}`)).toMatchObject({ status: 400, body: { code: 'header_malformed' } });
  }
});

test("an agent reads its own receipts; another agent's and an unknown one are not found", async () => {
  const id = receiptOf(await buy('/ok', 'receipt'));
  expect(await page(`/receipts/${id}`)).toMatchObject({
    status: 200,
    body: { receipt: { id, kind: 'settled', agent: { id: 'buyer-1' } }, hash: expect.any(String) },
  });
  const others = await page(`/receipts/${id}`, 'buyer-2');
  expect(others.status).toBe(404);
  const unknown = await page(`/receipts/${id.split('.')[0]}.999999`, 'buyer-2');
  expect(unknown).toEqual(others);
});

test("another gateway's receipt is not found, and the answer names its log", async () => {
  const answer = await page('/receipts/abcdef123456.7');
  expect(answer).toMatchObject({ status: 404, body: { log: 'abcdef123456' } });
  expect(JSON.stringify(answer.body)).toContain('abcdef123456, which another gateway keeps');
});

test('the services that it may reach, with base URL and ceiling', async () => {
  const { status, body } = await page('/services');
  expect(status).toBe(200);
  expect(body).toMatchObject({ services: [{ service: 'shop', baseUrl: '/shop' }] });
  expect(JSON.stringify(body)).toContain('0.50');
});

test('the budgets that it may still spend are its own alone', async () => {
  await (await gateway.ask('/shop/ok', { agent: 'buyer-2' })).text();
  const { body } = await page('/budgets', 'buyer-2');
  expect(body).toEqual({
    budgets: [
      {
        ...{ budget: 'purse', limit: '5.000000', settled: '0.020000', held: '0.000000', left: '4.980000' },
        ...{ paymentsLimit: 100, payments: 1, resetsAt: expect.stringMatching(/T00:00:00\.000Z$/) },
      },
    ],
  });
});

test('the pages are read only, need a token, and are never upstream', async () => {
  const asked = shop.requests.length;
  expect((await gateway.ask('/.purser/budgets', { method: 'POST', body: '{}' })).status).toBe(400);
  expect((await fetch(`${gateway.agents}/.purser/budgets`)).status).toBe(401);
  expect((await gateway.ask('/.purser/nothing')).status).toBe(404);
  expect((await gateway.ask('/.purser/budgets', { agent: 'stranger' })).status).toBe(403);
  expect(shop.requests.length).toBe(asked);
});
