// The first decision, before anything goes upstream: may this agent ask this of this service? Pure: set, identity,
// request and time in, an entitlement or a refusal out. Default deny.
import type { Agent, Identity } from '../domain/agent.ts';
import type { DecisionCheck } from '../domain/receipt.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { selectsAgent, selectsRequest } from './match.ts';
import type { Denial, Entitlement, PolicySet, Registered } from './set.ts';

/** What an agent asks. */
export interface AdmitRequest {
  readonly service: string;
  readonly method: string;
  /** The normalised path that is sent upstream, without query. */
  readonly path: string;
  readonly nowMs: number;
  /** Recorded, never decisive. */
  readonly taskClaimed: string | null;
}

/** The agent may reach the service; payments fall under `entitlement`. */
export interface Admitted {
  readonly kind: 'admitted';
  readonly agent: Agent;
  readonly identity: Identity;
  readonly request: AdmitRequest;
  readonly entitlement: Entitlement;
  /** The version of the set that admitted. */
  readonly version: string;
  readonly checks: DecisionCheck[];
}

/** A refusal with what its receipt may say: who was refused, and what was judged. */
export type Rejection = Refusal & { readonly agent?: Agent; readonly checks?: DecisionCheck[] };

const passed = (check: string): DecisionCheck => ({ check, outcome: 'passed' });
const failed = (check: string): DecisionCheck => ({ check, outcome: 'failed' });

/** Judges who asks, then `guardrails.deny`, then finds the first entitlement that takes the request. */
export function admit(set: PolicySet, identity: Identity, request: AdmitRequest): Admitted | Rejection {
  const entry = set.findAgent(identity.issuer, identity.subject);
  const agent = entry?.agent;
  const who = agent === undefined ? {} : { agent };
  const lost = judgeStanding(set, entry, identity, request.nowMs);
  if (lost) return { ...lost, ...who, checks: [failed('standing')] };
  if (!agent) throw new Error('an agent without an entry has standing');
  const denied = set.guardrails.deny.find((rule) => decidable(rule) && deniesRequest(rule, agent, request));
  if (denied) return { ...deniedBy(denied), agent, checks: [passed('standing'), failed('guardrails.deny')] };
  const entitlement = set.entitlements.find((candidate) => entitles(candidate, agent, request));
  const checks = [passed('standing'), passed('guardrails.deny')];
  if (!entitlement) return { ...notEntitled(agent, request), agent, checks: [...checks, failed('entitlement')] };
  const found = [...checks, passed('entitlement')];
  return { kind: 'admitted', agent, identity, request, entitlement, version: set.version, checks: found };
}

/** Has the agent lost what let it in? Judged against the newest set, right before money could move. */
export function standing(set: PolicySet, identity: Identity, nowMs: number): Refusal | undefined {
  return judgeStanding(set, set.findAgent(identity.issuer, identity.subject), identity, nowMs);
}

function judgeStanding(
  set: PolicySet,
  entry: Registered | undefined,
  identity: Identity,
  nowMs: number,
): Refusal | undefined {
  const revokedBefore = entry !== undefined && identity.issuedAt * 1_000 < entry.revokedBeforeMs;
  if (revokedBefore || (identity.jti !== null && set.revokedTokens.has(identity.jti))) {
    return refuse('token_revoked', 'This identity token was revoked; get a new one from its issuer.');
  }
  if (!entry) {
    const detail =
      'No agent is registered for this token’s issuer and subject; an operator has to add it under `agents`.';
    return refuse('agent_unknown', detail);
  }
  const { id, owner } = entry.agent;
  if (entry.suspended !== null) {
    return refuse('agent_suspended', `Agent ${id} is suspended: ${entry.suspended}. Ask its owner, ${owner}.`);
  }
  if (entry.untilMs !== null && nowMs >= entry.untilMs) {
    const detail = `The review date of agent ${id} has passed; ${owner}, its owner, has to have it renewed.`;
    return refuse('agent_expired', detail);
  }
  return undefined;
}

/** Can this rule be judged without knowing the demand? */
function decidable(rule: Denial): boolean {
  return rule.assets === null && rule.payees === null;
}

/** Do the selectors that need no demand take this request? */
export function deniesRequest(rule: Denial, agent: Agent, request: AdmitRequest): boolean {
  if (rule.agents && !selectsAgent(rule.agents, agent)) return false;
  if (rule.services && !rule.services.has(request.service)) return false;
  return rule.requests === null || selectsRequest(rule.requests, request.method, request.path);
}

/** What an agent is told of a rule that forbids. */
export function deniedBy(rule: Denial): Refusal {
  const reason = rule.because === null ? '' : `: ${rule.because}`;
  return refuse(
    'denied',
    `A guardrail of this gateway forbids this${reason}. No entitlement lifts it: do something else.`,
  );
}

/** Does this entitlement take the request of the agent, today? */
export function entitles(entitlement: Entitlement, agent: Agent, request: AdmitRequest): boolean {
  if (entitlement.untilMs !== null && request.nowMs >= entitlement.untilMs) return false;
  if (!entitlement.services.has(request.service)) return false;
  if (entitlement.requests && !selectsRequest(entitlement.requests, request.method, request.path)) return false;
  return selectsAgent(entitlement.agents, agent);
}

function notEntitled(agent: Agent, request: AdmitRequest): Refusal {
  const what = `Agent ${agent.id} has no entitlement for this request at service ${request.service}`;
  const next = `${agent.owner}, its owner, can ask for one. GET /.purser/services lists what it may reach.`;
  return refuse('no_entitlement', `${what}; ${next}`);
}
