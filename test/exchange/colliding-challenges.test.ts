// A published `mppx` merchant names its challenges by price and a millisecond, so a crowd of honest purchases is handed
// the same ones. Each challenge is still paid once, and nearly everybody is served by asking for a fresh one.
import { expect, test } from 'vitest';
import { sandboxMerchant } from '../../src/demo/merchant.ts';
import { policy, spawnGateway } from '../support/gateway.ts';

const CROWD = 1_000;
/** On an overloaded machine a connection may take too long as well. */
const UNPAID = ['challenge_reused', 'upstream_unreachable', 'upstream_timeout'];

test('a thousand at once: at least 950 are served, the others are refused unpaid, and the books agree', {
  timeout: 120_000,
}, async () => {
  const shop = await sandboxMerchant({
    routes: [{ method: 'GET', path: '/v1/x', price: '2', goods: { kind: 'json', body: { x: 1 } } }],
  });
  const gateway = await spawnGateway({
    upstream: shop.url,
    policies: policy({ limit: '1000.00 USD' }),
    sections: { limits: '{ paymentSettle: 30s, diskReserve: 0B, unsettled: 100000, refusals: 10000/m }' },
  });
  const headers = { 'purser-token': await gateway.token() };
  const answers = await Promise.all(
    Array.from({ length: CROWD }, async (_, n) => {
      const answer = await gateway.ask(`/shop/v1/x?n=${n}`, { headers });
      return { status: answer.status, body: (await answer.json()) as { x?: number; code?: string } };
    }),
  );
  const bought = answers.filter(({ status, body }) => status === 200 && body.x === 1).length;
  const codes = answers.filter(({ status }) => status !== 200).map(({ body }) => body.code);
  expect(codes.filter((code) => !UNPAID.includes(code ?? ''))).toEqual([]);
  expect(bought).toBeGreaterThanOrEqual(950);
  expect(shop.books.length).toBe(bought);
  expect(new Set(shop.books.map(({ challengeId }) => challengeId)).size).toBe(bought);
  const { budgets } = await gateway.api<{ budgets: { scopes: { settled: string; held: string }[] }[] }>('budgets');
  const settled = (bought * 0.02).toFixed(6);
  expect(budgets[0]?.scopes).toMatchObject([{ settled, held: '0.000000' }]);
  await gateway.close();
  await shop.close();
});
