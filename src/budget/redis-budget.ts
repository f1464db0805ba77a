// The budget that many gateways share, over one Redis. It counts nothing itself and never decides on what it read; the
// store's scripts do both in one atomic step.
import { GatewayFault } from '../domain/fault.ts';
import type { Budget } from './budget.ts';
import type { RedisPlace } from './redis-client.ts';
import { RedisStore } from './redis-store.ts';
import { type BudgetOptions, StoreBudget } from './store-budget.ts';

/** Where the store is, and how safe an exposure has to be. */
export interface RedisBudgetOptions extends BudgetOptions, RedisPlace {
  /** 1 to 64 letters, digits, dots, dashes and underscores; throws RangeError when it is anything else. */
  readonly namespace: string;
  /** An exposure counts only once this many replicas have it; 0 asks none. */
  readonly replicas: number;
}

/**
 * Connects; throws GatewayFault('store_unavailable') within 6 s when Redis does not answer or could evict what is
 * counted. From then on it connects again by itself, and every call answers or throws within 250 ms.
 */
export async function openRedisBudget(options: RedisBudgetOptions): Promise<Budget> {
  const store = new RedisStore(options);
  const budget = new StoreBudget(store, options, () => store.disconnect());
  try {
    await store.open();
    await budget.heartbeat();
  } catch (cause) {
    await budget.shutdown();
    if (cause instanceof GatewayFault) throw cause;
    throw new GatewayFault('store_unavailable', 'untouched', cause instanceof Error ? cause.message : '', cause);
  }
  return budget;
}
