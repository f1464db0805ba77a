// Which budget lines a payment touches: each budget of the entitlement and the guardrails, for the scope it falls in.
import type { Agent, Identity } from '../domain/agent.ts';
import { canonicalJson } from '../domain/canonical.ts';
import type { BudgetLine } from '../domain/hold.ts';
import type { Partition } from './schema.ts';
import type { BudgetTerms, PolicySet } from './set.ts';

/** What scopes are made of. */
export interface ScopeOf {
  readonly agent: Agent;
  readonly identity: Identity;
  readonly service: string;
  /** Canonical; null when none is known yet, and then no line that counts per payee can be named. */
  readonly payee: { readonly network: string; readonly payee: string } | null;
}

/** The line of one budget; undefined when it counts per payee and none is known. */
export function lineOf(terms: BudgetTerms, of: ScopeOf): BudgetLine | undefined {
  if (of.payee === null && terms.partitions.includes('payee')) return undefined;
  const { partitions, ...line } = terms;
  return { ...line, scope: canonicalJson(partitions.map((partition) => scopeValue(partition, of))) };
}

/** Two different holders never share a value: what stands in for an absent one begins with null. */
function scopeValue(partition: Partition, { agent, identity, service, payee }: ScopeOf): unknown {
  switch (partition) {
    case 'agent':
      return agent.id;
    case 'team':
      return agent.team ?? [null, agent.id];
    case 'owner':
      return agent.owner;
    case 'task':
      // A task that the agent merely states opens no line of its own: only the token's counts.
      return identity.task === null ? [null, agent.id] : [identity.issuer, identity.task];
    case 'service':
      return service;
    case 'payee':
      return [payee?.network ?? '', payee?.payee ?? ''];
  }
}

/** The lines of these budgets and then the guardrails', each budget once. */
export function linesFor(set: PolicySet, budgets: readonly string[], of: ScopeOf): BudgetLine[] {
  return [...new Set([...budgets, ...set.guardrails.budgets])].flatMap((id) => {
    const terms = set.budgets.get(id);
    if (!terms) throw new Error('a rule names a budget that its set does not have');
    return lineOf(terms, of) ?? [];
  });
}
