// What would be decided, put into words for operators: the rule with its place, what nearly matched, what would have to
// be written. Counters are added by whoever can read them.
import { formatMicros } from '../domain/money.ts';
import type { DecisionCheck } from '../domain/receipt.ts';
import type { Refusal } from '../domain/refusal.ts';
import { type Lack, nearest } from '../policy/lacking.ts';
import type { Entitlement } from '../policy/set.ts';
import { amend } from './amend.ts';
import type { Forecast, Lacking, RuleRef } from './answer.ts';
import { type Asked, assumptions, denying, type Judged, judge, requestOf, type World } from './judge.ts';
import * as written from './written.ts';

/** Nothing of the counters is known before somebody reads them. */
export const UNCOUNTED: Forecast['counters'] = { known: false, source: 'not read' };

/** A judgement in words, its counters still unread. */
export function forecast(world: World, asked: Asked, judged: Judged = judge(world, asked)): Forecast {
  const { refusal, entry } = judged;
  const { agent } = asked;
  const found = entry && { owner: entry.agent.owner, team: entry.agent.team };
  const place = world.set.spots.agents.get(agent);
  return {
    outcome: refusal ? 'refused' : 'allowed',
    code: refusal?.code ?? null,
    detail: refusal?.detail ?? allowedDetail(world, asked, judged),
    policy: world.set.version,
    agent: { id: agent, owner: null, team: null, ...found, at: place ? written.at(place) : null },
    service: asked.service,
    request: `${asked.method} ${asked.path}`,
    price: asked.demand ? `${formatMicros(asked.demand.micros)} ${world.currency}` : null,
    rule: ruleOf(world, asked, judged),
    checks: [...judged.checks],
    failing: failingOf(judged.checks),
    nearest: nearestOf(world, asked, judged),
    assumed: [...assumptions(asked, judged)],
    counters: UNCOUNTED,
    ...editable(amend(world, asked, judged)),
  };
}

const editable = ({ amendments, afterwards, beyond }: ReturnType<typeof amend>) => ({
  amendments: [...amendments],
  afterwards,
  beyond,
});

/** The same with what the store says; `refusal` when a counter, a stop or a pause is in the way. */
export function withCounters(
  told: Forecast,
  counted: { readonly source: string; readonly checks: readonly DecisionCheck[]; readonly refusal: Refusal | null },
): Forecast {
  const checks = [...told.checks, ...counted.checks];
  const counters = { known: true, source: counted.source };
  if (!counted.refusal) return { ...told, checks, counters };
  const { code, detail } = counted.refusal;
  return { ...told, outcome: 'refused', code, detail, checks, failing: failingOf(checks), counters };
}

/** The rule that decided: a deny rule, an entry of the register, or an entitlement; null where none was found. */
export function ruleOf(world: World, asked: Asked, { refusal, entitlement }: Judged): RuleRef | null {
  const { spots } = world.set;
  if (refusal?.code === 'denied') {
    const spot = spots.deny[denying(world, asked)];
    return { kind: 'deny', id: null, at: spot ? written.at(spot) : null };
  }
  if (refusal && OF_THE_REGISTER.has(refusal.code)) {
    const spot = spots.agents.get(asked.agent);
    return spot ? { kind: 'agent', id: asked.agent, at: written.at(spot, KEY_OF[refusal.code]) } : null;
  }
  return entitlement && entitlementRef(world, entitlement);
}

function entitlementRef({ set }: World, { id }: Entitlement): RuleRef {
  return { kind: 'entitlement', id, at: written.at(set.spots.entitlements.get(id)) };
}

const OF_THE_REGISTER: ReadonlySet<string> = new Set(['agent_suspended', 'agent_expired', 'token_revoked']);
const KEY_OF: Readonly<Record<string, string>> = { agent_suspended: 'suspended', agent_expired: 'until' };

const failingOf = (checks: readonly DecisionCheck[]): string | null =>
  checks.find(({ outcome }) => outcome === 'failed')?.check ?? null;

function allowedDetail({ set, currency }: World, { demand }: Asked, { entitlement }: Judged): string {
  if (demand) return 'A payment of this price would be made, as far as the policies decide.';
  const most = entitlement ? formatMicros(entitlement.ceilingMicros) : '0';
  const budgets = [...new Set([...(entitlement?.budgets ?? []), ...set.guardrails.budgets])].join(', ');
  return `The request would be forwarded. One payment may cost up to ${most} ${currency}, within ${budgets}.`;
}

function nearestOf(world: World, asked: Asked, { refusal, entry }: Judged): Forecast['nearest'] {
  if (refusal?.code !== 'no_entitlement' || !entry) return null;
  const near = nearest(world.set, entry.agent, requestOf(asked, world.nowMs));
  if (!near) return null;
  const spot = world.set.spots.entitlements.get(near.entitlement.id);
  const lacks = near.lacks.map(
    (key): Lacking => ({
      key,
      at: written.at(spot, key),
      has: written.keyText(near.entitlement, key, world),
      asked: askedText(asked, key, world),
    }),
  );
  return { id: near.entitlement.id, at: written.at(spot), lacks };
}

function askedText({ agent, service, method, path }: Asked, key: Lack, world: World): string {
  const texts: Record<Lack, string> = {
    agents: agent,
    services: service,
    requests: `${method} ${path}`,
    until: written.dayOf(world.nowMs, world.timeZone),
  };
  return texts[key];
}
