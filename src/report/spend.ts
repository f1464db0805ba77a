// From receipts in order to what was spent: a purchase is held by its `intended`, and ends by `settled`, `voided` or a
// person's `resolved`; without an end it is uncertain. Memory grows with groups and purchases without an end, not with
// receipts. Nothing here is proved: whoever reads the receipts vouches for them.
import { type Micros, readMicros } from '../domain/money.ts';
import type { Bought, Receipt } from '../domain/receipt.ts';
import type { Decided, Dimension } from './dimensions.ts';
import { countedAt, type Days, type Period, widened, within } from './period.ts';
import { NOTHING, plus, type Totals } from './totals.ts';

/** A receipt as it is read; its parts cost something. */
export interface ReadReceipt {
  readonly log: string;
  readonly kind: string;
  readonly at: string;
  hold(): Receipt['hold'];
  bought(): Bought;
  whole(): Receipt;
}

/** One group: a value for each dimension, in their order. */
export interface Row {
  readonly values: readonly (string | null)[];
  readonly totals: Totals;
}

/** What all receipts came to. */
export interface SpendReport {
  /** In the order of their values, "none" last. */
  readonly rows: readonly Row[];
  readonly total: Totals;
  /** Of the amounts; null when there are no purchases. */
  readonly currency: string | null;
  /** How many of the purchases were made in a development set-up. */
  readonly development: number;
  /** Logs whose holds were resolved here, while their own receipts were not read. */
  readonly missingLogs: readonly string[];
}

/** A report that cannot be made of these receipts; the message is for people. */
export class ReportRefused extends Error {}

/** The most groups of one report. */
export const MOST_GROUPS = 200_000;

interface Group {
  readonly values: readonly (string | null)[];
  settled: Micros;
  settledFees: Micros;
  payments: number;
  largest: Micros | null;
  development: number;
}

interface Open {
  readonly group: Group;
  readonly amount: Micros;
  readonly fee: Micros;
  readonly development: boolean;
}

/** Takes receipts in the order of their log; several logs one after the other, in any order. */
export class Spend {
  readonly #dimensions: readonly Dimension[];
  readonly #period: Period;
  readonly #wide: Period;
  readonly #days: Days;
  readonly #groups = new Map<string, Group>();
  readonly #open = new Map<string, Open>();
  /** Holds of other logs that were resolved before their own receipts were read: were they settled? */
  readonly #elsewhere = new Map<string, boolean>();
  readonly #logs = new Set<string>();
  #currency: string | null = null;

  constructor(dimensions: readonly Dimension[], period: Period, days: Days) {
    this.#dimensions = dimensions;
    this.#period = period;
    this.#wide = widened(period);
    this.#days = days;
  }

  /** Throws ReportRefused when there are too many groups or two currencies, TypeError for what is no receipt. */
  take(receipt: ReadReceipt): void {
    this.#logs.add(receipt.log);
    const { kind } = receipt;
    if (kind === 'intended') this.#intended(receipt);
    if (kind === 'settled' || kind === 'voided') this.#ended(receipt, kind);
    if (kind === 'resolved') this.#resolved(receipt.whole());
  }

