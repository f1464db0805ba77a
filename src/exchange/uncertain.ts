// What an agent is told when nobody can say whether its payment was taken.
import { type Refusal, refuse } from '../domain/refusal.ts';

const UNCERTAIN_DETAIL = {
  payment_rejected:
    'The service asked for payment again after it was sent a proof. ' +
    'The proof may still be redeemed, so the money stays held.',
  paid_not_delivered:
    'The service failed after it was sent a payment proof. ' +
    'The proof may have been redeemed, so the money stays held.',
  payment_uncertain:
    'The service did not answer after it was sent a payment proof. ' +
    'Whether it took the money is unknown, so it stays held.',
} as const;

/** The codes that say: a proof may be out. */
export type UncertainCode = keyof typeof UNCERTAIN_DETAIL;

/** Is this one of them? */
export function isUncertainCode(code: string | null | undefined): code is UncertainCode {
  return typeof code === 'string' && Object.hasOwn(UNCERTAIN_DETAIL, code);
}

/** The 424 of a purchase whose proof may be out; also what its repeats are answered. `amount` has six decimals. */
export function uncertainRefusal(
  code: UncertainCode,
  upstreamStatus: number | null,
  amount: string,
  redeemableUntil: number,
): Refusal {
  return refuse(code, `${UNCERTAIN_DETAIL[code]} Asking again does not pay again; a new Idempotency-Key would.`, {
    members: {
      amount,
      state: 'exposed',
      redeemableUntil: new Date(redeemableUntil).toISOString(),
      ...(upstreamStatus === null ? {} : { upstreamStatus }),
    },
  });
}
