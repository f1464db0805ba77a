// A service may write anything into its reason phrase. It must not cost the agent the goods it paid for, nor make a
// settled payment uncertain in the log.
import { expect, test } from 'vitest';
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { answer } from '../fakes/script.ts';
import { sendRaw, startGateway } from '../support/gateway.ts';

const REASONS = ['O\x01K', 'O\x7fK', 'Ünï €', '\t'];

test('a paid answer with any reason phrase is delivered, and has one outcome', async () => {
  const shop = await hostileMerchant({
    paid: (nth) => answer(200, { reason: REASONS[nth - 1] ?? '', body: 'the goods' }),
  });
  const gateway = await startGateway({ upstream: shop.url });
  try {
    for (const [nth] of REASONS.entries()) {
      const head = `GET /shop/${nth} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n`;
      const came = await sendRaw(gateway.agents, `${head}Purser-Token: ${await gateway.token()}\r\n\r\n`);
      expect(came).toMatch(/^HTTP\/1\.1 200 [ -~]*\r\n/);
      expect(came).toMatch(/;state=settled;/);
      expect(came).toContain('the goods');
    }
    expect(shop.books.taken).toHaveLength(REASONS.length);
    const kinds = (await gateway.receipts()).map(({ kind }) => kind).filter((kind) => kind !== 'policy');
    expect(kinds).toEqual(REASONS.flatMap(() => ['intended', 'settled', 'delivered']));
  } finally {
    await gateway.close();
    await shop.close();
  }
});

test('an unpaid answer with any reason phrase is relayed', async () => {
  const shop = await hostileMerchant({ unpaid: answer(200, { reason: 'O\x01K', body: 'free' }) });
  const gateway = await startGateway({ upstream: shop.url });
  try {
    const relayed = await gateway.ask('/shop/free');
    expect(relayed.status).toBe(200);
    expect(await relayed.text()).toBe('free');
  } finally {
    await gateway.close();
    await shop.close();
  }
});
