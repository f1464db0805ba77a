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
}

/** What can go wrong, and what people do. */
export type Fault =
  | { readonly kind: 'kill' | 'powerLoss'; readonly downMs: number }
  | { readonly kind: 'killAtEvent'; readonly events: number; readonly downMs: number }
  | { readonly kind: 'diskFull' | 'diskUnsynced' | 'diskSlow'; readonly ms: number }
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

export type PlannedFault = Fault & { readonly id: string; readonly atMs: number; readonly gateway: number };

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
  /** When faults stop and everything is mended. */
  readonly mendsMs: number;
}

/** Faults that no gateway survives yet are left out. */
const NOT_YET: ReadonlySet<Fault['kind']> = new Set<Fault['kind']>([]);

const MIDNIGHT = Date.UTC(2027, 2, 14);
const DURATION_MS = 25_000;

/** Draws the plan of a seed: every other one has the embedded store and one gateway, the rest Redis and up to four. */
export function planOf(seed: number): Plan {
  const chance = new Chance(`plan ${seed}`);
  const store = seed % 2 === 0 ? 'embedded' : 'redis';
  const gateways = store === 'embedded' ? 1 : chance.between(1, 4);
  // Every other run sees an hour or a day turn over.
  const startMs =
    MIDNIGHT - (chance.happens(0.5) ? chance.between(2_000, DURATION_MS) : chance.between(50_000, 80_000_000));
  const purchases = Array.from({ length: chance.between(8, 26) }, (_, i) => purchase(chance, i, gateways));
  const faults = Array.from({ length: chance.between(0, 7) }, (_, i) => fault(chance, i, store, gateways));
  return {
    ...{ seed, store, gateways, startMs, times: 1n, storm: chance.pick([0, 0.1, 0.4]) },
    purchases: [...purchases, ...twins(chance, purchases)],
    faults: faults.filter(({ kind }) => !NOT_YET.has(kind)),
    mendsMs: DURATION_MS + 8_000,
  };
}

function purchase(chance: Chance, index: number, gateways: number): PlannedPurchase {
  const id = `p${index}`;
  const keyed = chance.happens(0.5);
  const method = chance.happens(0.25) ? 'POST' : 'GET';
  const odd = chance.happens(0.06);
  const agent = odd && chance.happens(0.5) ? chance.pick(['eve', 'forged'] as const) : chance.pick(AGENTS);
  const service = odd ? chance.pick([...SERVICES, 'nowhere'] as const) : chance.pick(SERVICES);
  return {
    ...{ id, atMs: chance.between(0, DURATION_MS), agent, service, method },
    path: odd ? chance.pick(['/v1/forbidden', '/v2/else', '/v1/a%2fb']) : `/v1/${id}`,
    body: method === 'POST' ? 'x'.repeat(chance.happens(0.05) ? 3_000 : chance.between(1, 40)) : '',
    key: keyed ? `key-${id}` : null,
    gateway: chance.between(0, gateways - 1),
    atOnce: keyed && chance.happens(0.2) ? chance.between(2, 4) : 1,
    leavesAfterMs: chance.happens(0.15) ? chance.between(1, 400) : null,
    tries: chance.pick([1, 2, 3, 4]),
    stays: chance.happens(0.5),
    saysRetry: chance.happens(0.3),
    maxPrice: chance.happens(0.08) ? chance.pick(['0.01 USD', '0.05 USD', '1 EUR']) : null,
    tokenLastsS: chance.happens(0.03) ? chance.between(-40, 1) : 600,
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
    ...{ kill: 10, powerLoss: 12, killAtEvent: 30, diskFull: 8, diskUnsynced: 8, diskSlow: 6, clockStep: 10 },
    ...{ serviceDown: 5, storm: 5, policy: 12, stop: 8 },
  },
  redis: {
    ...{ kill: 8, killAtEvent: 24, powerLoss: 4, diskFull: 5, diskUnsynced: 4, diskSlow: 4, clockStep: 6 },
    ...{
      redisRestarts: 12,
      cutOff: 10,
      redisLossy: 24,
      redisClock: 5,
      redisForgets: 8,
      redisFlushed: 4,
      redisDrops: 4,
    },
    ...{ serviceDown: 4, storm: 4, policy: 10, stop: 8 },
  },
} as const;

function fault(chance: Chance, index: number, store: 'embedded' | 'redis', gateways: number): PlannedFault {
  const kinds: Readonly<Record<string, number>> = KINDS[store];
  const kind = chance.weighted(kinds) as Fault['kind'];
  const place = { id: `f${index}`, atMs: chance.between(0, DURATION_MS), gateway: chance.between(0, gateways - 1) };
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
      return { kind, ms };
    case 'clockStep':
      return { kind, byMs: chance.pick([-120_000, -50_000, -2_000, 2_000, 20_000, 58_000, 120_000]), ms };
    case 'redisLossy':
      return { kind, ms, loss: chance.pick([0.15, 0.4]) };
    case 'redisClock':
      return { kind, byMs: chance.pick([-40_000, -3_000, 3_000, 40_000]) };
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
