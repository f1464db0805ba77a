// The purchase up to the hold: read the demand, decide, set the money aside. A challenge that another purchase already
// answers is exchanged for a fresh one, unpaid, a few times.
import { createHash } from 'node:crypto';
import { checkDigest } from '../challenge/digest.ts';
import { readOffers } from '../challenge/read-offers.ts';
import type { HoldRequest } from '../domain/hold.ts';
import { formatMicros, microsOfAtoms } from '../domain/money.ts';
import type { Offer } from '../domain/offer.ts';
import { isRefusal, type Refusal, refuse } from '../domain/refusal.ts';
import { type BodyEnd, NO_BODY } from '../inbound/replay-body.ts';
import { type Admitted, admit, type Candidate, type Decision, decide } from '../policy/decide.ts';
import type { PlannedPayment, Wallet } from '../rail/rail.ts';
import type { Answer } from '../upstream/answer.ts';
import type { LocatedVisit } from './forwarding.ts';
import type { Parts, ValuedAsset } from './parts.ts';
import type { Judged } from './refusing.ts';
import { subjectOf, timed } from './visit.ts';

/** A decided purchase with a name on its rail: everything the hold's step asks for. */
export interface Order {
  readonly decision: Decision;
  readonly offer: Offer;
  readonly asset: ValuedAsset;
  readonly wallet: Wallet;
  readonly planned: PlannedPayment;
  readonly request: HoldRequest;
  /** What receipts say of it so far. */
  readonly judged: Judged;
}

/** A refusal with what its receipt says of the demand. */
export interface RefusedDemand {
  readonly refusal: Refusal;
  readonly judged: Judged;
}

/** Reads the 402's offers, decides, and names the payment. Nothing is held yet. */
export async function readOrder(
  parts: Parts,
  visit: LocatedVisit,
  admitted: Admitted,
  answer: Answer,
  attempt: number,
): Promise<Order | RefusedDemand> {
  const offers = timed(visit, 'read', () => offersOf(parts, visit, answer));
  answer.discard(parts.limits.challengeBytes);
  const early = judgeOffers(parts, visit, admitted, offers);
  if ('refusal' in early || visit.body === NO_BODY) return orderOf(parts, visit, early, attempt);
  const fault = bodyFault(await visit.body.whole());
  if (fault) return { refusal: fault, judged: early.judged };
  // The agent ends its body whenever it likes: what counts is the set in force and the time by then.
  const request = { ...admitted.request, nowMs: parts.clock.now() };
  const renewed = admit(parts.policy(), admitted.identity, request);
  if (isRefusal(renewed)) return { refusal: renewed, judged: { checks: renewed.checks ?? [] } };
  visit.agent = renewed.agent;
  return orderOf(parts, visit, judgeOffers(parts, visit, renewed, offers), attempt);
}

/** What may be paid of the demand, and what receipts say of it so far. */
interface JudgedDemand {
  readonly decision: Decision;
  readonly judged: Judged;
}

function judgeOffers(
  parts: Parts,
  visit: LocatedVisit,
  admitted: Admitted,
  offers: readonly Offer[] | Refusal,
): JudgedDemand | RefusedDemand {
  const set = parts.policy();
  const rule = { policy: set.version, entitlement: admitted.entitlement.id };
  if (isRefusal(offers)) return { refusal: offers, judged: { ...rule, checks: admitted.checks } };
  const demand = {
    candidates: offers.map((offer) => candidateOf(parts, offer)),
    maxPrice: visit.asks?.maxPrice ?? null,
  };
  const decision = timed(visit, 'decide', () => decide(set, admitted, demand));
  if (isRefusal(decision)) {
    return { refusal: decision, judged: { ...demandEntry(parts, offers[0]), ...rule, checks: decision.checks } };
  }
  const entitlement = decision.entitlement.id;
  const demanded = demandEntry(parts, decision.candidate.offer);
  return { decision, judged: { ...demanded, ...rule, entitlement, checks: decision.checks } };
}

function orderOf(
  parts: Parts,
  visit: LocatedVisit,
  demand: JudgedDemand | RefusedDemand,
  attempt: number,
): Order | RefusedDemand {
  if ('refusal' in demand) return demand;
  const { decision, judged } = demand;
  const mismatch = checkDigest(decision.candidate.offer.challenge, visit.body.bytes);
  if (mismatch) return { refusal: mismatch, judged };
  return order(parts, visit, decision, judged, attempt);
}

