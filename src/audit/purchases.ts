// What the receipts say of each purchase: named by `intended`, ended by `settled`, `voided` or `resolved`; without an
// end it is uncertain. Whoever reads the receipts vouches for them.
import { type Micros, readMicros } from '../domain/money.ts';
import type { Receipt } from '../domain/receipt.ts';
import { LineSums, type Place } from './line-sums.ts';

/** A receipt as it is read; its parts cost something. */
export interface ReadReceipt {
  readonly log: string;
  readonly seq: number;
  readonly kind: string;
  readonly at: string;
  hold(): Receipt['hold'];
  whole(): Receipt;
}

/** One purchase that may have moved money. */
export interface Purchase {
  readonly hold: string;
  readonly log: string;
  /** When it was sealed as intended, milliseconds since 1970. */
  readonly at: number;
  readonly service: string;
  readonly asset: string;
  readonly atoms: bigint;
  readonly payee: string;
  /** The payment's name on its rail. */
  readonly identity: string;
  /** No proof of it can be redeemed after this; milliseconds since 1970. */
  readonly redeemableUntil: number;
  /** What is counted for it: what was held, or once it is settled what was paid, fees included. */
  amount: Micros;
  end: 'settled' | 'voided' | 'uncertain';
  /** The latest receipt that says so. */
  receipt: string;
}

/** A purchase without an end. */
export interface OpenPurchase {
  readonly purchase: Purchase;
  readonly places: readonly Place[];
  /** Sealed so lately that the budgets may have been read before it. */
  readonly moving: boolean;
}

/** What is read and kept. */
export interface PurchasesOptions {
  /** Is a purchase that was intended at this instant kept? Milliseconds since 1970. */
  readonly keep: (at: number) => boolean;
  /** What was sealed from this instant on may be newer than what was read of the budgets; milliseconds since 1970. */
  readonly movingSince: number;
}

/** Takes receipts in the order of their log; several logs one after the other, in any order. */
export class Purchases {
  /** Every purchase that is kept, by hold. */
  readonly kept = new Map<string, Purchase>();
  /** Those without an end, kept or not, by hold. */
  readonly open = new Map<string, OpenPurchase>();
  /** Where what was settled, is open, or is moving counts. */
  readonly sums = new LineSums();
  readonly logs = new Set<string>();
  /** The watched ones that have ended, by hold. */
  readonly ended = new Map<string, Pick<OpenPurchase, 'purchase' | 'moving'>>();
  readonly #watched: ReadonlySet<string>;
  readonly #options: PurchasesOptions;
  readonly #elsewhere = new Map<string, Receipt>();
  currency: string | null = null;

  /** `watched`: holds whose end is kept whatever the period. */
  constructor(options: PurchasesOptions, watched: ReadonlySet<string>) {
    this.#options = options;
    this.#watched = watched;
  }

  /** Throws TypeError for what is no receipt of a purchase. */
  take(receipt: ReadReceipt): void {
    this.logs.add(receipt.log);
    const { kind } = receipt;
    if (kind === 'intended') this.#intended(receipt);
    else if (kind === 'settled' || kind === 'voided') this.#ended(receipt, kind);
    else if (kind === 'resolved') this.#resolved(receipt.whole());
  }

  /** To be called once, after the last receipt. */
  finish(): void {
    for (const [hold, receipt] of this.#elsewhere) this.#end(hold, outcomeOf(receipt), undefined, receipt);
    for (const { purchase, places, moving } of this.open.values()) {
      this.sums.add(places, moving ? 'moving' : 'open', purchase.amount);
    }
  }

  #intended(read: ReadReceipt): void {
    const { hold, offer, proof, service, log, at, id } = read.whole();
    if (!hold || !offer || !proof) throw new TypeError('a purchase names no hold, no offer or no proof');
    const purchase: Purchase = {
      hold: hold.id,
      log,
      at: Date.parse(at),
      service: service?.id ?? '',
      asset: offer.asset,
      atoms: BigInt(offer.atoms),
      payee: offer.payee,
      identity: proof.identity,
      redeemableUntil: Date.parse(proof.redeemableUntil),
      amount: readMicros(hold.amount),
      end: 'uncertain',
      receipt: id,
    };
    this.currency ??= offer.currency;
    const places = hold.budgets.map(({ id: budget, scope, window }) => ({ budget, scope, window: Date.parse(window) }));
    this.open.set(hold.id, { purchase, places, moving: this.#isMoving(purchase.at) });
    if (this.#options.keep(purchase.at)) this.kept.set(hold.id, purchase);
  }

  #ended(read: ReadReceipt, end: 'settled' | 'voided'): void {
    const hold = read.hold();
    if (!hold) throw new TypeError('an outcome names no hold');
    const receipt = { log: read.log, at: read.at, id: `${read.log}.${read.seq}` };
    this.#end(hold.id, end, readMicros(hold.amount), receipt);
  }

  /** A person's word. Another gateway's hold may be resolved here, by what the shared store knows of it. */
  #resolved(receipt: Receipt): void {
    const { hold, log } = receipt;
    if (!hold) throw new TypeError('an order resolves nothing');
    if (this.open.has(hold.id)) this.#end(hold.id, outcomeOf(receipt), undefined, receipt);
    else if (!hold.id.startsWith(`${log}.`)) this.#elsewhere.set(hold.id, receipt);
  }

  #end(hold: string, end: Purchase['end'], amount: Micros | undefined, by: Pick<Receipt, 'id' | 'at' | 'log'>): void {
    const open = this.open.get(hold);
    if (!open) return;
    const { purchase, places } = open;
    this.open.delete(hold);
    const held = purchase.amount;
    purchase.end = end;
    purchase.receipt = by.id;
    if (end === 'settled' && amount !== undefined) purchase.amount = amount;
    const moving = this.#isMoving(Date.parse(by.at));
    if (moving) this.sums.add(places, 'moving', held);
    else if (end === 'settled') this.sums.add(places, 'settled', purchase.amount);
    if (this.#watched.has(hold)) this.ended.set(hold, { purchase, moving });
  }

  #isMoving(at: number): boolean {
    return at >= this.#options.movingSince;
  }
}

function outcomeOf({ change }: Receipt): 'settled' | 'voided' {
  if (change?.what === 'resolved as settled') return 'settled';
  if (change?.what === 'resolved as voided') return 'voided';
  throw new TypeError('an order resolves nothing');
}
