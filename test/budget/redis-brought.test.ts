// A purchase that a rebuild brought is the one that it was, also where what others named holds line breaks.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BroughtNames, broughtHold, Places } from '../../src/budget/brought.ts';
import { ClaimHasher } from '../../src/budget/claims.ts';
import { Calendar } from '../../src/budget/windows.ts';
import type { AccountHold } from '../../src/domain/account.ts';
import { TEST_KEY } from '../contracts/budget.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { openBare, redisOptions } from './redis-house.ts';

const NASTY = 'two\nlines\r\nn\n9\n\ud800"\u0000é';
const HASH = '5f'.repeat(32);

describe.skipIf(!redisAvailable)('what was brought', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => server?.stop());

  test('an open purchase is read back whole, its payment and lines included', async () => {
    const { store, members, budget } = await openBare(redisOptions(server.url));
    const now = Date.now();
    const hold: AccountHold = {
      ...{ id: 'gone.1.0', exchange: 'gone.1', state: 'exposed', micros: 250_000n },
      ...{ agent: 'buyer', service: 'shop', wallet: 'play', subject: NASTY, claim: { key: null, repeat: HASH } },
      challengeId: NASTY,
      payment: { network: NASTY, identity: NASTY, payee: NASTY, atoms: 25n },
      redeemableUntil: now - 60_000,
      lines: [
        { budget: 'purse', scope: JSON.stringify([NASTY]), windowStart: 0 },
        { budget: 'all', scope: '[]', windowStart: 0 },
      ],
      ...{ intendedAt: now - 90_000, closedAt: now - 80_000, endedAt: 0, whole: false },
      ending: JSON.stringify({ code: 'payment_uncertain', upstreamStatus: 502, receipt: NASTY }),
    };
    const names = new BroughtNames(new ClaimHasher(TEST_KEY));
    await members.bringHolds(1, [broughtHold(new Places(new Map(), new Calendar('UTC'), now), names, hold)]);
    const seen = {
      ...{ id: 'gone.1.0', exchange: 'gone.1', state: 'uncertain', agent: 'buyer', service: 'shop', wallet: 'play' },
      ...{ micros: 250_000n, heldAt: now - 90_000, redeemableUntil: now - 60_000, lines: hold.lines },
      ending: { code: 'payment_uncertain', upstreamStatus: 502, receipt: NASTY },
      payment: hold.payment,
    };
    expect(await store.openHolds({ log: null })).toEqual([seen]);
    const [abandoned] = await store.takeAbandoned({ afterMs: 0, most: 1 });
    expect(abandoned).toMatchObject({ hold: seen, payment: hold.payment });
    await budget.shutdown();
  });
});
