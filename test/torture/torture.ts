// Torments four gateways on one Redis for a while, makes peace, and compares the books.
import { join } from 'node:path';
import type { HoldView } from '../support/stand.ts';
import { dice } from './dice.ts';
import { torment } from './faults.ts';
import { judge, type Verdict, waitForPeace } from './judge.ts';
import { startLoad } from './load.ts';
import { openMarket } from './market.ts';
import { openTown, PROOF_MS } from './town.ts';

/** How long a hold may be uncertain once its proof is dead and the merchants tell. */
const LOOK_UP_MS = 60_000;

/** What was done, what was seen, what came of it. */
export interface Torture extends Verdict {
  readonly done: ReadonlyMap<string, number>;
  readonly seen: ReadonlyMap<string, number>;
}

/** For so many milliseconds; `seed` decides what is done, not when it bites. */
export async function torture(ms: number, seed: number): Promise<Torture> {
  const roll = dice(seed);
  const market = await openMarket(roll);
  const town = await openTown(market.urls);
  try {
    const done = new Map<string, number>();
    town.keepUp(() => roll() * 3_000);
    const load = await startLoad(town.places, join(town.places[0]?.folder ?? '', 'var'), roll);
    const faults = torment(town, roll, done);
    await new Promise((resolve) => setTimeout(resolve, ms));
    await faults.stop();
    await load.stop();
    market.makePeace();
    town.keepUp(() => 0);
    const stuck = await waitForPeace(town, PROOF_MS + LOOK_UP_MS);
    const { figures, faults: wrong } = await judge(town, market, load.bought);
    return {
      done,
      seen: load.seen,
      figures: [
        ['purchases asked for', `${load.asked()}`],
        ['gateways that ended by themselves', `${town.ended()}`],
        ...figures,
      ],
      faults: [...wrong, ...stuck.map(stuckText)],
    };
  } finally {
    await town.close();
    await market.close();
  }
}

const stuckText = ({ id, state, heldAt, evidence }: HoldView): string =>
  `stuck: ${id} is ${state}, held at ${heldAt}, ${evidence ? `${evidence.seen} at ${evidence.at}` : 'never looked at'}`;

/** As a table for people. */
export function show({ done, seen, figures, faults }: Torture): string {
  const rows = (title: string, entries: Iterable<readonly [string, string | number]>) => [
    title,
    ...[...entries].map(([name, value]) => `  ${name.padEnd(54)} ${String(value).padStart(8)}`),
    '',
  ];
  return [
    ...rows('What was done', done),
    ...rows('What agents saw', seen),
    ...rows('What came of it', figures),
    faults.length === 0 ? 'All sides agree: nothing overspent, lost or stuck.' : `${faults.length} faults:`,
    ...faults.slice(0, 50).map((fault) => `  ${fault}`),
    '',
  ].join('\n');
}
