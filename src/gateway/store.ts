// Opens what is durable: the state thread with the receipt log, and the budget store beside it or in Redis.
import { extname } from 'node:path';
import type { Budget } from '../budget/budget.ts';
import { embeddedBudget } from '../budget/embedded-budget.ts';
import { notesIn } from '../budget/notes.ts';
import type { SharedBudget } from '../budget/redis-budget.ts';
import type { BudgetOptions } from '../budget/store-budget.ts';
import type { Config } from '../config/config.ts';
import type { Notes } from '../domain/account.ts';
import { type Clock, type Random, SYSTEM_TIMERS } from '../domain/clock.ts';
import type { Receipt } from '../domain/receipt.ts';
import { accountIn } from '../ledger/account-operations.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { openLedger } from '../ledger/sealed-ledger.ts';
import { openState, type StateThread } from '../state/thread.ts';
import type { StateWorkerData } from '../state-worker.ts';

/** The durable parts of a gateway. */
export interface OpenStore {
  readonly budget: Budget;
  /** What keeps a store that is shared in agreement with the receipts; null where the gateway has it to itself. */
  readonly shared: SharedBudget | null;
  readonly ledger: Ledger;
  readonly notes: Notes;
  /** 32 bytes under which claims and upstream idempotency keys are hashed; the same at every gateway of the store. */
  readonly key: Uint8Array;
  /** Bytes of a write that did not reach its end, which were left out at the opening; 0 without one. */
  readonly torn: number;
  /** Called once when the state thread ends by itself. */
  onLost(callback: (reason: string) => void): void;
  close(): Promise<void>;
}

/** Does a development issuer or a sandbox wallet take part? Then every receipt says so. */
export function isDevelopment(config: Config): boolean {
  return config.identity.development || config.wallets.some((wallet) => wallet.rail === 'sandbox');
}

/** The state thread's file beside this one: `.ts` in the repository, `.js` in the package. */
const STATE_WORKER = new URL(`../state-worker${extname(import.meta.url)}`, import.meta.url);

/** Told of each receipt once it is durable. */
export type Sealed = (receipt: Receipt) => void;

/** Opens all of it, or throws an Error whose message is for the person who starts the gateway. */
export async function openStore(
  config: Config,
  clock: Clock,
  random: Random,
  sealed: Sealed = () => {},
): Promise<OpenStore> {
  const data: StateWorkerData = {
    dir: config.state.dir,
    diskReserveBytes: config.limits.diskReserveBytes,
    development: isDevelopment(config),
    segment: config.state.segment,
    embedded: config.budgets.store === 'embedded' ? { repeatWindowMs: config.limits.repeatWindowMs } : null,
  };
  const thread = await openState({ worker: STATE_WORKER, data });
  try {
    const ledger = await openLedger(thread, sealed);
    const key = keyOf(config, ledger);
    const { budget, shared } = await openBudget(config, thread, ledger, { log: ledger.log, key, clock, random });
    return {
      budget,
      shared,
      ledger,
      notes: notesIn(thread),
      key,
      torn: thread.torn,
      onLost: (callback) => thread.onExit(callback),
      close: async () => {
        await budget.shutdown();
        await thread.close();
      },
    };
  } catch (error) {
    await thread.close();
    throw error;
  }
}

/** The embedded store's key never leaves the state folder; a shared one is configured. */
function keyOf(config: Config, ledger: Ledger): Uint8Array {
  if (config.budgets.store === 'redis') return Buffer.from(config.budgets.key.reveal(), 'hex');
  return Buffer.from(ledger.mask('purchase claims and upstream idempotency keys'), 'hex');
}

type Named = Pick<BudgetOptions, 'log' | 'key' | 'clock' | 'random'>;

async function openBudget(
  config: Config,
  thread: StateThread,
  ledger: Ledger,
  named: Named,
): Promise<Pick<OpenStore, 'budget' | 'shared'>> {
  const { budgets, accounting, limits } = config;
  const options = {
    ...named,
    timers: SYSTEM_TIMERS,
    timeZone: accounting.timeZone,
    repeatWindowMs: limits.repeatWindowMs,
  };
  if (budgets.store === 'embedded') return { budget: embeddedBudget(thread, options), shared: null };
  const { openRedisBudget } = await import('../budget/redis-budget.ts');
  const shared = await openRedisBudget({
    ...options,
    ...{ url: budgets.url?.reveal() ?? null, tls: budgets.tls, ca: budgets.ca },
    ...{ sentinels: budgets.sentinels, cluster: budgets.cluster },
    namespace: budgets.namespace,
    replicas: budgets.replicas,
    account: accountIn(thread, () => ledger.newest()),
    notes: notesIn(thread),
    missingAfterMs: budgets.missingAfterMs,
  });
  return { budget: shared.budget, shared };
}

/** What a write that did not reach its end left, and whose money it touches; recovery counts them next. */
export const tornText = (bytes: number, newest: number): string =>
  `the last write of the state database did not reach its end: its ${bytes} bytes are left out, and receipt ` +
  `${newest} is the last one. Nobody was told that it was kept: a purchase whose intent was in it has paid nothing ` +
  'and gets its money back, one whose outcome was in it is uncertain and stays counted (see: purser holds list)';
