// `sandbox/charge` (docs/sandbox-rail.md): request JSON to offer.
import type { Challenge, Offer } from '../domain/offer.ts';
import type { Refusal } from '../domain/refusal.ts';
import type { JsonObject } from '../domain/strict-json.ts';
import { readAtoms, show } from './atoms.ts';
import { malformed, unsupported } from './quote.ts';

const CURRENCY = /^[a-z]{3,8}$/;
const ACCOUNT = /^[A-Za-z0-9._:-]{1,64}$/;

/**
 * The offer; `challenge_malformed` when a member is not as the wire says, `challenge_unsupported` for an amount of 0.
 */
export function readSandboxCharge(challenge: Challenge, request: JsonObject): Offer | Refusal {
  const { amount, currency, recipient } = request;
  const atoms = readAtoms(amount, 'request.amount');
  if (typeof atoms !== 'bigint') return atoms;
  if (typeof currency !== 'string' || !CURRENCY.test(currency)) {
    return malformed(`request.currency is ${show(currency)}, expected 3 to 8 lower-case letters`);
  }
  if (typeof recipient !== 'string' || !ACCOUNT.test(recipient)) {
    return malformed(
      `request.recipient is ${show(recipient)}, expected an account of 1 to 64 characters A-Z a-z 0-9 . _ : -`,
    );
  }
  if (atoms === 0n) return unsupported('it asks for an amount of 0');
  const stated = { decimals: null, credentialTypes: null };
  return { challenge, network: 'sandbox', token: currency, atoms, payee: recipient, stated };
}
