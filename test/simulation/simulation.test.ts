// The simulation in short: a few seeds of each store hold, a seed is the same story each time, a failing one is
// shrunk, and planted bugs are found. The long run is `npm run simulate`.
import { expect, test } from 'vitest';
import { huntOne, plantedNames } from './hunt-all.ts';
import { type Plan, type PlannedPurchase, planOf } from './plan.ts';
import { fits, type Planted } from './plant.ts';
import { run } from './run.ts';
import { Life, Timeline } from './timeline.ts';
import { AGENTS, LIMITS, SERVICES } from './town.ts';

const SEEDS = 12;
/** Far more than it takes on a machine that does nothing else. */
const PATIENCE_MS = 120_000;

test(
  'no seed violates an invariant, with either store',
  async () => {
    const violated: string[] = [];
    let payments = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const outcome = await run(planOf(seed));
      payments += outcome.payments;
      if (outcome.violation) violated.push(`seed ${seed}: ${outcome.violation.message}`);
    }
    expect(violated).toEqual([]);
    expect(payments).toBeGreaterThan(SEEDS);
  },
  PATIENCE_MS,
);

test(
  'a seed tells the same story each time',
  async () => {
    for (const seed of [5, 8]) {
      const [once, again] = [await run(planOf(seed), true), await run(planOf(seed), true)];
      expect(once.story.length).toBeGreaterThan(50);
      expect(again.story).toEqual(once.story);
      expect([...again.coverage]).toEqual([...once.coverage]);
    }
  },
  PATIENCE_MS,
);

test('a process that is paused does what was due in its order once it goes on, and nothing before', async () => {
  const timeline = new Timeline(0);
  const life = new Life('one');
  const done: string[] = [];
  timeline.after(30, () => done.push(`later at ${timeline.now}`), life);
  timeline.after(20, () => done.push(`sooner at ${timeline.now}`), life);
  timeline.after(25, () => done.push(`another at ${timeline.now}`));
  timeline.after(10, () => {
    life.pausedUntil = 100;
  });
  await timeline.runUntil(200);
  expect(done).toEqual(['another at 25', 'sooner at 100', 'later at 100']);
});

test('requests have bodies: what is too large to be kept is not paid for', async () => {
  const plan = planOf(2);
  const [first] = plan.purchases;
  if (!first) throw new Error('the plan has no purchases');
  const purchases = Array.from({ length: 10 }, (_, i) => ({
    ...first,
    ...{
      id: `big${i}`,
      agent: 'cid' as const,
      service: 'writer' as const,
      method: 'POST' as const,
      path: `/v1/big${i}`,
    },
    ...{
      body: 'x'.repeat(LIMITS.replayBodyBytes + 1),
      key: null,
      tokenLastsS: 600,
      maxPrice: null,
      sends: 'all' as const,
    },
  }));
  const { coverage, payments } = await run({ ...plan, purchases, faults: [], walletless: null });
  expect([...coverage.keys()]).toContain('refused body_too_large');
  expect(payments).toBe(0);
});

/** Purchases without a key at the first gateway, from these moments on. */
function keyless(plan: Plan, name: string, moments: readonly number[]): PlannedPurchase[] {
  const [first] = plan.purchases;
  if (!first) throw new Error('the plan has no purchases');
  return moments.map((atMs, i) => ({
    ...first,
    ...{ id: `${name}${i}`, atMs, agent: AGENTS[i % 4] ?? 'ann', service: SERVICES[i % 2] ?? 'weather' },
    ...{ method: 'GET', path: `/v1/${name}${i}`, body: '', key: null, gateway: 0, atOnce: 1, tokenLastsS: 600 },
    ...{ leavesAfterMs: null, tries: 2, stays: false, saysRetry: false, maxPrice: null, sends: 'all' },
  }));
}

test('a gateway that cannot tell the store of an end tells the agent when others count it as gone', async () => {
  const plan = planOf(4);
  const moments = Array.from({ length: 12 }, (_, i) => 5_000 + i);
  const faults = [{ id: 'away', atMs: 5_000, gateway: 0, on: 'taken', kind: 'cutOff', ms: 9_000 }] as const;
  const town = { store: 'redis', gateways: 2, storm: 0, walletless: null } as const;
  const { violation, coverage } = await run({ ...plan, ...town, purchases: keyless(plan, 'lone', moments), faults });
  expect(violation).toBeNull();
  expect(coverage.get('fault store')).toBeGreaterThan(0);
  expect(coverage.get('refused payment_uncertain')).toBeGreaterThan(0);
});

test('a gateway that dies while the time of the store stands still is known to be gone', async () => {
  const plan = planOf(4);
  const moments = Array.from({ length: 8 }, () => 15_000);
  const faults = [
    { id: 'back', atMs: 1_500, gateway: 1, on: null, kind: 'redisClock', byMs: -40_000 },
    { id: 'gone', atMs: 14_000, gateway: 0, on: 'settled', kind: 'kill', downMs: 20_000 },
  ] as const;
  const town = { store: 'redis', gateways: 2, nodes: 0, storm: 0, walletless: null } as const;
  const { violation, payments } = await run({ ...plan, ...town, purchases: keyless(plan, 'lost', moments), faults });
  expect(violation).toBeNull();
  expect(payments).toBeGreaterThan(0);
});

test('a rebuild that is flushed and begins anew while the time of the store stands still forgets nothing', async () => {
  const plan = planOf(4);
  const moments = Array.from({ length: 8 }, (_, i) => 5_000 + 100 * i);
  const faults = [
    { id: 'back', atMs: 7_300, gateway: 0, on: null, kind: 'redisClock', byMs: -40_000 },
    { id: 'other', atMs: 10_300, gateway: 0, on: null, kind: 'redisRestarts', ms: 6_400, forgets: 0 },
    { id: 'slow', atMs: 12_300, gateway: 0, on: null, kind: 'diskSlow', ms: 8_400, stallMs: 900 },
    { id: 'empty', atMs: 19_000, gateway: 1, on: null, kind: 'redisFlushed' },
  ] as const;
  const town = { store: 'redis', gateways: 4, nodes: 0, storm: 0, walletless: null } as const;
  const { violation, payments } = await run({ ...plan, ...town, purchases: keyless(plan, 'kept', moments), faults });
  expect(violation).toBeNull();
  expect(payments).toBeGreaterThan(0);
});

test('every planted bug still fits the code it spoils', async () => {
  const names = plantedNames();
  expect(names.length).toBeGreaterThanOrEqual(25);
  for (const name of names) {
    const { planted }: { planted: Planted } = await import(`./planted/${name}.ts`);
    expect(() => fits(planted)).not.toThrow();
  }
});

test.each(['void-on-timeout', 'shared-key-dropped-on-settle'])(
  '%s is found and shrunk',
  async (name) => {
    const hunted = await huntOne(name, 60);
    expect(hunted).toMatchObject({ name, found: true });
    expect(hunted.purchases).toBeLessThan(planOf(hunted.seed).purchases.length);
  },
  PATIENCE_MS,
);
