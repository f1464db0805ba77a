// From an answer 402 to the offers in it. Read strictly and as a whole: one demand that cannot be read spoils all, so
// that nobody is paid on a guess.
import type { Challenge, Offer } from '../domain/offer.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import type { JsonObject } from '../domain/strict-json.ts';
import { readEvmCharge } from './evm.ts';
import { kindOf, readMppChallenge, readRequest } from './mpp.ts';
import { malformed, quote, unsupported } from './quote.ts';
import { readSandboxCharge } from './sandbox.ts';
import { type AuthChallenge, mentionsPayment, readChallenges } from './www-authenticate.ts';

/** What a reading depends on beside the answer. */
export interface ReadContext {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** The most characters that all WWW-Authenticate values may have together (`limits.challenge`). */
  readonly limitBytes: number;
  /** The payment methods that a wallet here can answer, as `method/intent`. */
  readonly known: ReadonlySet<string>;
}

type Reader = (challenge: Challenge, request: JsonObject) => Offer | Refusal;

const READERS: ReadonlyMap<string, Reader> = new Map([
  ['sandbox/charge', readSandboxCharge],
  ['evm/charge', readEvmCharge],
]);

/**
 * The offers of an answer 402 in the service's order, at least one. `headers` is a flat list of names and values in
 * latin1, as on the wire. Refuses with `challenge_malformed` (an offer of a known kind breaks a rule, an id stands
 * twice, or all is too long), `challenge_unsupported` (nothing here can be answered) or `challenge_expired`.
 */
export function readOffers(
  response: { readonly headers: readonly string[] },
  context: ReadContext,
): { readonly offers: readonly Offer[] } | Refusal {
  const payments = readPayments(valuesOf(response.headers), context.limitBytes);
  if ('kind' in payments) return payments;
  const offers: Offer[] = [];
  let first: Refusal | undefined;
  for (const payment of payments) {
    const outcome = readOffer(payment, context);
    if (outcome === undefined) continue;
    if (!('kind' in outcome)) offers.push(outcome);
    else if (outcome.code === 'challenge_malformed') return outcome;
    else first ??= outcome;
  }
  if (offers.length > 0) return { offers };
  return first ?? unsupported(`it offers ${describeKinds(payments)}, and no wallet here answers that`);
}

function valuesOf(headers: readonly string[]): string[] {
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === 'www-authenticate');
}

/** All challenges of the scheme Payment, in order, each with an id of its own. */
function readPayments(values: readonly string[], limitBytes: number): readonly AuthChallenge[] | Refusal {
  const size = values.reduce((sum, value) => sum + value.length, 0);
  if (size > limitBytes) return malformed(`its WWW-Authenticate is longer than ${limitBytes} bytes`);
  const readings = values.map(readChallenges);
  // A line that cannot be read may be a part of the one before it (RFC 9110, section 5.3).
  if (readings.includes(undefined) && values.some(mentionsPayment)) {
    return malformed('a WWW-Authenticate line is not a list of challenges as RFC 9110 writes it');
  }
  const payments = readings.flatMap((reading) => reading ?? []).filter(({ scheme }) => /^payment$/i.test(scheme));
  if (payments.length === 0) return unsupported('it has no Payment challenge in WWW-Authenticate');
  const ids = new Set<string>();
  for (const { params } of payments) {
    const id = params.get('id')?.value;
    if (id !== undefined && ids.has(id)) return malformed(`the id ${quote(id)} stands in two challenges`);
    if (id !== undefined) ids.add(id);
  }
  return payments;
}

/** The offer of one challenge, or why there is none; undefined when its kind is not known here. */
function readOffer(payment: AuthChallenge, { known, nowMs }: ReadContext): Offer | Refusal | undefined {
  const kind = kindOf(payment);
  if (kind === undefined) return malformed('a Payment challenge does not have exactly one method and one intent');
  if (!known.has(kind)) {
    // Written in another case it is a known kind to some readers and an unknown one to others.
    if (!known.has(kind.toLowerCase())) return undefined;
    return malformed(`it offers ${quote(kind)}, and methods and intents are written in lower case`);
  }
  const reader = READERS.get(kind);
  if (!reader) return undefined;
  const challenge = readMppChallenge(payment);
  if ('kind' in challenge) return challenge;
  const reading = readRequest(challenge);
  if ('kind' in reading) return reading;
  const offer = reader(challenge, reading.request);
  if ('kind' in offer || !expired(challenge, nowMs)) return offer;
  return refuse(
    'challenge_expired',
    `The service's payment demand expired at ${challenge.expires}. Nothing was paid; ask again for a fresh one.`,
  );
}

function expired({ expiresAt }: Challenge, nowMs: number): boolean {
  return expiresAt !== null && expiresAt <= nowMs;
}

function describeKinds(payments: readonly AuthChallenge[]): string {
  const kinds = [...new Set(payments.map((payment) => quote(kindOf(payment) ?? '')))];
  return kinds.length > 5 ? `${kinds.slice(0, 5).join(', ')} and ${kinds.length - 5} more` : kinds.join(', ');
}
