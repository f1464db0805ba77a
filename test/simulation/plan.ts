// What happens in a run, drawn from its seed before it begins: who buys what, when, and what goes wrong. A plan can be
// cut down piece by piece without changing what the pieces that are left do.
import { Chance } from './random.ts';
import { AGENTS, type AgentId, POLICIES, type PolicyName, SERVICES, type ServiceId } from './town.ts';

/** One purchase an agent wants to make, with all the requests that takes. */
export interface PlannedPurchase {
  readonly id: string;
  readonly atMs: number;
  readonly agent: AgentId | 'eve' | 'forged';
  readonly service: ServiceId | 'nowhere';
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: string;
  readonly key: string | null;
  readonly gateway: number;
  /** At so many gateways at once; only with a key. */
  readonly atOnce: number;
  readonly leavesAfterMs: number | null;
  readonly tries: number;
  /** Retries go to the same gateway, or to the next one. */
  readonly stays: boolean;
  readonly saysRetry: boolean;
  readonly maxPrice: string | null;
  readonly tokenLastsS: number;
  /** What is wrong with its headers. */
  readonly sends: 'all' | 'noToken' | 'ownPayment' | 'misspelt';
}

/** What can go wrong, and what people do. */
export type Fault =
  | { readonly kind: 'kill' | 'powerLoss'; readonly downMs: number }
  | { readonly kind: 'killAtEvent'; readonly events: number; readonly downMs: number }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'diskFull' | 'diskUnsynced'; readonly ms: number }
  | { readonly kind: 'diskSlow'; readonly ms: number; readonly stallMs: number }
  | { readonly kind: 'clockStep'; readonly byMs: number; readonly ms: number }
  | { readonly kind: 'cutOff'; readonly ms: number }
  | { readonly kind: 'redisRestarts'; readonly ms: number; readonly forgets: number }
  | { readonly kind: 'redisLossy'; readonly ms: number; readonly loss: number }
  | { readonly kind: 'redisClock'; readonly byMs: number }
  | { readonly kind: 'redisForgets'; readonly writes: number }
  | { readonly kind: 'redisFlushed' }
  | { readonly kind: 'redisDrops'; readonly which: number }
  | { readonly kind: 'serviceDown'; readonly service: ServiceId; readonly ms: number }
  | { readonly kind: 'storm'; readonly ms: number }
  | { readonly kind: 'policy'; readonly name: PolicyName; readonly ms: number }
  | { readonly kind: 'stop'; readonly what: 'agent' | 'service' | 'all'; readonly id: string; readonly ms: number };

/** What a fault can wait for: a hold was made or exposed, its intent or payment sealed, or a service took the money. */
export const MOMENTS = ['held', 'exposed', 'intended', 'taken', 'settled'] as const;
export type Moment = (typeof MOMENTS)[number];

export type PlannedFault = Fault & {
  readonly id: string;
  readonly atMs: number;
  readonly gateway: number;
  /** It strikes at the first such moment from its time on, the gateway whose purchase that is. */
  readonly on: Moment | null;
};

/** A whole run. */
export interface Plan {
  readonly seed: number;
  readonly store: 'embedded' | 'redis';
  readonly gateways: number;
  readonly startMs: number;
  /** How many times the usual budgets. */
  readonly times: bigint;
  readonly storm: number;
  readonly purchases: readonly PlannedPurchase[];
  readonly faults: readonly PlannedFault[];
  /** So many nodes of a chain that services can be paid on as well; 0: there is none. */
  readonly nodes: number;
  /** A gateway that has no wallet. */
  readonly walletless: string | null;
  /** When faults stop and everything is mended. */
  readonly mendsMs: number;
}

/** When an hour and a day turn over, and the review date of one agent passes. */
export const MIDNIGHT = Date.UTC(2027, 2, 14);
const SHORT_MS = 25_000;
/** Longer than a rolling window is. */
const LONG_MS = 80_000;

/** Who buys where, and for how long. */
interface Town {
  readonly gateways: number;
  readonly lastsMs: number;
  readonly agents: readonly AgentId[];
  readonly services: readonly ServiceId[];
}

