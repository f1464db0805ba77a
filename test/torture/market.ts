// The merchants of the torture: an honest one, a silent one and one that takes the money and denies the goods. Their
// books are the judge; what they took they tell once there is peace, and half of the time before.
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { answer, closeAfter, demand, goods, hang, resetAfter, type Script } from '../fakes/script.ts';
import { choose, type Dice } from './dice.ts';

/** What one purchase costs, in micro-units. */
export const PRICE = 20_000n;

/** How a proof is answered. */
interface Manner {
  readonly weight: number;
  readonly script: Script;
  /** The merchant never redeems it. */
  readonly lets?: 'go';
}

/** Each merchant's service id, and its manners. */
const MANNERS: Readonly<Record<string, readonly Manner[]>> = {
  honest: [{ weight: 1, script: goods }],
  silent: [
    { weight: 1, script: hang },
    { weight: 1, script: resetAfter() },
    { weight: 1, script: hang, lets: 'go' },
    { weight: 2, script: goods },
  ],
  lying: [
    { weight: 1, script: answer(500) },
    { weight: 1, script: answer(409) },
    { weight: 1, script: answer(402) },
    { weight: 1, script: answer(402), lets: 'go' },
    { weight: 1, script: closeAfter(30) },
    { weight: 1, script: goods },
  ],
};

/** The ids of the services. */
export const SERVICES: readonly string[] = Object.keys(MANNERS);

/** All merchants. */
export interface Market {
  /** The URL of each service. */
  readonly urls: Readonly<Record<string, string>>;
  /** From now on they tell what became of each payment, and answer every proof with the goods. */
  makePeace(): void;
  /** Every target that was paid behind its service's id, as often as it was. */
  readonly paid: readonly string[];
  /** Proofs that were worthless or came twice. */
  faults(): string[];
  /** Everything they took, in micro-units. */
  taken(): bigint;
  close(): Promise<void>;
}

/** Opens them. */
export async function openMarket(roll: Dice): Promise<Market> {
  let peace = false;
  const paid: string[] = [];
  const merchants = new Map<string, HostileMerchant>();
  for (const [id, manners] of Object.entries(MANNERS)) {
    const redeemed = new Set<string>();
    const merchant = await hostileMerchant({
      unpaid: () => demand(sandboxChallenge({ request: { amount: '2' } })),
      paid: (_, { target }) => {
        const manner: Manner = peace ? { weight: 1, script: goods } : choose(roll, manners);
        if (manner.lets === 'go') return manner.script;
        paid.push(`${id}${target}`);
        redeemed.add(merchant.books.taken.at(-1)?.nonce ?? '');
        return manner.script;
      },
      told: (nonce) => (peace || roll() < 0.5 ? JSON.stringify({ redeemed: redeemed.has(nonce) }) : undefined),
    });
    merchants.set(id, merchant);
  }
  const all = [...merchants.values()];
  return {
    urls: Object.fromEntries([...merchants].map(([id, { url }]) => [id, url])),
    makePeace: () => {
      peace = true;
    },
    paid,
    faults: () => all.flatMap(({ books }) => [...books.worthless, ...Array(books.replays).fill('a proof came twice')]),
    taken: () => BigInt(paid.length) * PRICE,
    close: async () => void (await Promise.all(all.map((merchant) => merchant.close()))),
  };
}
