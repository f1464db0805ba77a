// One run from its plan to its end: the world, the gateways, the agents, the faults; then everything is mended and the
// books are compared.
import { Buyers } from './buyer.ts';
import { SimulatedGateway } from './gateway.ts';
import { Oracle, Violation } from './oracle.ts';
import type { Plan, PlannedFault } from './plan.ts';
import { World } from './world.ts';

/** What became of a run. */
export interface Outcome {
  readonly violation: Violation | null;
  readonly story: readonly string[];
  readonly coverage: ReadonlyMap<string, number>;
  readonly steps: number;
  readonly payments: number;
  /** How far it came, from its start; ms. */
  readonly lastedMs: number;
}

/** After everything is mended, all is settled within this time. */
const MENDED_WITHIN_MS = 300_000;
const LOOK_MS = 5_000;

/** Runs a plan; with `tells` its story is kept. */
export async function run(plan: Plan, tells = false): Promise<Outcome> {
  const world = new World(plan, tells);
  const gateways = Array.from({ length: plan.gateways }, (_, i) => new SimulatedGateway(world, `g${i + 1}`));
  const oracle = new Oracle(world, gateways);
  let violation: Violation | null = null;
  try {
    await play(world, gateways, oracle);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error;
    world.story('oracle', `VIOLATION ${error.message}`);
  }
  const payments = [...world.merchants.values()].reduce((sum, { books }) => sum + books.length, 0);
  const { lines: story, coverage, timeline } = world;
  return { violation, story, coverage, steps: timeline.steps, payments, lastedMs: timeline.now - plan.startMs };
}

async function play(world: World, gateways: readonly SimulatedGateway[], oracle: Oracle): Promise<void> {
  const { timeline, plan } = world;
  timeline.afterEach = () => oracle.check();
  for (const gateway of gateways) gateway.start();
  // A violation in a callback of a gateway's own would be swallowed by it.
  let heard: Violation | null = null;
  const buyers = new Buyers(world, gateways, (asked) => {
    try {
      oracle.answered(asked);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      heard ??= error;
    }
  });
  const waiting = new Set<PlannedFault>();
  const strikes = (fault: PlannedFault): void => {
    world.covered(`fault ${fault.kind}`);
    world.story('fault', JSON.stringify(fault));
    strike(world, gateways, oracle, fault);
  };
  for (const fault of plan.faults) {
    timeline.after(fault.atMs, () => (fault.on === null ? strikes(fault) : waiting.add(fault)));
  }
  world.moment = (what, hold) => {
    const gateway = gateways.findIndex(({ name }) => hold.startsWith(`${name}.`));
    for (const fault of [...waiting].filter(({ on }) => on === what)) {
      waiting.delete(fault);
      const delay = world.chanceOf(`moment ${fault.id}`).between(0, 3);
      timeline.after(delay, () => strikes(gateway < 0 ? fault : { ...fault, gateway }));
    }
  };
  await timeline.runUntil(plan.startMs + plan.mendsMs);
  waiting.clear();
  mend(world, gateways, oracle);
  const until = timeline.now + MENDED_WITHIN_MS;
  const counts = ({ budget }: SimulatedGateway) => budget !== null && budget.generation() !== null;
  const quiet = () => buyers.waiting === 0 && gateways.every(counts) && oracle.settled();
  const ends = async (): Promise<void> => {
    do {
      await timeline.runUntil(timeline.now + LOOK_MS);
      if (heard) throw heard;
    } while (timeline.now < until && !quiet());
  };
  // What was on its way has arrived by then, and what the store lost is found when somebody reads it.
  await ends();
  for (const gateway of gateways) readBudgets(gateway);
  await ends();
  if (buyers.waiting > 0) throw new Violation('13', `${buyers.waiting} agents were never answered`);
  oracle.judgeEnd();
}

/** As whoever asks for the budgets, or scrapes the metrics. */
function readBudgets(gateway: SimulatedGateway): void {
  gateway.order((budget) => {
    for (const line of gateway.set().budgets.values()) void budget.scopes(line, 100).catch(() => {});
  });
}

function strike(world: World, gateways: readonly SimulatedGateway[], oracle: Oracle, fault: PlannedFault): void {
  const gateway = gateways[fault.gateway];
  if (!gateway) return;
  const { timeline, redis } = world;
  const { disk } = gateway;
  switch (fault.kind) {
    case 'kill':
      kill(world, gateway, fault.downMs);
      return;
    case 'powerLoss': {
      kill(world, gateway, fault.downMs);
      const lost = disk.losePower(world.chanceOf(`power ${fault.id}`));
      world.story(gateway.name, `loses ${lost} batches that were not synced`);
      oracle.lostPower(gateway);
      return;
    }
    case 'killAtEvent': {
      const { life } = gateway;
      if (!life) return;
      life.endsBefore = life.events + fault.events;
      const end = life.onEnd;
      life.onEnd = () => {
        end();
        timeline.after(fault.downMs, () => restart(gateway));
      };
      return;
    }
    case 'pause':
      if (gateway.life) gateway.life.pausedUntil = timeline.now + fault.ms;
      return;
    case 'diskFull':
    case 'diskUnsynced':
      disk.health = fault.kind === 'diskFull' ? 'full' : 'unsynced';
      timeline.after(fault.ms, () => {
        disk.health = 'well';
      });
      return;
    case 'diskSlow':
      disk.stallMs = fault.stallMs;
      timeline.after(fault.ms, () => {
        disk.stallMs = 0;
      });
      return;
    case 'clockStep':
      gateway.skewMs += fault.byMs;
      timeline.after(fault.ms, () => {
        // Mended clocks are right already.
        if (gateway.skewMs !== 0) gateway.skewMs -= fault.byMs;
      });
      return;
    case 'serviceDown': {
      const merchant = world.merchants.get(fault.service);
      if (!merchant) return;
      merchant.down = true;
      timeline.after(fault.ms, () => {
        merchant.down = false;
      });
      return;
    }
    case 'storm':
      world.storm = 0.8;
      timeline.after(fault.ms, () => {
        world.storm = world.plan.storm;
      });
      return;
    case 'policy':
      policy(world, gateways, oracle, fault.name, fault.ms);
      return;
    case 'stop': {
      const stop = { kind: fault.what, id: fault.id, because: 'said so', by: 'dana' } as const;
      gateway.order((budget) => void budget.stop(stop).catch(() => {}));
      timeline.after(fault.ms, () => lift(world, gateways, `${fault.what}:${fault.id}`));
      return;
    }
    default:
      if (redis) strikeStore(world, gateway, redis, oracle, fault);
  }
}