/** Draws the plan of a seed: every other one has the embedded store and one gateway, the rest Redis and up to four. */
export function planOf(seed: number): Plan {
  const chance = new Chance(`plan ${seed}`);
  const store = seed % 2 === 0 ? 'embedded' : 'redis';
  const gateways = store === 'embedded' ? 1 : chance.between(1, 4);
  const lastsMs = chance.happens(0.15) ? LONG_MS : SHORT_MS;
  // Every other run sees an hour or a day turn over.
  const startMs =
    MIDNIGHT - (chance.happens(0.5) ? chance.between(2_000, lastsMs) : chance.between(90_000, 80_000_000));
  const town = { gateways, lastsMs, ...crowd(chance) };
  const purchases = Array.from({ length: chance.between(8, 26) }, (_, i) => purchase(chance, i, town));
  return {
    ...{ seed, store, gateways, startMs, times: 1n, storm: chance.pick([0, 0.1, 0.4]) },
    nodes: nodesOf(seed),
    walletless: chance.happens(0.03) ? `g${chance.between(1, gateways)}` : null,
    faults: Array.from({ length: chance.between(0, 7) }, (_, i) => fault(chance, i, store, town)),
    purchases: misspelling(seed, [...purchases, ...twins(chance, purchases)]),
    mendsMs: lastsMs + 8_000,
  };
}

/** In one run of four there is a chain, mostly with two nodes. Drawn apart: what else happens is the same without. */
function nodesOf(seed: number): number {
  const chance = new Chance(`chain ${seed}`);
  return chance.happens(0.25) ? chance.pick([1, 2, 2]) : 0;
}

/** In one run of ten an agent misspells a header. Drawn apart as well. */
function misspelling(seed: number, purchases: readonly PlannedPurchase[]): PlannedPurchase[] {
  const chance = new Chance(`headers ${seed}`);
  const at = chance.happens(0.1) ? chance.between(0, purchases.length - 1) : -1;
  return purchases.map((one, i) => (i === at ? { ...one, sends: 'misspelt' } : one));
}

/** Often a few want the same, so that they meet at its limits. */
function crowd(chance: Chance): Pick<Town, 'agents' | 'services'> {
  if (!chance.happens(0.4)) return { agents: AGENTS, services: SERVICES };
  return {
    agents: [chance.pick(AGENTS), chance.pick(AGENTS)],
    services: [chance.pick(['weather', 'writer'] as const)],
  };
}

function purchase(chance: Chance, index: number, town: Town): PlannedPurchase {
  const id = `p${index}`;
  const keyed = chance.happens(0.5);
  const method = chance.happens(0.25) ? 'POST' : 'GET';
  const odd = chance.happens(0.06);
  const agent = odd && chance.happens(0.5) ? chance.pick(['eve', 'forged'] as const) : chance.pick(town.agents);
  const service = odd ? chance.pick([...SERVICES, 'nowhere'] as const) : chance.pick(town.services);
  return {
    ...{ id, atMs: chance.between(0, town.lastsMs), agent, service, method },
    path: odd ? chance.pick(['/v1/forbidden', '/v2/else', '/v1/a%2fb']) : `/v1/${id}`,
    body: method === 'POST' ? 'x'.repeat(chance.happens(0.05) ? 3_000 : chance.between(1, 40)) : '',
    key: keyed ? `key-${id}` : null,
    gateway: chance.between(0, town.gateways - 1),
    atOnce: keyed && chance.happens(0.2) ? chance.between(2, 4) : 1,
    leavesAfterMs: chance.happens(0.15) ? chance.between(1, 400) : null,
    tries: chance.pick([1, 2, 3, 4]),
    stays: chance.happens(0.5),
    saysRetry: chance.happens(0.3),
    maxPrice: chance.happens(0.08) ? chance.pick(['0.01 USD', '0.05 USD', '1 EUR']) : null,
    tokenLastsS: chance.happens(0.03) ? chance.between(-40, 1) : 600,
    sends: chance.happens(0.02) ? chance.pick(['noToken', 'ownPayment'] as const) : 'all',
  };
}

