// A gateway that is killed and started again on its state still knows every purchase: repeats are answered, not paid.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { type GatewayProcess, spawnGateway } from '../support/gateway.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const WAIT = { timeout: 20_000, interval: 20 };

let folder: string;
let shop: PaidShop;
let gateway: GatewayProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'purser-restart-'));
  shop = await paidShop((response, { target }) => {
    if (target !== '/hang') response.writeHead(target === '/fails' ? 500 : 200).end('the goods');
  });
  gateway = await start();
});

afterAll(async () => {
  await gateway.close();
  await shop.close();
  rmSync(folder, { recursive: true, force: true });
});

const start = (): Promise<GatewayProcess> =>
  spawnGateway({
    folder,
    upstream: shop.url,
    sections: { limits: '{ paymentSettle: 60s, diskReserve: 0B }' },
  });

const ask = (path: string, key?: string): Promise<Response> =>
  gateway.ask(`/shop${path}`, key === undefined ? {} : { headers: { 'idempotency-key': key } });

interface Scope {
  readonly settled: string;
  readonly held: string;
}

async function budget(): Promise<Scope> {
  const { budgets } = await gateway.api<{ budgets: { scopes: Scope[] }[] }>('budgets');
  const { settled = '', held = '' } = budgets[0]?.scopes[0] ?? {};
  return { settled, held };
}

const upstreamKeys = (target: string) =>
  shop.requests.filter((request) => request.target === target).map(({ headers }) => headers['idempotency-key']);

test('after a kill every repeat is the purchase it was, budgets stand, and the log verifies', async () => {
  expect((await ask('/whole', 'settled')).status).toBe(200);
  expect((await ask('/fails', 'failed')).status).toBe(424);
  expect((await ask('/fails')).status).toBe(424);
  const lost = [ask('/hang', 'hanging'), ask('/hang')];
  for (const one of lost) one.catch(() => {});
  await vi.waitFor(() => expect(shop.books.length).toBe(5), WAIT);
  const before = await budget();
  expect(before).toEqual({ settled: '0.020000', held: '0.080000' });

  await gateway.kill();
  await Promise.allSettled(lost);
  gateway = await start();
  const asked = shop.requests.length;

  const whole = await ask('/whole', 'settled');
  expect(await whole.json()).toMatchObject({ status: 424, code: 'already_paid', state: 'settled', amount: '0.020000' });
  const failed = { status: 424, code: 'paid_not_delivered', upstreamStatus: 500, state: 'exposed' };
  expect(await (await ask('/fails', 'failed')).json()).toMatchObject(failed);
  const uncertain = { status: 424, code: 'payment_uncertain', state: 'exposed', amount: '0.020000' };
  expect(await (await ask('/hang', 'hanging')).json()).toMatchObject(uncertain);
  expect(shop.requests.length).toBe(asked);
  expect(await (await ask('/fails')).json()).toMatchObject(failed);
  expect(await (await ask('/hang')).json()).toMatchObject(uncertain);

  expect(shop.books.length).toBe(5);
  expect(await budget()).toEqual(before);
  const { holds } = await gateway.api<{ holds: { state: string }[] }>('holds');
  expect(holds.map(({ state }) => state)).toEqual(['uncertain', 'uncertain', 'uncertain', 'uncertain']);
  const receipts = await gateway.receipts();
  for (const kind of ['settled', 'uncertain'] as const) {
    expect(receipts.filter((one) => one.kind === kind)).toHaveLength(kind === 'settled' ? 1 : 4);
  }

  expect((await ask('/hang?new', 'settled')).status).toBe(422);
  const verified = await promisify(execFile)(process.execPath, [
    MAIN,
    'receipts',
    'verify',
    '--config',
    join(folder, 'config.yaml'),
  ]);
  expect(verified.stdout).not.toBe('');
});

test('the key that goes upstream for an Idempotency-Key is the same after a restart', async () => {
  await gateway.ask('/shop/same', {
    agent: 'buyer-2',
    headers: { 'idempotency-key': 'k', 'purser-max-price': '0.01 USD' },
  });
  await gateway.kill();
  gateway = await start();
  await gateway.ask('/shop/same', { agent: 'buyer-2', headers: { 'idempotency-key': 'k' } });
  const keys = upstreamKeys('/same');
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
});
