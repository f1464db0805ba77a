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
  return refusal(code, UNCERTAIN_DETAIL[code], 'exposed', { upstreamStatus, amount, redeemableUntil });
}

/** What a repeat is told once it is known that the proof was not redeemed: its own code, and where the money is. */
export function voidedRefusal(
  code: UncertainCode,
  upstreamStatus: number | null,
  amount: string,
  redeemableUntil: number,
): Refusal {
  const detail =
    'This purchase failed after a payment proof was sent. Meanwhile it is known that the proof was not redeemed and ' +
    'no longer can be: nothing was paid, and the money is back in the budget.';
  return refusal(code, detail, 'voided', { upstreamStatus, amount, redeemableUntil });
}

function refusal(
  code: UncertainCode,
  detail: string,
  state: 'exposed' | 'voided',
  known: { readonly upstreamStatus: number | null; readonly amount: string; readonly redeemableUntil: number },
): Refusal {
  const { upstreamStatus, amount, redeemableUntil } = known;
  return refuse(code, `${detail} Asking again does not pay again; a new Idempotency-Key would.`, {
    members: {
      amount,
      state,
      redeemableUntil: new Date(redeemableUntil).toISOString(),
      ...(upstreamStatus === null ? {} : { upstreamStatus }),
    },
  });
}
