// A long quiet run over the embedded store: purchase after purchase for simulated hours, and in the end the budgets,
// the receipts and the services' books agree to the last atom.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogReader, nonceOf, placeOf, readEmbedded } from './books.ts';
import { SimulatedGateway } from './gateway.ts';
import type { Plan } from './plan.ts';
import { AGENTS, SERVICES } from './town.ts';
import { World } from './world.ts';

const HOURS_OF_A_MILLION = 18;
const HOUR_MS = 3_600_000;
const TIMES = 100_000n;
/** Of so many purchases one meets a service that does something odd. */
const ODD = 0.01;
const SETTLES_WITHIN_MS = 1_200_000;
/** So many agents ask at once: what they want is written together, as under load. */
const AT_ONCE = 16;

const PLAN: Plan = {
  ...{ seed: 18, store: 'embedded', gateways: 1, startMs: Date.UTC(2027, 2, 11, 3), times: TIMES, storm: 0 },
  ...{ purchases: [], faults: [], nodes: 0, walletless: null, mendsMs: 0 },
};

/** Buys so many times; answers whether all books agree. */
export async function soak(purchases: number): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'purser-soak-'));
  try {
    const world = new World(PLAN, false);
    for (const merchant of world.merchants.values()) merchant.oddness = ODD;
    const gateway = new SimulatedGateway(world, 'g1', join(folder, 'soak.sqlite'));
    gateway.start();
    await world.timeline.runUntil(PLAN.startMs + 5_000);
    const answered = await buy(world, gateway, purchases);
    for (const merchant of world.merchants.values()) merchant.honest = true;
    await world.timeline.runUntil(world.timeline.now + SETTLES_WITHIN_MS);
    console.log(`answered: ${[...answered].map(([status, times]) => `${times} × ${status}`).join(', ')}`);
    return judge(world, gateway);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function buy(world: World, gateway: SimulatedGateway, purchases: number): Promise<Map<number, number>> {
  const { timeline } = world;
  const chance = world.chanceOf('soak');
  const answered = new Map<number, number>();
  const every = (HOURS_OF_A_MILLION * HOUR_MS) / 1_000_000;
  const began = process.cpuUsage();
  const from = timeline.now;
  const ask = (request: string): void => {
    const ends = Math.floor(timeline.now / 1_000) + 600;
    const headers = ['Purser-Token', `${chance.pick(AGENTS)}~${ends}`, 'X-Request', request, 'X-Purchase', request];
    const path = `/${chance.pick(SERVICES.slice(0, 2))}/v1/${request}`;
    gateway.serve({ method: 'GET', path, headers, body: '' }, (answer) => {
      const status = answer?.status ?? 0;
      answered.set(status, (answered.get(status) ?? 0) + 1);
    });
  };
  for (let done = 0; done < purchases; done += 1) {
    ask(`s${done}`);
    if ((done + 1) % AT_ONCE === 0) await timeline.runUntil(from + Math.ceil((done + 1) * every));
    if ((done + 1) % 10_000 > 0 && done + 1 < purchases) continue;
    const { user, system } = process.cpuUsage(began);
    const rate = `${((done + 1) / ((user + system) / 1e6)).toFixed(0)} purchases a second of one processor`;
    console.log(`${done + 1} purchases, ${((timeline.now - from) / HOUR_MS).toFixed(1)} simulated hours, ${rate}`);
  }
  return answered;
}

function judge(world: World, gateway: SimulatedGateway): boolean {
  const { db } = gateway.disk;
  const counted = new Map<string, bigint>();
  const settled = new Map<string, bigint>();
  const reader = new LogReader();
  let receipts = 0;
  for (let page = reader.read(db); page.length > 0; page = reader.read(db)) {
    receipts += page.length;
    for (const { kind, hold, proof } of page) {
      if (kind !== 'settled' || !hold || !proof) continue;
      const micros = BigInt(hold.amount.replace('.', ''));
      settled.set(nonceOf(proof), micros);
      for (const { id, scope, window } of hold.budgets) {
        const place = placeOf(id, scope, Date.parse(window));
        counted.set(place, (counted.get(place) ?? 0n) + micros);
      }
    }
  }
  const wrong: string[] = [];
  let atoms = 0n;
  let books = 0;
  for (const { books: taken } of world.merchants.values()) {
    for (const one of taken) {
      books += 1;
      atoms += one.atoms;
      const micros = settled.get(one.nonce);
      const exact = one.currency === 'usd' ? one.atoms * 10_000n : (one.atoms * 70_003_337n + 9_999n) / 10_000n;
      if (micros !== exact) wrong.push(`${one.request}: ${exact} in the service's books, ${micros} in the receipts`);
    }
  }
  if (books !== settled.size) wrong.push(`${books} payments in the services' books, ${settled.size} in the receipts`);
  for (const line of readEmbedded(db).lines.values()) {
    const place = placeOf(line.budget, line.scope, line.start);
    if (line.held !== 0n) wrong.push(`${place} still holds ${line.held}`);
    if (line.settled !== (counted.get(place) ?? 0n))
      wrong.push(`${place}: ${line.settled} counted, ${counted.get(place)} sealed`);
  }
  for (const line of wrong.slice(0, 20)) console.log(line);
  console.log(`${receipts} receipts, ${books} payments of ${atoms} atoms, ${wrong.length} differences`);
  return wrong.length === 0;
}
