// What entries mean together: budgets that could not tell whose money it is, and rules that can never decide.
import type { Agent } from '../domain/agent.ts';
import { endOfDay } from '../yaml/units.ts';
import type { Gathered, Item } from './gather.ts';
import { judgeSelectors } from './judge-selectors.ts';
import type { PolicyContext } from './load.ts';
import { selectsAgent } from './match.ts';
import { covers } from './pattern.ts';
import type { BudgetEntry, EntitlementEntry, RequestPattern } from './schema.ts';

interface Reaching {
  readonly item: Item<EntitlementEntry>;
  readonly agents: ReadonlySet<Agent>;
}

/** Gathers the errors and warnings that take the whole set to see. */
export function judgeReach(gathered: Gathered, context: PolicyContext): void {
  const agents = gathered.agents.map(({ value }): Agent => ({ ...value, team: value.team ?? null }));
  const reaching = gathered.entitlements.map((item) => ({
    item,
    agents: new Set(agents.filter((agent) => selectsAgent(item.value.agents, agent))),
  }));
  const budgets = new Map(gathered.budgets.map(({ value }) => [value.id, value]));
  const everywhere = gathered.guardrailBudgets.flatMap(({ value }) => value);
  const complete = gathered.agents.length === gathered.ids.agents.length;
  for (const { item, agents: matched } of reaching) {
    const unknown = complete ? judgeSelectors(item, agents) : 0;
    if (matched.size === 0 && complete && unknown === 0)
      item.warn(['agents'], 'selects no agent of the register; add one there, or change this');
    for (const id of [...item.value.budgets, ...everywhere]) judgeBudget(item, matched, budgets.get(id));
  }
  if (complete) for (const item of gathered.denials) judgeSelectors(item, agents);
  judgeDead(reaching, context);
  judgeUnused(gathered);
}

function judgeBudget(item: Item<EntitlementEntry>, agents: ReadonlySet<Agent>, budget: BudgetEntry | undefined): void {
  if (budget?.per.includes('payee') && item.value.payees === 'any') {
    item.error(
      ['payees'],
      `cannot be any, since budget ${budget.id} counts per payee: a service could name a new one each time; list them`,
    );
  }
  const teamless = budget?.per.includes('team') ? [...agents].find((agent) => agent.team === null) : undefined;
  if (teamless) {
    item.error(
      ['agents'],
      `selects ${teamless.id}, which has no team, but budget ${budget?.id} counts per team; give it one`,
    );
  }
}

/** An entitlement never decides when an earlier one takes all of its requests. */
function judgeDead(reaching: readonly Reaching[], context: PolicyContext): void {
  reaching.forEach((later, index) => {
    if (later.agents.size === 0) return;
    const earlier = reaching.slice(0, index).find((candidate) => takesAll(candidate, later, context.timeZone));
    if (!earlier) return;
    const { id } = earlier.item.value;
    later.item.warn(
      [],
      `can never decide: ${id} (${earlier.item.place}) stands before it and takes all of its requests; ` +
        'move this one up, or take it out',
    );
  });
}

function takesAll(earlier: Reaching, later: Reaching, timeZone: string): boolean {
  const [a, b] = [earlier.item.value, later.item.value];
  if (!b.services.every((service) => a.services.includes(service))) return false;
  if (a.until !== undefined && (b.until === undefined || ends(a.until, timeZone) < ends(b.until, timeZone)))
    return false;
  if (a.requests !== undefined && !requestsCover(a.requests, b.requests)) return false;
  for (const agent of later.agents) if (!earlier.agents.has(agent)) return false;
  return true;
}

const ends = (day: string, timeZone: string): number => endOfDay(day, timeZone) ?? 0;

function requestsCover(wide: readonly RequestPattern[], narrow: readonly RequestPattern[] | undefined): boolean {
  const all = narrow ?? [{ method: '*', path: { text: '/**' } }];
  return all.every((request) =>
    wide.some(
      (other) =>
        (other.method === '*' || other.method === request.method) && covers(other.path.text, request.path.text),
    ),
  );
}

function judgeUnused(gathered: Gathered): void {
  const used = new Set([
    ...gathered.guardrailBudgets.flatMap(({ value }) => value),
    ...gathered.entitlements.flatMap(({ value }) => value.budgets),
  ]);
  if (gathered.entitlements.length < gathered.ids.entitlements.length) return;
  for (const item of gathered.budgets)
    if (!used.has(item.value.id))
      item.warn(['id'], 'is used by no entitlement and no guardrail; name it in one, or take it out');
}
