// Who is handed the uncertain holds of a gateway that is away, and when.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HEARD_MS } from '../../src/budget/store.ts';
import { ENDING, exposed } from '../contracts/budget.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { openRedisBudget, redisOptions } from './redis-house.ts';

describe.skipIf(!redisAvailable)('abandoned holds', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  const open = (log: string) => openRedisBudget(redisOptions(server.url, { log }));

  test('each is handed to one gateway, once its own is silent and its proof long dead; with its payment', async () => {
    const [own, first, second] = [await open('own'), await open('first'), await open('second')];
    const dead = { redeemableUntil: Date.now() - 5_000 };
    const [uncertain, other, alive] = [
      await exposed(own, { id: 'own.1', ...dead }),
      await exposed(own, { id: 'own.2', ...dead }),
      await exposed(own, { id: 'own.3' }),
    ];
    for (const { id } of [uncertain, other, alive]) await own.close(id, ENDING, false);
    expect(await first.takeAbandoned(0, 8)).toEqual([]);
    await own.shutdown();
    expect(await first.takeAbandoned(60_000, 8)).toEqual([]);

    const [taken] = await first.takeAbandoned(0, 1);
    expect(taken).toMatchObject({ hold: { id: uncertain.id, state: 'uncertain' }, payment: uncertain.payment });
    expect(taken?.againAt).toBeGreaterThan(Date.now() + 50_000);
    expect((await second.takeAbandoned(0, 8)).map(({ hold }) => hold.id)).toEqual([other.id]);
    expect(await first.takeAbandoned(0, 8)).toEqual([]);
    await Promise.all([first.shutdown(), second.shutdown()]);
  });

  test('one whose request may still be under way is left alone', async () => {
    const [own, other] = [await open('busy'), await open('waits')];
    await exposed(own, { id: 'busy.1', redeemableUntil: Date.now() - 5_000 });
    await own.shutdown();
    expect(await other.takeAbandoned(0, 8)).toEqual([]);
    await sleep(HEARD_MS + 100);
    expect((await other.takeAbandoned(0, 8)).map(({ hold }) => hold.id)).toEqual(['busy.1']);
    await other.shutdown();
  });
});
