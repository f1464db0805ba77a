// Redis is lost: how long until four gateways have brought 100,000 purchases back from their ledgers. And a gateway is
// killed with 10,000 purchases open: how long until the next one has recovered them.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type RedisServer, redisAvailable, startRedis } from '../fakes/redis.ts';
import { processorUs, unpin } from './children.ts';
import { row, verdict } from './figures.ts';
import type { BenchOptions } from './main.ts';
import type { Told } from './rebuild-gateway.ts';

const LEDGERS = 4;
const PURCHASES = 100_000;
const OPEN = 10_000;

/** A gateway in a process of its own. */
interface Gateway {
  readonly child: ChildProcess;
  /** Seconds that it took to do what it is told. */
  tell(told: Told): Promise<number>;
}

/** What one measure took: wall time, and processor time of Redis and of all gateways; seconds. */
interface Cost {
  readonly wall: number;
  readonly redis: number;
  readonly gateways: number;
}

/** Measures and prints; answers whether each goal holds. */
export async function benchRebuild({ quick }: BenchOptions): Promise<boolean[]> {
  if (!redisAvailable) {
    console.log('\n(no redis-server on the PATH: the rebuild is left out)');
    return [];
  }
  // Nothing is bound to a core: four gateways and Redis share all there are.
  const redis = await startRedis();
  unpin(redis.pid);
  const folder = mkdtempSync(join(tmpdir(), 'purser-bench-'));
  const gateways = Array.from({ length: LEDGERS + 1 }, (_, n) => startGateway(join(folder, `${n}`)));
  const [killed, ...four] = gateways;
  try {
    if (!killed) return [];
    await all(four, { what: 'make', purchases: PURCHASES / LEDGERS, open: 0.5 });
    await all(four, { what: 'join', url: redis.url, namespace: 'rebuilt' });
    const lost: Cost[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round += 1) {
      await flushed(redis.url);
      lost.push(await costOf(redis, four, () => all(four, { what: 'rebuild' })));
    }
    await killed.tell({ what: 'make', purchases: OPEN, open: 1 });
    await killed.tell({ what: 'join', url: redis.url, namespace: 'killed' });
    const recovered = await costOf(redis, [killed], () => killed.tell({ what: 'recover' }));
    return report(lost, recovered);
  } finally {
    for (const { child } of gateways) await ended(child);
    rmSync(folder, { recursive: true, force: true });
    await redis.stop();
  }
}

function report(lost: readonly Cost[], recovered: Cost): boolean[] {
  console.log(
    `\nRebuild: ${PURCHASES.toLocaleString('en-GB')} purchases in ${LEDGERS} ledgers, half open, each with a key`,
  );
  const rebuilt = verdict({
    ...{ name: 'FLUSHALL until all four count again', rounds: lost.map(({ wall }) => wall), unit: 's' },
    goal: { atMost: 5 },
    inTheWay: 'the processor time below, or the cores that all of them share here.',
  });
  row(
    '  of it, processor time of Redis',
    lost.map((cost) => cost.redis),
    's',
  );
  row(
    '  of it, processor time of one gateway',
    lost.map((cost) => cost.gateways / LEDGERS),
    's',
  );
  const killed = verdict({
    ...{ name: `recovery with ${OPEN.toLocaleString('en-GB')} open purchases`, rounds: [recovered.wall], unit: 's' },
    goal: { atMost: 2 },
    inTheWay: 'one seal for each of them: hashing, signing and writing in the state thread.',
  });
  row('  of it, processor time of Redis', [recovered.redis], 's');
  row('  of it, processor time of the gateway', [recovered.gateways], 's');
  return [rebuilt, killed];
}

async function costOf(redis: RedisServer, gateways: readonly Gateway[], work: () => Promise<unknown>): Promise<Cost> {
  const seconds = (pids: readonly number[]) => pids.reduce((sum, pid) => sum + processorUs(pid), 0) / 1e6;
  const used = () => ({ redis: seconds([redis.pid]), gateways: seconds(gateways.map(({ child }) => child.pid ?? 0)) });
  const [before, began] = [used(), performance.now()];
  await work();
  const [wall, after] = [(performance.now() - began) / 1_000, used()];
  return { wall, redis: after.redis - before.redis, gateways: after.gateways - before.gateways };
}

const all = (gateways: readonly Gateway[], told: Told): Promise<number[]> =>
  Promise.all(gateways.map((gateway) => gateway.tell(told)));

async function flushed(url: string): Promise<void> {
  const admin = new Redis(url);
  await admin.flushall();
  admin.disconnect();
}

function startGateway(dir: string): Gateway {
  const child = fork(new URL('rebuild-gateway.ts', import.meta.url), [dir]);
  unpin(child.pid ?? 0);
  const tell = async (told: Told): Promise<number> => {
    const ends = once(child, 'exit').then(() => Promise.reject(new Error('a gateway of the bench ended')));
    child.send(told);
    const [seconds] = (await Promise.race([once(child, 'message'), ends])) as [number];
    return seconds;
  };
  return { child, tell };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, 'exit');
  child.disconnect();
  await exit;
}