function strikeStore(
  world: World,
  gateway: SimulatedGateway,
  redis: NonNullable<World['redis']>,
  oracle: Oracle,
  fault: PlannedFault,
): void {
  const { timeline } = world;
  switch (fault.kind) {
    case 'redisRestarts':
      redis.down = true;
      timeline.after(fault.ms, () => {
        redis.down = false;
        redis.model.run = processOf(fault.id);
        if (fault.forgets > 0) oracle.storeForgot();
        redis.model.forget(fault.forgets);
        redis.version += 1;
      });
      return;
    case 'redisDrops': {
      const keys = [...redis.model.data.keys()].filter((key) => !CLAIM.test(key)).sort();
      const key = keys[fault.which % Math.max(1, keys.length)];
      world.story('redis', `drops ${key}`);
      const before = oracle.readStore();
      if (key !== undefined) redis.model.command(['DEL', key]);
      oracle.storeForgot();
      oracle.linesDropped(before.lines);
      redis.version += 1;
      return;
    }
    case 'cutOff':
      redis.cutOff.add(gateway.name);
      timeline.after(fault.ms, () => redis.cutOff.delete(gateway.name));
      return;
    case 'redisLossy':
      redis.loss = fault.loss;
      timeline.after(fault.ms, () => {
        redis.loss = 0;
      });
      return;
    case 'redisClock':
      redis.skewMs += fault.byMs;
      return;
    case 'redisForgets':
      // A failover to a replica that had not everything.
      oracle.storeForgot();
      redis.model.forget(fault.writes);
      redis.model.run = processOf(fault.id);
      redis.version += 1;
      return;
    case 'redisFlushed':
      oracle.storeForgot();
      redis.model.flush();
      redis.version += 1;
      return;
  }
}

/** What one purchase claims: deleted alone, it looks as if it had never been made, which no promise covers. */
const CLAIM = /^\{town\}:\d+:[ckpr]:/;

/** Another process of the server goes by another `run_id`, hex digits as the real ones. */
const processOf = (fault: string): string => Buffer.from(fault).toString('hex');

function kill(world: World, gateway: SimulatedGateway, downMs: number): void {
  if (gateway.life?.alive !== true) return;
  gateway.kill();
  world.timeline.after(downMs, () => restart(gateway));
}

function restart(gateway: SimulatedGateway): void {
  if (gateway.life?.alive !== true) gateway.start();
}

/** Gateways take a set up one after the other, as they come to look at their files. */
function policy(
  world: World,
  gateways: readonly SimulatedGateway[],
  oracle: Oracle,
  name: SimulatedGateway['policy'],
  ms: number,
): void {
  const takeUp = (which: SimulatedGateway['policy']): void => {
    for (const gateway of gateways) {
      world.timeline.after(world.chanceOf(`policy ${gateway.name} ${world.timeline.now}`).between(0, 1_500), () => {
        gateway.policy = which;
        oracle.tookUp(gateway.name, which);
        world.story(gateway.name, `takes up the policy set ${which}`);
      });
    }
  };
  takeUp(name);
  world.timeline.after(ms, () => takeUp('usual'));
}

/** Whoever is up lifts it; tried until it worked. */
function lift(world: World, gateways: readonly SimulatedGateway[], name: string): void {
  const [kind, id = ''] = name.split(':');
  const up = gateways.find((gateway) => gateway.up);
  const again = () => void world.timeline.after(500, () => lift(world, gateways, name));
  if (!up?.budget || (kind !== 'agent' && kind !== 'service' && kind !== 'all')) {
    again();
    return;
  }
  const { life } = up;
  up.order((budget) => void budget.start(kind, id).then(() => {}, again));
  world.timeline.after(3_000, () => {
    if (life?.alive === false) again();
  });
}

/** Faults are over. */
function mend(world: World, gateways: readonly SimulatedGateway[], oracle: Oracle): void {
  world.story('all', 'is mended');
  world.storm = 0;
  for (const merchant of world.merchants.values()) {
    merchant.down = false;
    merchant.honest = true;
  }
  if (world.chain) world.chain.honest = true;
  if (world.redis) {
    world.redis.down = false;
    world.redis.cutOff.clear();
    world.redis.loss = 0;
    world.redis.skewMs = 0;
  }
  for (const gateway of gateways) {
    gateway.disk.health = 'well';
    gateway.disk.stallMs = 0;
    gateway.skewMs = 0;
    gateway.policy = 'usual';
    oracle.tookUp(gateway.name, 'usual');
    // A clock that was set by more than a minute is believed again only after a restart.
    gateway.kill();
    gateway.start();
  }
}
