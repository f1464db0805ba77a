// What a rebuild of Redis has to bring back beside amounts, and whom it waits for: keys, stops and uncertain purchases
// stand as before; a gateway that does not come is named, waited for, and then counted by what it last said.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { formatMicros } from '../../src/domain/money.ts';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { buy, PRICE, WAIT } from '../support/agreement.ts';
import { fleetSetup } from '../support/fleet.ts';
import { type GatewaySetup, spawnGateway, startGateway, type TestGateway } from '../support/gateway.ts';
import { type HoldView, moneyOf } from '../support/stand.ts';
import { openAtOnce } from '../support/stores.ts';
import { purser } from '../threats/observables.ts';

let shop: PaidShop;
let redis: RedisServer;
let admin: Redis;
/** What the paths that begin with /wait wait for before the goods are handed over. */
let goods: PromiseWithResolvers<void>;
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'purser-rebuilt-'));
  closing.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

describe.runIf(redisAvailable)('after a rebuild', () => {
  beforeEach(async () => {
    goods = Promise.withResolvers();
    shop = await paidShop(async (response, { target }) => {
      if (target.startsWith('/wait')) await goods.promise;
      response.writeHead(target.startsWith('/fails') ? 500 : 200).end('the goods');
    });
    redis = await startRedis();
    await openAtOnce(redis.url);
    admin = new Redis(redis.url);
    closing.push(
      () => shop.close(),
      () => redis.stop(),
      () => admin.disconnect(),
    );
  });

  const setup = (more = ''): GatewaySetup => ({ ...fleetSetup(shop, redis.url, more), folder: folder() });
  async function start(how: GatewaySetup = setup()): Promise<TestGateway> {
    const gateway = await startGateway(how);
    closing.push(() => gateway.close());
    return gateway;
  }
  const generation = async () => Number(await admin.hget('{purser}:epoch', 'gen'));
  /** Everything is forgotten, and brought back. */
  async function flush(): Promise<void> {
    const before = await generation();
    await admin.flushall();
    await vi.waitFor(async () => {
      expect(await generation()).toBeGreaterThan(before);
      expect(await admin.hget('{purser}:epoch', 'state')).toBe('open');
    }, WAIT);
  }
  const keyed = async (gateway: TestGateway, key: string, path = '/x') => {
    const answer = await gateway.ask(`/shop${path}`, { headers: { 'idempotency-key': key } });
    await answer.text();
    return { status: answer.status, state: /;state=(\w+)/.exec(answer.headers.get('purser-receipt') ?? '')?.[1] };
  };
  /** Until the store is open to it. */
  const bought = (gateway: TestGateway) => vi.waitFor(async () => expect((await buy(gateway)).status).toBe(200), WAIT);

  test('a key is still one purchase, at whatever gateway its repeats arrive', async () => {
    const [first, second] = [await start(), await start()];
    expect((await keyed(first, 'k')).status).toBe(200);
    expect(await keyed(second, 'k', '/fails')).toMatchObject({ status: 422 });
    expect((await keyed(first, 'u', '/fails')).status).toBe(424);
    await flush();
    await Promise.all([bought(first), bought(second)]);
    const taken = shop.books.length;
    expect((await keyed(second, 'k')).status).toBe(424);
    expect((await keyed(first, 'k')).status).toBe(200);
    expect(await keyed(second, 'u', '/fails')).toMatchObject({ status: 424 });
    expect(await keyed(second, 'u')).toMatchObject({ status: 422 });
    expect(shop.books).toHaveLength(taken);
  });

  test('one key at four gateways at once is one purchase, also while the store is rebuilt', async () => {
    const four = await Promise.all(Array.from({ length: 4 }, () => start()));
    const atOnce = async () => Promise.all(four.map((gateway) => keyed(gateway, 'k')));
    expect((await atOnce()).filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    await admin.flushall();
    await vi.waitFor(async () => {
      // The kept answer is at the gateway that bought; at the others it is known that it was bought.
      expect((await atOnce()).map(({ status }) => status).sort()).toEqual([200, 424, 424, 424]);
    }, WAIT);
    expect(shop.books).toHaveLength(1);
  });

  test('a request without a key whose answer did not arrive is still that purchase', async () => {
    const gateway = await start();
    const again = async () => (await gateway.ask('/shop/fails')).status;
    expect(await again()).toBe(424);
    await flush();
    await bought(gateway);
    const taken = shop.books.length;
    expect(await again()).toBe(424);
    expect(shop.books).toHaveLength(taken);
  });

  test('an agent that left while its payment was under way does not pay again at another gateway', async () => {
    const [first, second] = [await start(), await start()];
    const leaving = new AbortController();
    const left = first.ask('/shop/wait', { signal: leaving.signal }).catch(() => 'left');
    await vi.waitFor(() => expect(shop.books).toHaveLength(1), WAIT);
    leaving.abort();
    expect(await left).toBe('left');
    await vi.waitFor(async () => expect(await admin.keys('*:r:*:gone')).toHaveLength(1), WAIT);
    await flush();
    await bought(second);
    const taken = shop.books.length;
    const again = await second.ask('/shop/wait');
    expect([again.status, ((await again.json()) as { code: string }).code]).toEqual([409, 'in_flight']);
    goods.resolve();
    await vi.waitFor(async () => expect((await second.ask('/shop/wait')).status).toBe(424), WAIT);
    expect(shop.books).toHaveLength(taken);
  });

  test.each([
    ['everything', () => flush()],
    ['the stops alone', () => admin.del('{purser}:stop')],
  ])('%s forgotten: stops still forbid what they name, and what was started again stays started', async (_, lose) => {
    const [first, second] = [await start(), await start()];
    const stopped = (gateway: TestGateway, agent: string) =>
      gateway.api('stops', { method: 'POST', body: JSON.stringify({ kind: 'agent', id: agent, because: 'drill' }) });
    await stopped(first, 'buyer-2');
    await stopped(first, 'buyer-1');
    await first.api('stops?kind=agent&id=buyer-1&because=over', { method: 'DELETE' });
    await lose();
    await bought(second);
    expect(await buy(second, '/x', 'buyer-2')).toMatchObject({ status: 403, code: 'stopped' });
  });

  test('nothing is left of the generations before', async () => {
    const gateway = await start();
    await bought(gateway);
    await admin.del('{purser}:clock');
    await vi.waitFor(async () => expect(await generation()).toBe(2), WAIT);
    await bought(gateway);
    await vi.waitFor(async () => expect(await admin.keys('{purser}:1:*')).toEqual([]), WAIT);
    expect((await admin.keys('{purser}:2:*')).length).toBeGreaterThan(0);
  });

  test('what is uncertain stays counted and listed, and a person can still end it at any gateway', async () => {
    const [first, second] = [await start(), await start()];
    expect((await buy(first, '/fails')).status).toBe(424);
    const holds = async (gateway: TestGateway) => (await gateway.api<{ holds: HoldView[] }>('holds')).holds;
    const before = await holds(first);
    await flush();
    await bought(second);
    expect(await holds(second)).toMatchObject([{ id: before[0]?.id, state: 'uncertain', ending: before[0]?.ending }]);
    expect(await moneyOf(second)).toEqual({ settled: PRICE, held: PRICE });
    const id = before[0]?.id ?? '';
    await second.api(`holds/${id}/resolve`, {
      method: 'POST',
      body: JSON.stringify({ as: 'settled', because: 'the shop says so' }),
    });
    await vi.waitFor(async () => expect(await moneyOf(first)).toEqual({ settled: 2n * PRICE, held: 0n }), WAIT);
    await flush();
    await bought(first);
    await vi.waitFor(async () => expect(await moneyOf(first)).toEqual({ settled: 3n * PRICE, held: 0n }), WAIT);
  });

  test('a purchase that is under way meanwhile ends as it ended', async () => {
    const gateway = await start();
    const waiting = buy(gateway, '/wait');
    await vi.waitFor(() => expect(shop.books).toHaveLength(1), WAIT);
    await flush();
    await bought(gateway);
    expect(await moneyOf(gateway)).toEqual({ settled: PRICE, held: PRICE });
    goods.resolve();
    expect(await waiting).toMatchObject({ status: 200, state: 'settled' });
    await vi.waitFor(async () => expect(await moneyOf(gateway)).toEqual({ settled: 2n * PRICE, held: 0n }), WAIT);
  });

  test('a gateway that does not come is named, waited for, counted as it last spoke; back again, exactly', async () => {
    const [one, two] = [setup(', missingAfter: 3s'), setup(', missingAfter: 3s')];
    const [first, second] = [await spawnGateway(one), await startGateway(two)];
    closing.push(() => first.close());
    for (let n = 0; n < 3; n += 1) expect((await buy(second)).status).toBe(200);
    expect((await buy(second, '/fails')).status).toBe(424);
    await vi.waitFor(async () => expect(await admin.hlen('{purser}:said')).toBe(2), WAIT);
    await sleep(2_500);
    const log = (await second.receipts())[0]?.log ?? '';
    await second.close();
    await admin.flushall();
    await vi.waitFor(async () => {
      const ready = (await (await fetch(`${first.operators}/readyz`)).json()) as { store: string };
      expect(ready.store).toBe(`is being rebuilt, and waits for the gateway of ${log}`);
    }, WAIT);
    expect(await buy(first)).toMatchObject({ code: 'store_unavailable' });
    await bought(first);
    expect(await moneyOf(first)).toEqual({ settled: 5n * PRICE, held: 0n });
    const word = `the gateway of ${log}: ${formatMicros(4n * PRICE)} in purse`;
    await vi.waitFor(() => {
      expect(first.output()).toContain(`what it last said counts as spent once missingAfter is over (${word})`);
      expect(first.output()).toContain(`counts as spent, until it is back with its state folder: ${word}`);
    }, WAIT);
    for (const what of ['budgets', 'holds']) expect(await first.api(what)).toMatchObject({ spokenFor: [log] });
    const { err } = await purser(['budgets', '--config', first.configFile], one.env);
    expect(err).toContain(`Away when the budget store was rebuilt: the gateway of ${log}.`);
    const back = await start(two);
    await bought(back);
    for (const what of ['budgets', 'holds']) expect(await first.api(what)).toMatchObject({ spokenFor: [] });
    expect(await moneyOf(first)).toEqual({ settled: 5n * PRICE, held: PRICE });
  }, 40_000);

  test('a state folder that is older than what the store was told of is refused, with what to do', async () => {
    const how = setup();
    const [kept] = [folder()];
    const first = await startGateway(how);
    expect((await buy(first)).status).toBe(200);
    await first.close();
    cpSync(how.folder ?? '', kept, { recursive: true });
    const second = await startGateway(how);
    for (let n = 0; n < 3; n += 1) expect((await buy(second)).status).toBe(200);
    const log = (await second.receipts())[0]?.log ?? '';
    await sleep(700);
    await second.close();
    const { code, err } = await purser(['serve', '--config', join(kept, 'config.yaml')], how.env);
    expect(code).toBe(1);
    expect(err).toContain(`the state folder is an older copy: its log ${log} ends at receipt`);
    expect(err).toContain('Put the newest copy of the folder back');
  });

  test('a second gateway on a copy of the folder of one that runs is refused', async () => {
    const how = setup();
    const first = await start(how);
    expect((await buy(first)).status).toBe(200);
    const copy = folder();
    await first.close();
    cpSync(how.folder ?? '', copy, { recursive: true });
    const again = await start(how);
    const { code, err } = await purser(['serve', '--config', join(copy, 'config.yaml')], how.env);
    expect([code, err]).toMatchObject([
      1,
      expect.stringContaining('another gateway runs on a copy of this state folder'),
    ]);
    expect((await buy(again)).status).toBe(200);
  });

  test('a gateway that was stopped while the others gave it up pays nothing from before, and joins again', async () => {
    const first = await start(setup(', missingAfter: 3s'));
    const second = await spawnGateway(setup(', missingAfter: 3s'));
    closing.push(() => second.kill());
    expect((await buy(second)).status).toBe(200);
    await vi.waitFor(async () => expect(await admin.hlen('{purser}:said')).toBe(2), WAIT);
    await sleep(2_500);
    const load = Array.from({ length: 8 }, () => buy(second).catch(() => null));
    await sleep(30);
    second.child.kill('SIGSTOP');
    await admin.flushall();
    await bought(first);
    const taken = shop.books.length;
    second.child.kill('SIGCONT');
    await Promise.all(load);
    const late = shop.requests.slice(0).filter(({ paid }) => paid).length;
    expect(late).toBe(shop.books.length);
    await bought(second);
    await vi.waitFor(async () => {
      expect(await moneyOf(first)).toEqual({ settled: BigInt(shop.books.length) * PRICE, held: 0n });
    }, WAIT);
    expect(shop.books.length).toBeGreaterThanOrEqual(taken);
  }, 40_000);
});