  /** What came of all receipts. */
  result(): SpendReport {
    for (const [hold, settled] of this.#elsewhere) {
      const open = this.#open.get(hold);
      if (!open) continue;
      if (settled) settle(open, open.amount, open.fee);
      this.#open.delete(hold);
    }
    const uncertain = this.#uncertain();
    const rows: Row[] = [];
    let development = 0;
    for (const group of this.#groups.values()) {
      const totals = plus(settledOf(group), uncertain.totals.get(group) ?? NOTHING);
      if (totals.payments + totals.uncertainPayments > 0n) rows.push({ values: group.values, totals });
      development += group.development;
    }
    rows.sort((left, right) => compare(left.values, right.values));
    const logs = [...this.#elsewhere.keys()].map(logOf).filter((log) => !this.#logs.has(log));
    return {
      rows,
      total: rows.reduce((sum, { totals }) => plus(sum, totals), NOTHING),
      currency: this.#currency,
      development: development + uncertain.development,
      missingLogs: [...new Set(logs)].sort(),
    };
  }

  #intended(read: ReadReceipt): void {
    if (!within(this.#wide, Date.parse(read.at))) return;
    const receipt = read.bought();
    const at = countedAt(receipt, this.#days);
    if (!within(this.#period, at)) return;
    const { hold, offer, development = false } = receipt;
    if (!hold || !offer) throw new TypeError('a purchase names no hold or no offer');
    this.#count(offer.currency);
    const group = this.#group({ receipt, day: this.#days.day(at) });
    this.#open.set(hold.id, { group, amount: readMicros(hold.amount), fee: readMicros(hold.fee), development });
  }

  #ended(receipt: ReadReceipt, kind: 'settled' | 'voided'): void {
    const hold = receipt.hold();
    if (!hold) throw new TypeError('an outcome names no hold');
    const open = this.#open.get(hold.id);
    if (!open) return;
    if (kind === 'settled') settle(open, readMicros(hold.amount), readMicros(hold.fee));
    this.#open.delete(hold.id);
  }

  /** A person's word. Another gateway's hold may be resolved here, by what the shared store knows of it. */
  #resolved({ log, hold, change }: Receipt): void {
    const settled = change?.what === 'resolved as settled';
    if (!hold || (!settled && change?.what !== 'resolved as voided')) throw new TypeError('an order resolves nothing');
    const open = this.#open.get(hold.id);
    if (open && settled) settle(open, open.amount, open.fee);
    if (open) this.#open.delete(hold.id);
    else if (logOf(hold.id) !== log) this.#elsewhere.set(hold.id, settled);
  }

  #uncertain(): { totals: Map<Group, Totals>; development: number } {
    const totals = new Map<Group, Totals>();
    let development = 0;
    for (const open of this.#open.values()) {
      const one = { ...NOTHING, uncertain: open.amount, uncertainFees: open.fee, uncertainPayments: 1n };
      totals.set(open.group, plus(totals.get(open.group) ?? NOTHING, one));
      if (open.development) development += 1;
    }
    return { totals, development };
  }

  #count(currency: string): void {
    if (this.#currency !== null && this.#currency !== currency) {
      throw new ReportRefused(`amounts in ${this.#currency} and in ${currency} have no sum; report on each log alone`);
    }
    this.#currency = currency;
  }

  #group(purchase: Decided): Group {
    const values = this.#dimensions.map(({ of }) => of(purchase));
    const key = JSON.stringify(values);
    const known = this.#groups.get(key);
    if (known) return known;
    if (this.#groups.size >= MOST_GROUPS) {
      throw new ReportRefused(`there are more than ${MOST_GROUPS} groups; name fewer things after --by`);
    }
    const group: Group = { values, settled: 0n, settledFees: 0n, payments: 0, largest: null, development: 0 };
    this.#groups.set(key, group);
    return group;
  }
}

function settle({ group, development }: Open, amount: Micros, fee: Micros): void {
  group.settled += amount;
  group.settledFees += fee;
  group.payments += 1;
  if (development) group.development += 1;
  if (group.largest === null || amount > group.largest) group.largest = amount;
}

function settledOf({ settled, settledFees, payments, largest }: Group): Totals {
  return { ...NOTHING, settled, settledFees, payments: BigInt(payments), largest };
}

/** The log a hold's id begins with. */
const logOf = (hold: string): string => hold.slice(0, Math.max(0, hold.indexOf('.')));

function compare(left: Row['values'], right: Row['values']): number {
  for (const [index, value] of left.entries()) {
    const other = right[index] ?? null;
    if (value === other) continue;
    if (value === null || other === null) return value === null ? 1 : -1;
    return value < other ? -1 : 1;
  }
  return 0;
}
