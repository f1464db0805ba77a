// The process: what it weighs when idle, and how long its event loop is held up under a steady stream of purchases.
import { setTimeout as sleep } from 'node:timers/promises';
import { CORE, residentMb, startServer } from './children.ts';
import { row, verdict } from './figures.ts';
import type { BenchOptions } from './main.ts';
import { embeddedGateway, GOODS } from './stage.ts';

const A_SECOND = 200;
const SETTLED_MS = 3_000;

/** Measures and prints; answers whether each goal holds. */
export async function benchProcess({ quick }: BenchOptions): Promise<boolean[]> {
  const rounds = quick ? 5 : 9;
  const seconds = quick ? 2 : 5;
  const merchant = await startServer('merchant-server.ts', CORE.load);
  const idle: number[] = [];
  for (let round = 0; round < rounds - 1; round += 1) {
    const gateway = await embeddedGateway(merchant.url);
    idle.push(await settledMb(gateway.child.pid ?? 0));
    await gateway.close();
  }
  const gateway = await embeddedGateway(merchant.url);
  idle.push(await settledMb(gateway.child.pid ?? 0));
  try {
    const headers = { 'purser-token': await gateway.token() };
    const buy = async () => {
      const answer = await fetch(`${gateway.agents}/shop${GOODS}`, { headers });
      await answer.text();
      return answer.status === 200;
    };
    await openLoop(buy, 2);
    const delays: number[] = [];
    const bought: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await loopDelayMs(gateway.operators);
      bought.push(await openLoop(buy, seconds));
      delays.push(await loopDelayMs(gateway.operators));
    }
    const loaded = residentMb(gateway.child.pid ?? 0);
    return report({ idle, bought, delays, loaded });
  } finally {
    await gateway.close();
    await merchant.stop();
  }
}

/** Resident memory once a start has settled down. */
async function settledMb(pid: number): Promise<number> {
  await sleep(SETTLED_MS);
  return residentMb(pid);
}

/** Starts purchases at their times, however long earlier ones take; answers how many of a hundred succeeded. */
async function openLoop(buy: () => Promise<boolean>, seconds: number): Promise<number> {
  const began = performance.now();
  const all: Promise<boolean>[] = [];
  for (let count = 0; count < seconds * A_SECOND; count += 1) {
    const wait = began + (count * 1_000) / A_SECOND - performance.now();
    if (wait > 0) await sleep(wait);
    all.push(buy());
  }
  const good = (await Promise.all(all)).filter(Boolean).length;
  return (good * 100) / all.length;
}

/** The gateway's own p99 since it was last asked, in milliseconds. */
async function loopDelayMs(operators: string): Promise<number> {
  const text = await (await fetch(`${operators}/metrics`)).text();
  const found = /^purser_event_loop_delay_seconds\{percentile="99"\} (\S+)$/m.exec(text)?.[1];
  return Number(found) * 1_000;
}

interface Measured {
  readonly idle: number[];
  readonly bought: number[];
  readonly delays: number[];
  readonly loaded: number;
}

function report({ idle, bought, delays, loaded }: Measured): boolean[] {
  console.log(`\nProcess: sandbox rail, embedded store; ${A_SECOND} purchases a second, begun on time`);
  const small = verdict({
    name: 'resident memory, idle (one start a round)',
    rounds: idle,
    goal: { atMost: 130 },
    unit: 'MB',
    inTheWay:
      'Node alone takes 45 MB. From the sources, stripping types in two threads takes 35 MB that the built package ' +
      'does without; most of the rest is a young generation that grew to 33 MB during the start.',
  });
  row('resident memory after the load', [loaded], 'MB');
  row('purchases that succeeded', bought, '%');
  const prompt = verdict({
    name: 'event-loop delay, p99',
    rounds: delays,
    goal: { atMost: 20 },
    unit: 'ms',
    inTheWay: 'garbage collection, and whatever else runs on the core; compare with an idle machine.',
  });
  return [small, prompt];
}
