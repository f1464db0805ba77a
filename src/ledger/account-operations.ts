// What the state thread answers about the account: the operations `account.*`, and the gateway's side of them.
import type { DatabaseSync } from 'node:sqlite';
import type { Account, AccountHold, AccountOrder, AccountTotal } from '../domain/account.ts';
import type { Operations, StateAccess } from '../domain/operations.ts';
import { folder, type KeptPurchase, type Standing } from './account-fold.ts';

type Row = Record<string, unknown>;

/** A purchase as {@link HOLD_COLUMNS} name its columns. */
type HoldRow = [string, string, AccountHold['state'], string, number, number, number, 0 | 1, string];

const HOLD_COLUMNS = 'id, exchange, state, purchase, intended_at, closed_at, ended_at, whole, ending';

type Since = readonly { readonly budget: string; readonly from: number }[];

/** Receipts folded by one call; others wait for the state thread meanwhile. */
const FOLD_MOST = 200;

/** The operations on one database, which has the ledger's tables. `now` is the wall clock in milliseconds. */
export function accountOperations(db: DatabaseSync, standing: Standing, now: () => number): Operations {
  const fold = folder(db, standing, now);
  const read = (run: (argument: never) => unknown) => ({ durable: false, run: run as (argument: unknown) => unknown });
  const totals = db.prepare(
    'SELECT scope, start, settled, payments FROM account_totals WHERE budget = ? AND start >= ? ORDER BY start, scope',
  );
  const open = db.prepare("SELECT purchase FROM account_holds WHERE state = 'exposed'");
  const holds = db.prepare(
    `SELECT ${HOLD_COLUMNS} FROM account_holds WHERE id > ? AND (state = 'exposed' OR forget > ?) ORDER BY id LIMIT ?`,
  );
  holds.setReturnArrays(true);
  const others = db.prepare('SELECT id, state FROM account_others');
  const orders = db.prepare('SELECT * FROM account_orders ORDER BY name');
  const settledSince = (since: Since): AccountTotal[] =>
    since.flatMap(({ budget, from }) =>
      totals.all(budget, from).map((row) => ({
        ...{ budget, scope: String(row.scope), windowStart: Number(row.start) },
        ...{ settled: BigInt(Number(row.settled)), held: 0n, payments: Number(row.payments) },
      })),
    );
  const openPurchases = () => open.all().map((row) => JSON.parse(String(row.purchase)) as KeptPurchase);
  return {
    'account.fold': read((most: number) => fold(most)),
    'account.totals': read((since: Since) => withOpen(settledSince(since), openPurchases())),
    'account.holds': read(({ after, most, now: at }: { after: string; most: number; now: number }) =>
      holds.all(after, at, most),
    ),
    'account.orders': read(() => orders.all().map(orderOf)),
    'account.others': read(() => others.all()),
  };
}

/** The account over a running state thread; `sealed` answers the newest receipt that is durable. */
export function accountIn(state: Pick<StateAccess, 'call'>, sealed: () => number): Account {
  return {
    sealed,
    fold: async () => {
      for (;;) {
        const { seq, more } = await state.call<{ seq: number; more: boolean }>('account.fold', FOLD_MOST);
        if (!more) return seq;
      }
    },
    totals: (since) => state.call('account.totals', since),
    // As rows of texts, which pass between threads at much less cost than what they say.
    holds: async (after, most, now) => (await state.call<HoldRow[]>('account.holds', { after, most, now })).map(holdOf),
    orders: () => state.call('account.orders', null),
    others: () => state.call('account.others', null),
  };
}

function withOpen(settled: readonly AccountTotal[], open: readonly KeptPurchase[]): AccountTotal[] {
  // The scope stands last: it alone may hold anything.
  const nameOf = ({ budget, scope, windowStart }: Pick<AccountTotal, 'budget' | 'scope' | 'windowStart'>) =>
    `${budget} ${windowStart} ${scope}`;
  const sums = new Map(settled.map((total) => [nameOf(total), { ...total }]));
  for (const { micros, lines } of open) {
    const held = BigInt(micros);
    for (const line of lines) {
      const sum = sums.get(nameOf(line));
      if (!sum) sums.set(nameOf(line), { ...line, settled: 0n, held, payments: 1 });
      else Object.assign(sum, { held: sum.held + held, payments: sum.payments + 1 });
    }
  }
  return [...sums.values()];
}

function holdOf([id, exchange, state, purchase, intendedAt, closedAt, endedAt, whole, ending]: HoldRow): AccountHold {
  const kept = JSON.parse(purchase) as KeptPurchase;
  return {
    ...kept,
    ...{ id, exchange, state, intendedAt, closedAt, endedAt, whole: whole === 1, ending },
    ...{ micros: BigInt(kept.micros), payment: { ...kept.payment, atoms: BigInt(kept.payment.atoms) } },
  };
}

function orderOf(row: Row): AccountOrder {
  return {
    ...{ name: String(row.name), stoppedAt: Number(row.stopped_at), startedAt: Number(row.started_at) },
    ...{ because: String(row.because), by: String(row.ordered_by) },
  };
}
