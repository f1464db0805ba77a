// The log reconciled with what it is not: the rail's own extract, and the counters of a store that gateways share.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import { run } from '../command/support.ts';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { audited, extract, kinds, type Row } from '../support/auditing.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { onRedis } from '../support/stores.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A published payment server that sells for 3 cents. */
async function shop(): Promise<Merchant> {
  const goods = { kind: 'json', body: {} } as const;
  const merchant = await sandboxMerchant({ routes: [{ method: 'GET', path: '/v1/x', price: '3', goods }] });
  closing.push(() => merchant.close());
  return merchant;
}

async function gateway(setup: Parameters<typeof startGateway>[0]): Promise<TestGateway> {
  const started = await startGateway(setup);
  closing.push(() => started.close());
  return started;
}

async function buy(from: TestGateway, purchases: number): Promise<void> {
  for (let n = 0; n < purchases; n += 1) expect((await from.ask(`/shop/v1/x?n=${n}`)).status).toBe(200);
}

const rows = ({ books }: Merchant): Row[] =>
  books.map(({ nonce, amount, currency, recipient, at }) => ({
    payment: nonce,
    amount,
    asset: currency,
    payee: recipient,
    at: new Date(at).toISOString(),
  }));

test('LOG-16: a payment that the rail lacks, and one that it has beyond the log, are told by their names', async () => {
  const merchant = await shop();
  const buyer = await gateway({ upstream: merchant.url });
  await buy(buyer, 5);
  const whole = rows(merchant);
  const [lost, ...kept] = whole;
  const extra: Row = { ...(kept[0] as Row), payment: 'nobody-knows-this-one' };
  const config = ['--config', buyer.configFile];
  expect(kinds(await audited([...config, '--books', extract(buyer.folder, whole)]))).toEqual([]);
  const answer = await audited([...config, '--books', extract(buyer.folder, [...kept, extra])]);
  expect(kinds(answer)).toEqual(['settled_without_transfer', 'transfer_without_receipt']);
  const receipts = await buyer.receipts();
  const intended = receipts.find(({ proof }) => proof?.identity.endsWith(`:${lost?.payment}`));
  const told = Object.fromEntries(answer.differences.map((one) => [one.kind, one.about]));
  expect(told).toEqual({
    settled_without_transfer: intended?.hold?.id,
    transfer_without_receipt: 'nobody-knows-this-one',
  });
});

describe.runIf(redisAvailable)('gateways that share one store', () => {
  test('INFRA-13: a counter that drifted upwards is told, of gateways whose receipts are all read', async () => {
    const redis = await startRedis();
    closing.push(() => redis.stop());
    const merchant = await shop();
    const on = { ...onRedis(redis.url), upstream: merchant.url, policies: policy({ window: 'window: total' }) };
    const [one, two] = [await gateway(on), await gateway(on)];
    await buy(one, 3);
    await buy(two, 2);
    // What is younger than 2 s may be on its way to the store.
    await sleep(2_100);
    const folder = mkdtempSync(join(tmpdir(), 'purser-audit-'));
    const exported = await Promise.all([one, two].map((from, index) => exportOf(from, folder, String(index))));
    const config = ['--config', one.configFile];
    const env = on.env;

    // One gateway's receipts alone are less than the store counts, and the audit says why.
    const alone = await audited(config, env);
    expect(kinds(alone)).toEqual(['counter_differs']);
    expect(alone.notes.join()).toContain('other gateways may count in the same store');
    const from = exported.flatMap(({ log, keys }) => ['--from', log, '--keys', keys]);
    const books = ['--books', extract(folder, rows(merchant))];
    const both = await audited([...config, ...from, ...books], env);
    expect(both.differences).toEqual([]);
    expect(both.receipts.settled).toEqual({ payments: 5, amount: '0.150000' });

    const client = new Redis(redis.url);
    closing.push(() => client.quit());
    const lines = await client.keys('{purser}:[0-9]*:l:*');
    expect(lines).toHaveLength(1);
    const [line = ''] = lines;
    const settled = Object.entries(await client.hgetall(line)).find(([, value]) => value === '150000')?.[0];
    await client.hincrby(line, settled ?? 'no counter', 30_000);
    const drifted = await audited([...config, ...from, ...books], env);
    expect(drifted.differences).toMatchObject([
      {
        kind: 'counter_differs',
        about: 'purse ["buyer-1"]',
        receipts: 'settled 0.150000, held 0.000000, payments 5',
        budgets: 'settled 0.180000, held 0.000000, payments 5',
      },
    ]);
  }, 60_000);
});

async function exportOf(from: TestGateway, folder: string, name: string): Promise<{ log: string; keys: string }> {
  const [log, keys] = [join(folder, `${name}.jsonl`), join(folder, `${name}.json`)];
  const { code, err } = await run(['receipts', 'export', '--out', log, '--config', from.configFile], {
    SHARED_KEY: 'ab'.repeat(32),
  });
  expect(code, err).toBe(0);
  writeFileSync(keys, await (await fetch(`${from.operators}/keys`)).text());
  return { log, keys };
}
