// The second decision, on the service's demand: which offer may be paid, and which budget lines it touches. Pure;
// whether it fits those lines only the budget store says.
import type { BudgetLine } from '../domain/hold.ts';
import { type Decimal, formatMicros, MAX_MICROS, type Micros } from '../domain/money.ts';
import type { Offer } from '../domain/offer.ts';
import type { DecisionCheck } from '../domain/receipt.ts';
import { isRefusal, type Refusal, type RefusalCode, refuse } from '../domain/refusal.ts';
import { type Admitted, admit, deniedBy, deniesRequest, type Rejection } from './admit.ts';
import { linesFor } from './lines.ts';
import { selectsPayee } from './match.ts';
import type { Denial, Entitlement, PolicySet } from './set.ts';

export { type Admitted, admit, type Rejection, standing } from './admit.ts';
export { linesOf, reach } from './reach.ts';

/** One offer of the demand, with what the configuration makes of it. */
export interface Candidate {
  readonly offer: Offer;
  /** The operator's own asset of that network and token, or null. */
  readonly asset: {
    readonly id: string;
    readonly network: string;
    readonly token: string;
    readonly decimals: number;
    readonly value: Decimal;
  } | null;
  /** What it costs, fees included; null without an asset. */
  readonly micros: Micros | null;
  /** The wallet that can pay it, or null. */
  readonly wallet: string | null;
  /** Why no wallet can. */
  readonly unpayable: { readonly code: RefusalCode; readonly detail: string } | null;
}

/** What a service demands, and the agent's own maximum. */
export interface Demand {
  /** In the service's order. */
  readonly candidates: readonly Candidate[];
  readonly maxPrice: { readonly micros: Micros; readonly currency: string } | null;
}

/** This offer may be paid, if it fits all lines. */
export interface Decision {
  readonly kind: 'decided';
  readonly candidate: Candidate;
  readonly entitlement: Entitlement;
  /** The entitlement's budgets first, then the guardrails'. */
  readonly lines: readonly BudgetLine[];
  readonly checks: DecisionCheck[];
}

/** A refusal of a demand, with everything that was judged up to it. */
export type JudgedRejection = Rejection & { readonly checks: DecisionCheck[] };

/**
 * Judges each offer: asset, payee, ceiling, the agent's maximum, `guardrails.deny`, wallet. Of those that pass the one
 * of
 * least value wins, then the service's order; when none does, the first one's refusal is the answer. A set that is
 * newer
 * than the one that admitted judges the request once more.
 */
export function decide(set: PolicySet, before: Admitted, demand: Demand): Decision | JudgedRejection {
  const admitted = before.version === set.version ? before : admit(set, before.identity, before.request);
  if (isRefusal(admitted)) return { ...admitted, checks: admitted.checks ?? [] };
  const { agent, identity, entitlement, request } = admitted;
  const judged = demand.candidates.map((candidate) => judgeCandidate(set, admitted, candidate, demand.maxPrice));
  const best = judged.filter(isPayable).sort((a, b) => (a.micros < b.micros ? -1 : a.micros > b.micros ? 1 : 0))[0];
  const first = judged[0];
  if (best) {
    const { offer } = best.candidate;
    const payee = { network: offer.network, payee: offer.payee };
    const lines = linesFor(set, entitlement.budgets, { agent, identity, service: request.service, payee });
    const checks = [...admitted.checks, ...best.checks];
    return { kind: 'decided', candidate: best.candidate, entitlement, lines, checks };
  }
  if (first?.refusal) return { ...first.refusal, agent, checks: [...admitted.checks, ...first.checks] };
  const nothing = refuse(
    'challenge_unsupported',
    'The service demands a payment and offers no way that this gateway knows.',
  );
  return { ...nothing, agent, checks: admitted.checks };
}

interface Judged {
  readonly candidate: Candidate;
  readonly micros: Micros | null;
  readonly refusal: Refusal | undefined;
  readonly checks: DecisionCheck[];
}

function isPayable(judged: Judged): judged is Judged & { readonly micros: Micros } {
  return judged.refusal === undefined && judged.micros !== null;
}

/** A step that was passed (`true`) or says no, with the numbers it compared. */
interface Step {
  readonly check: string;
  readonly refusal: Refusal | true;
  readonly numbers?: { readonly limit: string; readonly asked: string };
}