function offersOf(parts: Parts, visit: LocatedVisit, answer: Answer): Offer[] | Refusal {
  const read = readOffers(
    { headers: answer.headers },
    { nowMs: parts.clock.now(), limitBytes: parts.limits.challengeBytes, known: parts.answers },
  );
  if (isRefusal(read)) return read;
  if (!visit.serviceAuthorization) return [...read.offers];
  const detail =
    'The request carries an Authorization of its own, and the payment proof would need that header. Leave it out.';
  return refuse('challenge_unsupported', detail);
}

function candidateOf(parts: Parts, offer: Offer): Candidate {
  const asset = parts.assets.find((known) => known.network === offer.network && known.token === offer.token) ?? null;
  if (!asset) return { offer, asset: null, micros: null, wallet: null, unpayable: null };
  const micros = microsOfAtoms(offer.atoms, asset.value, asset.decimals);
  const kind = `${offer.challenge.method}/${offer.challenge.intent}`;
  let unpayable: Candidate['unpayable'] = {
    code: 'rail_unavailable',
    detail: `No wallet of this gateway answers ${kind}.`,
  };
  for (const wallet of parts.wallets) {
    if (!wallet.answers.includes(kind)) continue;
    const payable = wallet.payable(offer, asset);
    if (payable === true) return { offer, asset, micros, wallet: wallet.id, unpayable: null };
    unpayable = payable;
  }
  return { offer, asset, micros, wallet: null, unpayable };
}

/** The body must be whole for the paid request. */
function bodyFault(end: BodyEnd): Refusal | undefined {
  if (end === 'too_large') {
    return refuse(
      'body_too_large',
      'This request has to be paid for, and its body is larger than the gateway keeps (limits.replayBody). Send less.',
    );
  }
  if (end === 'kept') return undefined;
  return refuse('upstream_unreachable', 'The agent left before its request was whole; nothing was paid.');
}

function order(
  parts: Parts,
  visit: LocatedVisit,
  decision: Decision,
  judged: Judged,
  attempt: number,
): Order | RefusedDemand {
  const { offer, asset, micros } = decision.candidate;
  const wallet = parts.wallets.find((known) => known.id === decision.candidate.wallet);
  const valued = parts.assets.find((known) => known.id === asset?.id);
  if (!wallet || !valued || micros === null || !visit.identity || !visit.agent) {
    throw new Error('a decision without wallet, asset or agent');
  }
  const now = parts.clock.now();
  const planned = wallet.plan(offer, now);
  if (planned.redeemableUntil <= now) {
    return {
      refusal: refuse(
        'challenge_expired',
        'The demand expires before a payment could be made; nothing was paid. Ask again.',
      ),
      judged,
    };
  }
  const fingerprint = fingerprintOf(visit);
  const request: HoldRequest = {
    id: `${visit.exchange}.${attempt}`,
    exchange: visit.exchange,
    micros,
    lines: decision.lines,
    agent: visit.agent.id,
    service: visit.service.id,
    wallet: wallet.id,
    claim: {
      subject: subjectOf(visit.identity),
      key: visit.asks?.idempotencyKey ?? null,
      fingerprint,
      saysRetry: visit.asks?.saysRetry ?? false,
    },
    challengeId: offer.challenge.id,
    payment: { network: offer.network, identity: planned.identity, payee: offer.payee, atoms: offer.atoms },
    redeemableUntil: planned.redeemableUntil,
    unsettledLimit: parts.limits.unsettled,
    leaseMs: parts.limits.holdLeaseMs,
  };
  return { decision, offer, asset: valued, wallet, planned, request, judged };
}

/** What makes two requests of one agent equal: service, method, target and body. The body must be whole. */
export function fingerprintOf(visit: LocatedVisit): string {
  const { path, query } = visit.target;
  const parts = [visit.service.id, visit.request.method ?? 'GET', `${path}${query}`, visit.body.sha256];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

function demandEntry(parts: Parts, offer: Offer | undefined): Judged {
  if (!offer) return {};
  const { challenge } = offer;
  const asset = parts.assets.find((known) => known.network === offer.network && known.token === offer.token);
  return {
    challenge: {
      dialect: challenge.dialect,
      method: challenge.method,
      intent: challenge.intent,
      id: challenge.id,
      realm: challenge.realm,
      hash: challenge.hash,
      ...(challenge.expires === null ? {} : { expires: challenge.expires }),
    },
    offer: {
      asset: asset?.id ?? offer.token,
      network: offer.network,
      atoms: offer.atoms.toString(),
      payee: offer.payee,
      value: asset ? formatMicros(microsOfAtoms(offer.atoms, asset.value, asset.decimals)) : '0.000000',
      currency: parts.currency,
    },
  };
}
