// The budget that many gateways share, over one Redis. It counts nothing itself and never decides on what it read; the
// store's scripts do both in one atomic step. What Redis forgets, the gateways bring back from their receipts.
import type { Account, Notes } from '../domain/account.ts';
import { sleep } from '../domain/clock.ts';
import { GatewayFault } from '../domain/fault.ts';
import type { Budget } from './budget.ts';
import { ClaimHasher } from './claims.ts';
import { lifeOf, Membership } from './membership.ts';
import { Rebuild } from './rebuild.ts';
import type { RedisPlace } from './redis-client.ts';
import { type LinkMaker, RedisConnection } from './redis-connection.ts';
import { RedisKeys } from './redis-keys.ts';
import { RedisMembers } from './redis-members.ts';
import { SCRIPTS } from './redis-scripts.ts';
import { RedisStore } from './redis-store.ts';
import { type BudgetOptions, StoreBudget } from './store-budget.ts';
import { StoreRefuses } from './store-refuses.ts';
import { Calendar } from './windows.ts';

/** Where the store is, how safe an exposure has to be, and what it can be rebuilt from. */
export interface RedisBudgetOptions extends BudgetOptions, RedisPlace {
  /** 1 to 64 letters, digits, dots, dashes and underscores; throws RangeError when it is anything else. */
  readonly namespace: string;
  /** An exposure counts only once this many replicas have it; 0 asks none. */
  readonly replicas: number;
  readonly account: Account;
  readonly notes: Notes;
  /** How long a rebuild waits for a gateway that does not come; ms. */
  readonly missingAfterMs: number;
  /** How long a generation stays closed; {@link CLOSED_MS} unless a test is about something else. */
  readonly closedMs?: number;
}

/** What a shared store needs beside the budget's own steps. */
export interface SharedBudget {
  readonly budget: Budget;
  readonly rebuild: Rebuild;
  /** Called once each time that the store is found to have forgotten something, or this gateway to have been away. */
  onAstray(callback: (why: string) => void): void;
}

/** A bit over two heartbeats: by then every gateway that counted in the store has found that it forgot. */
export const CLOSED_MS = 1_100;
const JOINED_WITHIN_MS = 5_000;
const AGAIN_MS = 50;

/**
 * Connects and joins; throws GatewayFault('store_unavailable') within 6 s when Redis does not answer, could evict what
 * is counted, or must not be used with this state folder. A store that is being rebuilt is no reason to throw: until
 * `rebuild.settle` says that it is open every step throws. It connects again by itself, and every call answers or
 * throws within 250 ms. `link` makes the connections; by default to the Redis of the options.
 */
export async function openRedisBudget(
  options: RedisBudgetOptions,
  link: LinkMaker = (scripts, probeKey) => new RedisConnection(options, scripts, probeKey),
): Promise<SharedBudget> {
  const membership = new Membership(options.log, lifeOf(options));
  const redis = link(Object.values(SCRIPTS), new RedisKeys(options.namespace).clock);
  const { account, notes, missingAfterMs } = options;
  const shared = { ...options, membership, sealed: () => account.sealed() };
  const store = new RedisStore(shared, redis, link);
  const members = new RedisMembers({ ...shared, closedMs: options.closedMs ?? CLOSED_MS }, redis);
  const hasher = new ClaimHasher(options.key);
  const calendar = new Calendar(options.timeZone);
  const end = (hold: string, as: 'settled' | 'voided') => store.end({ hold, as });
  const rebuild = new Rebuild({ members, membership, account, notes, end, hasher, calendar, missingAfterMs });
  const budget = new StoreBudget(store, options, {
    life: membership.life,
    generation: () => membership.generation,
    agreed: (fields) => rebuild.agreed(fields),
    letGo: async () => {
      await rebuild.leave().catch(() => {});
      store.disconnect();
    },
  });
  try {
    await store.open();
    await joined(rebuild, options);
    if (membership.generation !== null) await budget.heartbeat();
  } catch (cause) {
    await budget.shutdown();
    if (cause instanceof GatewayFault) throw cause;
    throw new GatewayFault('store_unavailable', 'untouched', cause instanceof Error ? cause.message : '', cause);
  }
  return { budget, rebuild, onAstray: (callback) => membership.onAstray(callback) };
}

const isSkew = (error: unknown): boolean => error instanceof Error && /\bSKEW\b/.test(error.message);

/** Joins; waits a while for others, but not for ever. */
async function joined(rebuild: Rebuild, { clock, timers }: BudgetOptions): Promise<void> {
  const deadline = clock.monotonic() + JOINED_WITHIN_MS;
  let failed: unknown;
  do {
    try {
      if ((await rebuild.settle()).kind === 'open') return;
      failed = undefined;
    } catch (error) {
      if (error instanceof StoreRefuses || isSkew(error)) throw error;
      failed = error;
    }
    await sleep(timers, AGAIN_MS);
  } while (clock.monotonic() < deadline);
  if (failed !== undefined && !rebuild.reached) throw failed;
}