/** The steps in order, up to the first that says no. */
function judgeCandidate(
  set: PolicySet,
  admitted: Admitted,
  candidate: Candidate,
  maxPrice: Demand['maxPrice'],
): Judged {
  const { asset, micros } = candidate;
  const checks: DecisionCheck[] = [];
  for (const step of stepsOf(set, admitted, candidate, maxPrice)) {
    const judged = step();
    const no = judged.refusal === true ? undefined : judged.refusal;
    checks.push({ check: judged.check, outcome: no ? 'failed' : 'passed', ...judged.numbers });
    if (no) return { candidate, micros, refusal: no, checks };
  }
  if (asset === null || micros === null) throw new Error('an offer without an asset passed');
  return { candidate, micros, refusal: undefined, checks };
}

function stepsOf(
  set: PolicySet,
  admitted: Admitted,
  candidate: Candidate,
  maxPrice: Demand['maxPrice'],
): readonly (() => Step)[] {
  const { entitlement } = admitted;
  const cost = candidate.micros ?? MAX_MICROS + 1n;
  return [
    () => ({ check: 'asset', refusal: judgeAsset(entitlement, candidate) }),
    () => ({ check: 'payee', refusal: judgePayee(entitlement, candidate) }),
    () => judgeCeiling(set, entitlement, cost),
    ...(maxPrice === null ? [] : [() => judgeMaxPrice(set, maxPrice, cost)]),
    () => ({ check: 'guardrails.deny', refusal: judgeDenials(set, admitted, candidate) }),
    () => ({ check: 'wallet', refusal: judgeWallet(candidate) }),
  ];
}

function judgeAsset(entitlement: Entitlement, { asset, offer }: Candidate): Refusal | true {
  if (asset === null) {
    return refuse(
      'asset_unknown',
      `The service asks for an asset on ${offer.network} that this gateway does not know; ask its operator to add it.`,
    );
  }
  if (entitlement.assets.has(asset.id)) return true;
  return refuse(
    'asset_unknown',
    `The service asks for ${asset.id}, which this agent may not pay with here; ask its owner.`,
  );
}

function judgePayee(entitlement: Entitlement, { offer }: Candidate): Refusal | true {
  if (selectsPayee(entitlement.payees, offer.network, offer.payee)) return true;
  const what = `The service asks to pay ${offer.payee} on ${offer.network}, whom this agent may not pay here`;
  return refuse('payee_forbidden', `${what}. If that is the service’s own account, an operator has to add it.`);
}

function judgeCeiling(set: PolicySet, entitlement: Entitlement, cost: Micros): Step {
  const numbers = { limit: formatMicros(entitlement.ceilingMicros), asked: formatMicros(cost) };
  if (cost <= entitlement.ceilingMicros && cost <= MAX_MICROS) return { check: 'ceiling', refusal: true, numbers };
  const most = `this agent may spend at most ${numbers.limit} ${set.currency} on one payment here`;
  const detail = `The price is ${numbers.asked} ${set.currency}; ${most}. Ask for less, or its owner for more.`;
  return { check: 'ceiling', refusal: refuse('over_ceiling', detail), numbers };
}

function judgeMaxPrice(set: PolicySet, maxPrice: NonNullable<Demand['maxPrice']>, cost: Micros): Step {
  if (maxPrice.currency !== set.currency) {
    const other = `The Purser-Max-Price is in ${maxPrice.currency}; state it in ${set.currency}.`;
    return { check: 'max_price', refusal: refuse('over_max_price', other) };
  }
  const numbers = { limit: formatMicros(maxPrice.micros), asked: formatMicros(cost) };
  if (cost <= maxPrice.micros) return { check: 'max_price', refusal: true, numbers };
  const most = `over the Purser-Max-Price of ${numbers.limit} ${set.currency}`;
  const detail = `The price is ${numbers.asked} ${set.currency}, ${most}. Raise that, or do without.`;
  return { check: 'max_price', refusal: refuse('over_max_price', detail), numbers };
}

function judgeDenials(set: PolicySet, { agent, request }: Admitted, candidate: Candidate): Refusal | true {
  const denied = set.guardrails.deny.find(
    (rule) => deniesRequest(rule, agent, request) && deniesDemand(rule, candidate),
  );
  return denied ? deniedBy(denied) : true;
}

function deniesDemand(rule: Denial, { asset, offer }: Candidate): boolean {
  if (rule.assets && (asset === null || !rule.assets.has(asset.id))) return false;
  return rule.payees === null || selectsPayee(rule.payees, offer.network, offer.payee);
}

function judgeWallet({ wallet, unpayable }: Candidate): Refusal | true {
  if (unpayable) return refuse(unpayable.code, unpayable.detail);
  return wallet === null ? refuse('rail_unavailable', 'No wallet of this gateway can pay this demand.') : true;
}
