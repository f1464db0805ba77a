// `evm/charge` (draft-evm-charge-00, "Request Schema"): request JSON to offer. Addresses are canonical from here on;
// which of them may be paid is the policy's to say, and what decimals a token has the operator's.
import { readEvmAddress, ZERO_ADDRESS } from '../domain/evm-address.ts';
import type { Challenge, Offer } from '../domain/offer.ts';
import type { Refusal } from '../domain/refusal.ts';
import { isJsonObject, type Json, type JsonObject } from '../domain/strict-json.ts';
import { readAtoms, show } from './atoms.ts';
import { malformed, unsupported } from './quote.ts';

const UINT256 = 2n ** 256n;
const MOST_SPLITS = 10;
const MOST_TYPES = 16;

/**
 * The offer. `challenge_malformed` when a member breaks the draft; `challenge_unsupported` for an amount of 0, for
 * splits, and when the service says that it takes no EIP-3009 authorisation.
 */
export function readEvmCharge(challenge: Challenge, request: JsonObject): Offer | Refusal {
  const atoms = readAtoms(request.amount, 'request.amount');
  if (typeof atoms !== 'bigint') return atoms;
  if (atoms >= UINT256) return malformed('request.amount is more than a token can hold (2^256 or more)');
  const token = readAddress(request.currency, 'request.currency');
  if (typeof token !== 'string') return token;
  const payee = readAddress(request.recipient, 'request.recipient');
  if (typeof payee !== 'string') return payee;
  if (payee === token) return malformed('request.recipient is the token contract itself');
  const details = request.methodDetails;
  if (!isJsonObject(details)) return malformed(`request.methodDetails is ${show(details)}, expected an object`);
  const method = readDetails(details);
  if ('kind' in method) return method;
  const splits = judgeSplits(details.splits, atoms);
  if (splits) return splits;
  if (atoms === 0n) return unsupported('it asks for an amount of 0');
  const { chainId, ...stated } = method;
  return { challenge, network: `eip155:${chainId}`, token, atoms, payee, stated };
}

type Details = Offer['stated'] & { readonly chainId: number };

/** "Method Details" */
function readDetails({ chainId, decimals, credentialTypes }: JsonObject): Details | Refusal {
  if (typeof chainId !== 'number' || !Number.isSafeInteger(chainId) || chainId < 1) {
    return malformed(`request.methodDetails.chainId is ${show(chainId)}, expected a whole number from 1`);
  }
  if (decimals !== undefined && !isDecimals(decimals)) {
    return malformed(`request.methodDetails.decimals is ${show(decimals)}, expected a whole number from 0 to 255`);
  }
  const types = credentialTypes ?? null;
  if (credentialTypes !== undefined && !isTypeList(types)) {
    return malformed('request.methodDetails.credentialTypes is not a list of names');
  }
  if (isTypeList(types) && !types.includes('authorization')) {
    return unsupported('it does not take EIP-3009 authorisations ("authorization" in credentialTypes)');
  }
  return { chainId, decimals: decimals ?? null, credentialTypes: isTypeList(types) ? types : null };
}

function isDecimals(value: Json): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255;
}

function isTypeList(value: Json): value is readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST_TYPES) return false;
  return value.every((type) => typeof type === 'string' && /^[a-z0-9-]{1,32}$/.test(type));
}

/** "Payment Splits": judged by their bounds, never paid. Undefined when there are none. */
function judgeSplits(splits: Json | undefined, total: bigint): Refusal | undefined {
  if (splits === undefined) return undefined;
  if (!Array.isArray(splits) || splits.length === 0 || splits.length > MOST_SPLITS) {
    return malformed(`request.methodDetails.splits is not a list of 1 to ${MOST_SPLITS} entries`);
  }
  let sum = 0n;
  for (const [index, split] of splits.entries()) {
    const what = `request.methodDetails.splits[${index}]`;
    if (!isJsonObject(split)) return malformed(`${what} is ${show(split)}, expected an object`);
    const amount = readAtoms(split.amount, `${what}.amount`);
    if (typeof amount !== 'bigint') return amount;
    const recipient = readAddress(split.recipient, `${what}.recipient`);
    if (typeof recipient !== 'string') return recipient;
    sum += amount;
  }
  if (sum >= total) return malformed('request.methodDetails.splits take all of request.amount or more');
  return unsupported('it splits the payment between several recipients');
}

function readAddress(value: Json | undefined, what: string): string | Refusal {
  const address = typeof value === 'string' ? readEvmAddress(value) : undefined;
  if (address === undefined) {
    return malformed(`${what} is ${show(value)}, expected an address: 0x and 40 hex digits, mixed case as EIP-55 says`);
  }
  return address === ZERO_ADDRESS ? malformed(`${what} is the zero address`) : address;
}
