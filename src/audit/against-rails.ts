// Receipts against the rails: what was settled must have been moved, once and as it was decided, and what was moved
// must have a receipt. Pure.
import type { Difference, DifferenceKind } from './difference.ts';
import type { Purchase } from './purchases.ts';
import type { Book, Transfer } from './transfer.ts';

/** Atoms and payments. */
export interface Moved {
  readonly payments: number;
  readonly atoms: bigint;
}

/** What came of comparing with one book. */
export interface RailVerdict {
  readonly book: string;
  readonly differences: readonly Difference[];
  /** What the book has in the period, by asset. */
  readonly transfers: ReadonlyMap<string, Moved>;
  /** What the receipts say was settled in the period with whom the book answers for, by asset. */
  readonly settled: ReadonlyMap<string, Moved>;
  /** Uncertain purchases that the book answers for: where it has them, null where it does not. */
  readonly uncertain: ReadonlyMap<Purchase, string | null>;
}

/** The time that is audited: `since` inclusive, `until` exclusive, milliseconds since 1970; absent ends are open. */
export interface AuditPeriod {
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

/** Purchases by the names their payments may have in books. */
export class PurchaseIndex {
  readonly all: readonly Purchase[];
  readonly #named = new Map<string, Purchase[]>();

  constructor(purchases: Iterable<Purchase>) {
    this.all = [...purchases];
    for (const purchase of this.all) {
      const name = nonceOf(purchase.identity);
      const same = this.#named.get(name);
      if (same) same.push(purchase);
      else this.#named.set(name, [purchase]);
    }
  }

  /** The purchase of a transfer; where a nonce alone is ambiguous, the one that fits best. */
  of({ payment, payee, asset }: Transfer): Purchase | undefined {
    const named = (this.#named.get(nonceOf(payment)) ?? []).filter(
      ({ identity }) => identity === payment || identity.endsWith(`:${payment}`),
    );
    return named.find((purchase) => purchase.payee === payee && purchase.asset === asset) ?? named[0];
  }
}

/** Compares one book with the purchases that were read, some of which may lie around the period. */
export function compareWithBook(index: PurchaseIndex, book: Book, period: AuditPeriod): RailVerdict {
  const differences: Difference[] = [];
  const taken = new Map<Purchase, Transfer>();
  const transfers = new Map<string, Moved>();
  for (const transfer of book.transfers) {
    const purchase = index.of(transfer);
    if (within(period, transfer.at)) addTo(transfers, transfer.asset, transfer.atoms);
    if (!purchase) {
      if (within(period, transfer.at)) differences.push(unnamed(transfer));
      continue;
    }
    const before = taken.get(purchase);
    if (before) differences.push(twice(purchase, before, transfer));
    else taken.set(purchase, transfer);
    differences.push(...unequal(purchase, transfer));
  }
  const settled = new Map<string, Moved>();
  const uncertain = new Map<Purchase, string | null>();
  for (const purchase of index.all) {
    const transfer = taken.get(purchase);
    const counts = within(period, purchase.at) && (transfer !== undefined || book.covers(purchase));
    if (!counts) continue;
    if (purchase.end === 'settled') addTo(settled, purchase.asset, purchase.atoms);
    if (purchase.end === 'settled' && !transfer && isOver(purchase, book, period))
      differences.push(missing(purchase, book));
    if (purchase.end === 'uncertain') uncertain.set(purchase, transfer?.where ?? null);
  }
  return { book: book.name, differences, transfers, settled, uncertain };
}

/** Money may move until the proof's life ends: before that, books of the period need not have it yet. */
function isOver({ redeemableUntil }: Purchase, book: Book, period: AuditPeriod): boolean {
  return [book.untilMs, period.untilMs].every((untilMs) => untilMs === undefined || redeemableUntil < untilMs);
}

function unequal(purchase: Purchase, transfer: Transfer): Difference[] {
  if (purchase.end === 'voided') return [differing('voided_but_redeemed', purchase, transfer, 'voided')];
  const found: Difference[] = [];
  const told = `${purchase.end}, ${amountOf(purchase)} to ${purchase.payee}`;
  if (purchase.atoms !== transfer.atoms) found.push(differing('amount_differs', purchase, transfer, told));
  if (purchase.asset !== transfer.asset) found.push(differing('asset_differs', purchase, transfer, told));
  if (purchase.payee !== transfer.payee) found.push(differing('payee_differs', purchase, transfer, told));
  return found;
}

function differing(kind: DifferenceKind, purchase: Purchase, transfer: Transfer, receipts: string): Difference {
  const { hold: about, receipt } = purchase;
  return { kind, about, receipt, receipts, budgets: null, rails: told(transfer) };
}

function unnamed(transfer: Transfer): Difference {
  const { payment: about } = transfer;
  return {
    kind: 'transfer_without_receipt',
    about,
    receipt: null,
    receipts: 'nothing',
    budgets: null,
    rails: told(transfer),
  };
}

function twice(purchase: Purchase, before: Transfer, again: Transfer): Difference {
  return {
    kind: 'redeemed_twice',
    about: purchase.hold,
    receipt: purchase.receipt,
    receipts: `${purchase.end}, once`,
    budgets: null,
    rails: `${told(before)}, and ${told(again)}`,
  };
}

function missing(purchase: Purchase, book: Book): Difference {
  const { hold: about, receipt, payee, end } = purchase;
  return {
    kind: 'settled_without_transfer',
    about,
    receipt,
    receipts: `${end}, ${amountOf(purchase)} to ${payee}`,
    budgets: null,
    rails: `nothing in ${book.name}`,
  };
}

const told = (transfer: Transfer): string =>
  `${amountOf(transfer)} to ${transfer.payee} at ${new Date(transfer.at).toISOString()} (${transfer.where})`;

const amountOf = ({ atoms, asset }: Pick<Transfer, 'atoms' | 'asset'>): string => `${atoms} atoms of ${asset}`;

const nonceOf = (identity: string): string => identity.slice(identity.lastIndexOf(':') + 1);

function within({ sinceMs, untilMs }: AuditPeriod, ms: number): boolean {
  return (sinceMs === undefined || ms >= sinceMs) && (untilMs === undefined || ms < untilMs);
}

function addTo(sums: Map<string, Moved>, asset: string, atoms: bigint): void {
  const { payments, atoms: sum } = sums.get(asset) ?? { payments: 0, atoms: 0n };
  sums.set(asset, { payments: payments + 1, atoms: sum + atoms });
}
