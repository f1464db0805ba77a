// Does a selector select? In a selector all keys must match, and the items of a list are alternatives.
import type { Agent } from '../domain/agent.ts';
import type { RequestPattern, Selector } from './schema.ts';
import type { Payees } from './set.ts';

/** Is this agent selected by one of the selectors? */
export function selectsAgent(selectors: readonly Selector[], agent: Agent): boolean {
  return selectors.some((selector) => selectorTakes(selector, agent));
}

function selectorTakes(selector: Selector, agent: Agent): boolean {
  const { id, owner, team, label } = selector;
  if (id && !id.some((pattern) => pattern.matches(agent.id))) return false;
  if (owner && !owner.includes(agent.owner)) return false;
  if (team && (agent.team === null || !team.includes(agent.team))) return false;
  return Object.entries(label ?? {}).every(([key, values]) => {
    const value = Object.hasOwn(agent.labels, key) ? agent.labels[key] : undefined;
    return value !== undefined && values.includes(value);
  });
}

/** Is this request selected by one of the patterns? The path is the normalised one that is sent upstream. */
export function selectsRequest(patterns: readonly RequestPattern[], method: string, path: string): boolean {
  return patterns.some(
    (pattern) => (pattern.method === '*' || pattern.method === method) && pattern.path.matches(path),
  );
}

/** Is this canonical payee one of them? */
export function selectsPayee(payees: Payees, network: string, payee: string): boolean {
  if (payees === 'any') return true;
  return network === 'sandbox' ? payees.sandbox.has(payee) : payees.evm.has(payee);
}
