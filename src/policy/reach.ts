// What an agent may reach, buy and still spend, for its own pages, and all budgets, for operators and the store's
// terms.
import type { Identity } from '../domain/agent.ts';
import type { BudgetLine } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';
import { standing } from './admit.ts';
import { linesFor } from './lines.ts';
import { selectsAgent } from './match.ts';
import type { Entitlement, PolicySet, Registered } from './set.ts';

/** One way in which an agent may use a service. */
export interface Reach {
  readonly service: string;
  /** `GET /v1/**`, or `* /**` for every request. */
  readonly requests: readonly string[];
  /** The most for one payment, six decimals, in `currency`. */
  readonly ceiling: string;
  readonly currency: string;
  readonly assets: readonly string[];
  /** The payees it may pay, or `any`. */
  readonly payees: 'any' | readonly string[];
  readonly budgets: readonly string[];
  /** RFC 3339; null without an end. */
  readonly until: string | null;
}

/** What this identity may reach, in the order in which rules decide; nothing when it may not act at all. */
export function reach(set: PolicySet, identity: Identity, nowMs: number): readonly Reach[] {
  const found = entitled(set, identity, nowMs);
  if (!found) return [];
  return found.entitlements.flatMap((entitlement) =>
    [...entitlement.services]
      .filter((service) => !deniedWhole(set, found.entry, service))
      .map((service) => reachOf(set, entitlement, service)),
  );
}

/** The budget lines it touches at the services it may reach, each once; those that count per payee are left out. */
export function linesOf(set: PolicySet, identity: Identity, nowMs: number): readonly BudgetLine[] {
  const found = entitled(set, identity, nowMs);
  if (!found) return [];
  const { agent } = found.entry;
  const lines = new Map<string, BudgetLine>();
  for (const entitlement of found.entitlements) {
    for (const service of entitlement.services) {
      for (const line of linesFor(set, entitlement.budgets, { agent, identity, service, payee: null })) {
        lines.set(JSON.stringify([line.budget, line.scope]), line);
      }
    }
  }
  return [...lines.values()];
}

/** Every budget of the set, with limit, window and per: for operators and for `Budget.agree`. */
export function budgetsOf(set: PolicySet): readonly Omit<BudgetLine, 'scope'>[] {
  return [...set.budgets.values()].map(({ partitions: _, ...terms }) => terms);
}

interface Entitled {
  readonly entry: Registered;
  readonly entitlements: readonly Entitlement[];
}

function entitled(set: PolicySet, identity: Identity, nowMs: number): Entitled | undefined {
  const entry = set.findAgent(identity.issuer, identity.subject);
  if (!entry || standing(set, identity, nowMs)) return undefined;
  const entitlements = set.entitlements.filter(
    ({ untilMs, agents }) => (untilMs === null || nowMs < untilMs) && selectsAgent(agents, entry.agent),
  );
  return { entry, entitlements };
}

/** Is every request of the agent at the service forbidden, whatever the demand? */
function deniedWhole(set: PolicySet, { agent }: Registered, service: string): boolean {
  return set.guardrails.deny.some(
    ({ agents, services, requests, assets, payees }) =>
      requests === null &&
      assets === null &&
      payees === null &&
      (agents === null || selectsAgent(agents, agent)) &&
      (services === null || services.has(service)),
  );
}

function reachOf(set: PolicySet, entitlement: Entitlement, service: string): Reach {
  const { requests, ceilingMicros, assets, payees, budgets, untilMs } = entitlement;
  return {
    service,
    requests: requests?.map(({ method, path }) => `${method} ${path.text}`) ?? ['* /**'],
    ceiling: formatMicros(ceilingMicros),
    currency: set.currency,
    assets: [...assets],
    payees: payees === 'any' ? 'any' : [...payees.evm, ...payees.sandbox],
    budgets: [...new Set([...budgets, ...set.guardrails.budgets])],
    until: untilMs === null ? null : new Date(untilMs).toISOString(),
  };
}
