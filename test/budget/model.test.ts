// The same random operations against a small model, the embedded store and Redis: the same answers, the same amounts.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Budget } from '../../src/budget/budget.ts';
import type { HoldRequest, Purchase } from '../../src/domain/hold.ts';
import { askOf, claimOf, ENDING, lineOf, type StoreHouse } from '../contracts/budget.ts';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { embeddedHouse } from './embedded-house.ts';
import { redisHouse } from './redis-house.ts';

const LIMIT = 10n;
const LINES = {
  a: lineOf({ scope: '["a"]', limitMicros: LIMIT }),
  b: lineOf({ scope: '["b"]', limitMicros: LIMIT, limitPayments: 3 }),
  all: lineOf({ budget: 'all', scope: '[]', limitMicros: 2n * LIMIT }),
};

type Step =
  | { do: 'hold'; who: 'a' | 'b'; micros: bigint; key: string | null; print: string; retry: boolean }
  | { do: 'expose' | 'settle' | 'freed' | 'kept' | 'release' | 'whole' | 'cut' | 'leave'; hold: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('hold' as const),
    who: fc.constantFrom('a' as const, 'b' as const),
    micros: fc.bigInt({ min: 1n, max: 6n }),
    key: fc.constantFrom(null, null, 'k1', 'k2'),
    print: fc.constantFrom('p', 'q', 'r'),
    retry: fc.boolean(),
  }),
  fc.record({
    do: fc.constantFrom('expose', 'expose', 'settle', 'freed', 'kept', 'release', 'whole', 'cut', 'leave'),
    hold: fc.nat(12),
  }),
);

/** Amounts alone: what is held and settled, and whether one more fits. */
class Model {
  readonly holds = new Map<string, { who: 'a' | 'b'; micros: bigint; state: Purchase['state'] }>();

  used = (who: 'a' | 'b' | 'all', state?: string) =>
    [...this.holds.values()]
      .filter((hold) => (who === 'all' || hold.who === who) && hold.state !== 'voided')
      .filter((hold) => state === undefined || (hold.state === 'settled') === (state === 'settled'))
      .reduce((sum, hold) => ({ micros: sum.micros + hold.micros, count: sum.count + 1 }), { micros: 0n, count: 0 });
  fits = (who: 'a' | 'b', micros: bigint) =>
    this.used(who).micros + micros <= LIMIT &&
    this.used('all').micros + micros <= 2n * LIMIT &&
    (who === 'a' || this.used('b').count < 3);
  move(id: string, to: 'exposed' | 'settled' | 'voided') {
    const hold = this.holds.get(id);
    if (hold?.state === 'held' || (hold?.state === 'exposed' && to !== 'exposed')) hold.state = to;
  }
}

type Asked = readonly (HoldRequest | undefined)[];

async function run(house: StoreHouse, requests: Asked, plan: readonly Step[], model: Model) {
  const budget = await house.gateway();
  const made: string[] = [];
  const answers: unknown[] = [];
  for (const [index, step] of plan.entries()) {
    const request = requests[index];
    await budget.heartbeat();
    if (step.do === 'hold' && request) {
      const outcome = await budget.hold(request);
      answers.push(outcome);
      if (outcome.kind === 'held') made.push(request.id);
      if (outcome.kind === 'held' || outcome.kind === 'exceeded') {
        expect(outcome.kind === 'held').toBe(model.fits(step.who, step.micros));
        if (outcome.kind === 'held') model.holds.set(request.id, { who: step.who, micros: step.micros, state: 'held' });
      }
    } else if (step.do !== 'hold') {
      const id = made[step.hold] ?? 'here.none';
      answers.push(await move(budget, step.do, id));
      // Of purchases exposed within one millisecond the id says which is older: only here, so that both stores agree.
      if (step.do === 'expose') await house.wait(2);
      if (step.do === 'expose') model.move(id, 'exposed');
      if (step.do === 'settle') model.move(id, 'settled');
      if (step.do === 'freed' || step.do === 'kept' || step.do === 'release') model.move(id, 'voided');
    }
  }
  const lines = await budget.lines(Object.values(LINES));
  for (const [index, who] of (['a', 'b', 'all'] as const).entries()) {
    const [held, settled] = [model.used(who, 'open'), model.used(who, 'settled')];
    const payments = held.count + settled.count;
    expect(lines[index]).toMatchObject({ heldMicros: held.micros, settledMicros: settled.micros, payments });
  }
  const open = (await budget.openHolds()).map((hold) => [hold.id, hold.state]).sort();
  return { answers, lines, open };
}

async function move(budget: Budget, what: Exclude<Step['do'], 'hold'>, id: string): Promise<unknown> {
  if (what === 'expose') return budget.expose(id, 600_000);
  if (what === 'settle') return budget.settle(id);
  if (what === 'freed' || what === 'kept') return budget.void(id, what);
  if (what === 'release') return budget.release(id);
  if (what === 'leave') return budget.leave(id);
  return budget.close(id, ENDING, what === 'whole');
}

function requestsOf(plan: readonly Step[]): (HoldRequest | undefined)[] {
  let number = 0;
  return plan.map((step) => {
    if (step.do !== 'hold') return undefined;
    const claim = claimOf({ subject: step.who, key: step.key, fingerprint: step.print, saysRetry: step.retry });
    const [id, challenge] = [`here.${String(++number).padStart(3, '0')}`, `challenge ${number % 20}`];
    const lines = [LINES[step.who], LINES.all];
    return askOf({ id, lines, micros: step.micros, claim, challengeId: challenge, exchange: id, unsettledLimit: 3 });
  });
}

test('the embedded store counts as the model does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 60, size: 'max' }), async (plan) => {
      await run(embeddedHouse(), requestsOf(plan), plan, new Model());
    }),
    { numRuns: 150 },
  );
});

describe.skipIf(!redisAvailable)('with redis-server on the PATH', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  test('Redis counts as the model does, and both stores give the same answers to the same steps', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 60, size: 'max' }), async (plan) => {
        const house = redisHouse(server.url, { repeatWindowMs: 60_000 });
        const requests = requestsOf(plan);
        const theirs = await run(house, requests, plan, new Model());
        const ours = await run(embeddedHouse(), requests, plan, new Model());
        expect(theirs).toEqual(ours);
        await house.close();
      }),
      { numRuns: 60 },
    );
  });
});