/** The same request once more: a purchase of its own, or one with the key of the first but another target. */
function twins(chance: Chance, purchases: readonly PlannedPurchase[]): PlannedPurchase[] {
  return purchases
    .filter(() => chance.happens(0.1))
    .map((one, i) => {
      const atMs = one.atMs + chance.between(1, 3_000);
      const id = `${one.id}t${i}`;
      return one.key === null
        ? { ...one, id, atMs, tries: 1 }
        : { ...one, id, atMs, path: `${one.path}/other`, tries: 1 };
    });
}

const KINDS = {
  embedded: {
    ...{ kill: 10, powerLoss: 12, killAtEvent: 30, pause: 10, diskFull: 8, diskUnsynced: 8, diskSlow: 8 },
    ...{ clockStep: 10 },
    ...{ serviceDown: 5, storm: 5, policy: 12, stop: 8 },
  },
  redis: {
    ...{ kill: 8, killAtEvent: 24, powerLoss: 4, pause: 8, diskFull: 5, diskUnsynced: 4, diskSlow: 4, clockStep: 6 },
    ...{
      redisRestarts: 12,
      cutOff: 10,
      redisLossy: 24,
      redisClock: 8,
      redisForgets: 8,
      redisFlushed: 4,
      redisDrops: 4,
    },
    ...{ serviceDown: 4, storm: 4, policy: 10, stop: 8 },
  },
} as const;

function fault(chance: Chance, index: number, store: 'embedded' | 'redis', town: Town): PlannedFault {
  const kinds: Readonly<Record<string, number>> = KINDS[store];
  const kind = chance.weighted(kinds) as Fault['kind'];
  const place = {
    ...{ id: `f${index}`, atMs: chance.between(0, town.lastsMs), gateway: chance.between(0, town.gateways - 1) },
    on: chance.happens(0.35) ? chance.pick(MOMENTS) : null,
  };
  return { ...place, ...faultOf(kind, chance) };
}

function faultOf(kind: Fault['kind'], chance: Chance): Fault {
  const ms = chance.between(200, 9_000);
  switch (kind) {
    case 'kill':
    case 'powerLoss':
      return { kind, downMs: chance.between(50, 8_000) };
    case 'killAtEvent':
      return { kind, events: chance.between(1, 60), downMs: chance.between(50, 4_000) };
    case 'diskFull':
    case 'diskUnsynced':
    case 'cutOff':
    case 'storm':
      return { kind, ms };
    case 'diskSlow':
      return { kind, ms, stallMs: chance.pick([200, 600, 900, 2_000]) };
    case 'pause':
      return { kind, ms: chance.pick([300, 900, 2_500, 6_000]) };
    case 'clockStep':
      return { kind, byMs: chance.pick([-120_000, -50_000, -2_000, 2_000, 20_000, 58_000, 120_000]), ms };
    case 'redisLossy':
      return { kind, ms, loss: chance.pick([0.15, 0.4]) };
    case 'redisClock':
      return { kind, byMs: chance.pick([-40_000, -3_000, -3_000, 3_000, 40_000]) };
    case 'redisRestarts':
      return { kind, ms, forgets: chance.pick([0, 0, 1, 5, 30]) };
    case 'redisDrops':
      return { kind, which: chance.between(0, 1_000) };
    case 'redisForgets':
      return { kind, writes: chance.between(1, 30) };
    case 'redisFlushed':
      return { kind };
    case 'serviceDown':
      return { kind, service: chance.pick(SERVICES), ms };
    case 'policy':
      return { kind, name: chance.pick(POLICIES.slice(1)), ms: chance.between(2_000, 20_000) };
    case 'stop': {
      const what = chance.pick(['agent', 'service', 'all'] as const);
      const id = what === 'agent' ? chance.pick(AGENTS) : what === 'service' ? chance.pick(SERVICES) : '*';
      return { kind, what, id, ms: chance.between(500, 10_000) };
    }
  }
}
