// The paid path: what a purchase takes through the gateway, one in flight, against a client that pays by itself at the
// same merchant.
import { setTimeout as sleep } from 'node:timers/promises';
import { CORE, startServer } from './children.ts';
import { quantile, ratios, row, verdict } from './figures.ts';
import type { BenchOptions } from './main.ts';
import { ownPayer } from './own-payer.ts';
import { benchRedis, embeddedGateway, GOODS, redisGateway } from './stage.ts';

const PAUSE_MS = 5;

type Purchase = () => Promise<void>;

/** Milliseconds of each purchase, by round. */
type Timings = number[][];

/** Measures and prints; answers whether each goal holds. */
export async function benchPaid({ quick }: BenchOptions): Promise<boolean[]> {
  const merchant = await startServer('merchant-server.ts', CORE.load);
  const redis = await benchRedis();
  const gateways = new Map([['embedded', await embeddedGateway(merchant.url)]]);
  if (redis) gateways.set('Redis', await redisGateway(merchant.url, redis));
  const pay = ownPayer();
  const buyers = new Map<string, Purchase>([['alone', () => bought(pay(`${merchant.url}${GOODS}`))]]);
  for (const [store, gateway] of gateways) {
    const headers = { 'purser-token': await gateway.token() };
    buyers.set(store, () => bought(fetch(`${gateway.agents}/shop${GOODS}`, { headers })));
  }
  try {
    const [rounds, purchases, warmUp] = quick ? [5, 60, 100] : [15, 100, 500];
    await inTurns(buyers, 1, warmUp);
    const timings = await inTurns(buyers, rounds, purchases);
    return [...gateways.keys()].map((store) => report(store, timings));
  } finally {
    for (const gateway of gateways.values()) await gateway.close();
    await redis?.stop();
    await merchant.stop();
  }
}

/**
 * Purchase by purchase in turns, so that all meet the same machine. What a gateway still writes after its answer must
 * not weigh on whoever comes next.
 */
async function inTurns(buyers: ReadonlyMap<string, Purchase>, rounds: number, purchases: number) {
  const timings = new Map<string, Timings>([...buyers.keys()].map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const each of timings.values()) each.push([]);
    for (let count = 0; count < purchases; count += 1) {
      for (const [name, buy] of buyers) {
        const began = performance.now();
        await buy();
        timings.get(name)?.[round]?.push(performance.now() - began);
        await sleep(PAUSE_MS);
      }
    }
  }
  return timings;
}

async function bought(answering: Promise<Response>): Promise<void> {
  const answer = await answering;
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`a purchase ended in ${answer.status}: ${text.slice(0, 200)}`);
}

function report(store: string, timings: ReadonlyMap<string, Timings>): boolean {
  const at = (name: string, part: number) => (timings.get(name) ?? []).map((round) => quantile(round, part));
  const alone = { p50: at('alone', 0.5), p99: at('alone', 0.99) };
  const through = { p50: at(store, 0.5), p99: at(store, 0.99) };
  const added = (over: number[], under: number[]) => over.map((value, round) => value - (under[round] ?? Number.NaN));
  console.log(`\nPaid path: sandbox rail, one in flight, ${store} store`);
  row('an mppx client that pays by itself, p50', alone.p50, 'ms');
  row('through Purser, p50', through.p50, 'ms');
  row('what Purser adds at p50', added(through.p50, alone.p50), 'ms');
  row('what Purser adds at p99', added(through.p99, alone.p99), 'ms');
  return verdict({
    name: 'Purser ÷ paying alone, at p50',
    rounds: ratios(through.p50, alone.p50),
    goal: { atMost: 1.5 },
    unit: '×',
    inTheWay:
      'one more hop, and before the answer three or four steps of the store and two synced seals; on the embedded ' +
      'store each of them commits, and all of them together write some 80 pages a purchase.',
  });
}
