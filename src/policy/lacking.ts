// What keeps an entitlement from taking a request, and which entitlement came nearest to it: for explanations. It
// decides nothing, and says that nothing is lacking exactly where the decision finds the entitlement.
import type { Agent } from '../domain/agent.ts';
import type { AdmitRequest } from './admit.ts';
import { selectsAgent, selectsRequest } from './match.ts';
import type { Entitlement, PolicySet } from './set.ts';

/** A key of an entitlement that does not take a request. */
export type Lack = 'until' | 'requests' | 'services' | 'agents';

/** How far each is from taking it: a day that has passed is nearer than somebody else's entitlement. */
const DISTANCE: Readonly<Record<Lack, number>> = { until: 1, requests: 2, services: 3, agents: 4 };

/** The keys that do not take the agent's request; empty when the entitlement takes it. */
export function lacksOf(entitlement: Entitlement, agent: Agent, request: AdmitRequest): readonly Lack[] {
  const { untilMs, requests, services, agents } = entitlement;
  const lacks: Lack[] = [];
  if (untilMs !== null && request.nowMs >= untilMs) lacks.push('until');
  if (requests && !selectsRequest(requests, request.method, request.path)) lacks.push('requests');
  if (!services.has(request.service)) lacks.push('services');
  if (!selectsAgent(agents, agent)) lacks.push('agents');
  return lacks;
}

/** An entitlement that does not take a request, and why. */
export interface Near {
  readonly entitlement: Entitlement;
  readonly lacks: readonly Lack[];
}

/** The entitlement that came nearest, the earlier of two equal ones; undefined when there is none at all. */
export function nearest(set: PolicySet, agent: Agent, request: AdmitRequest): Near | undefined {
  const all = set.entitlements.map((entitlement) => ({ entitlement, lacks: lacksOf(entitlement, agent, request) }));
  return all.sort((a, b) => distance(a.lacks) - distance(b.lacks))[0];
}

/** One thing lacking is always nearer than two. */
const distance = (lacks: readonly Lack[]): number =>
  lacks.length * 100 + lacks.reduce((sum, lack) => sum + DISTANCE[lack], 0);
