// What is done to the town, one thing after the other, and how often.
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { between, choose, type Dice } from './dice.ts';
import type { Place, Town } from './town.ts';

/** One thing that can go wrong. */
interface Fault {
  readonly name: string;
  readonly weight: number;
  /** Resolves when it is over; what it broke may still be starting. */
  happen(town: Town, roll: Dice): Promise<void>;
}

const canLimit = spawnSync('prlimit', ['--version']).status === 0;

function somePlace({ places }: Town, roll: Dice): Place | undefined {
  const up = places.filter(({ gateway }) => gateway !== undefined);
  return up[Math.floor(roll() * up.length)];
}

function signal(place: Place | undefined, name: NodeJS.Signals): void {
  place?.gateway?.child.kill(name);
}

/** No file of the process can grow any more, which is what a full disk is to it. */
async function full(pid: number | undefined, ms: number): Promise<void> {
  if (pid === undefined || !canLimit) return;
  const limit = (most: string) => spawnSync('prlimit', ['--pid', `${pid}`, `--fsize=${most}:`]);
  limit('0');
  await sleep(ms);
  limit('unlimited');
}

async function endRedis(town: Town, roll: Dice, how: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const { redis } = town;
  if (how === 'SIGTERM' && redis) {
    process.kill(redis.pid, 'SIGTERM');
    for (let tries = 0; tries < 100 && isAlive(redis.pid); tries += 1) await sleep(50);
  }
  await redis?.stop();
  await sleep(between(roll, 50, 1_500));
  await town.startRedis();
}

/** Resolves whether it worked or not: a Redis that is down has forgotten nothing. */
function flush(port = 0): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end('FLUSHALL\r\n'));
    socket.setTimeout(2_000, () => socket.destroy());
    socket.resume();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve());
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const FAULTS: readonly Fault[] = [
  {
    name: 'gateway killed (SIGKILL)',
    weight: 6,
    happen: async (town, roll) => signal(somePlace(town, roll), 'SIGKILL'),
  },
  {
    name: 'gateway restarted (SIGTERM)',
    weight: 1,
    happen: async (town, roll) => signal(somePlace(town, roll), 'SIGTERM'),
  },
  {
    name: 'gateway paused (SIGSTOP, SIGCONT)',
    weight: 3,
    happen: async (town, roll) => {
      const place = somePlace(town, roll);
      const child = place?.gateway?.child;
      child?.kill('SIGSTOP');
      await sleep(between(roll, 300, 8_000));
      child?.kill('SIGCONT');
    },
  },
  {
    name: 'disk of a gateway full',
    weight: 2,
    happen: (town, roll) => full(somePlace(town, roll)?.gateway?.child.pid, between(roll, 200, 3_000)),
  },
  { name: 'Redis killed (SIGKILL)', weight: 2, happen: (town, roll) => endRedis(town, roll, 'SIGKILL') },
  { name: 'Redis restarted (SIGTERM)', weight: 1, happen: (town, roll) => endRedis(town, roll, 'SIGTERM') },
  { name: 'Redis flushed (FLUSHALL)', weight: 2, happen: async ({ redis }) => flush(redis?.port) },
  {
    name: 'Redis paused',
    weight: 1,
    happen: async ({ redis }, roll) => {
      redis?.pause();
      await sleep(between(roll, 100, 2_000));
      redis?.resume();
    },
  },
  {
    // It ends by itself when it cannot write down what it was asked (appendfsync always).
    name: 'disk of Redis full',
    weight: 1,
    happen: async (town, roll) => {
      await full(town.redis?.pid, between(roll, 200, 1_000));
      await endRedis(town, roll, 'SIGKILL');
    },
  },
];

/** Torments the town until told to stop; two things may be wrong at once. */
export function torment(town: Town, roll: Dice, done: Map<string, number>) {
  let going = true;
  const store: Promise<void>[] = [];
  const loop = async (faults: readonly Fault[], least: number, most: number): Promise<void> => {
    while (going) {
      await sleep(between(roll, least, most));
      const fault = choose(roll, faults);
      if (!going) return;
      done.set(fault.name, (done.get(fault.name) ?? 0) + 1);
      await fault.happen(town, roll);
    }
  };
  const isOfRedis = ({ name }: Fault) => name.includes('Redis');
  store.push(
    loop(
      FAULTS.filter((fault) => !isOfRedis(fault)),
      300,
      2_500,
    ),
    loop(FAULTS.filter(isOfRedis), 2_000, 9_000),
  );
  return {
    async stop(): Promise<void> {
      going = false;
      await Promise.all(store);
    },
  };
}
