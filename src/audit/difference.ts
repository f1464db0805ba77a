// What two sides do not agree about. Pure.

/** Every kind of difference, and what it means for people. */
export const DIFFERENCES = {
  settled_without_transfer: 'settled, but the rail has no such payment',
  transfer_without_receipt: 'the rail has a payment that no receipt names',
  amount_differs: 'another amount was moved than was decided',
  asset_differs: 'another asset was moved than was decided',
  payee_differs: 'another payee was paid than was decided',
  voided_but_redeemed: 'the money was given back, but the rail has the payment',
  redeemed_twice: 'the rail has one payment more than once',
  hold_without_receipt: 'money is held for a purchase that no receipt names',
  hold_amount_differs: 'another amount is held than was decided',
  ended_but_held: 'the purchase has ended, but its money is still held',
  uncertain_not_held: 'the purchase is uncertain, but its money is not held any more',
  counter_differs: 'a budget counts another amount than its receipts come to',
} as const;

export type DifferenceKind = keyof typeof DIFFERENCES;

/** One difference: what it is about, and what each side says; a side that has no part in it says null. */
export interface Difference {
  readonly kind: DifferenceKind;
  /** A hold's id, a payment's name on its rail, or a budget line. */
  readonly about: string;
  /** The receipt to look at, or null. */
  readonly receipt: string | null;
  readonly receipts: string | null;
  readonly budgets: string | null;
  readonly rails: string | null;
}
