// Amounts on the wire: exact integers of the asset's smallest unit, in a JSON string (draft-payment-intent-charge-00).
import type { Refusal } from '../domain/refusal.ts';
import type { Json } from '../domain/strict-json.ts';
import { malformed, quote } from './quote.ts';

const AMOUNT = /^(0|[1-9][0-9]{0,77})$/;

/** The amount, 0 to 10⁷⁸−1, or `challenge_malformed`; `what` names the member, such as `request.amount`. */
export function readAtoms(value: Json | undefined, what: string): bigint | Refusal {
  if (typeof value === 'string' && AMOUNT.test(value)) return BigInt(value);
  return malformed(
    `${what} is ${show(value)}, expected a whole number in a string, without sign, exponent or leading zero`,
  );
}

/** A member's value for a sentence: strings quoted and cut, others by their type. */
export function show(value: Json | undefined): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return quote(value);
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a JSON ${typeof value}`;
}
