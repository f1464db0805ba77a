// The smallest change of the policies that would allow what was refused, tried on the real decision before it is said.
// For operators alone: an agent is never told which line stands in its way.
import { MAX_LIMIT_UNITS } from '../domain/money.ts';
import { type Lack, nearest } from '../policy/lacking.ts';
import { compile } from '../policy/pattern.ts';
import type { Entitlement, Payees, PolicySet } from '../policy/set.ts';
import type { Amendment } from './answer.ts';
import { AMENDABLE, type Asked, type Judged, judge, requestOf, type World } from './judge.ts';
import * as written from './written.ts';

/** What would have to be written, and what would then be decided. */
export interface Amended {
  readonly amendments: readonly Amendment[];
  /** `allowed`, or the code that would still refuse; null without amendments. */
  readonly afterwards: string | null;
  /** Why no policy line can allow it. */
  readonly beyond: string | null;
}

type Key = Lack | 'assets' | 'payees' | 'ceiling';

/** One step: an entitlement as it would be, and the key that changed; `new` when all of it is. */
interface Change {
  readonly entitlement: Entitlement;
  readonly key: Key | 'new';
}

const MOST_STEPS = 12;

/** Changes one key after the other until it is allowed, or until no line of an entitlement can help. */
export function amend(world: World, asked: Asked, first: Judged): Amended {
  if (!first.refusal || !AMENDABLE.has(first.refusal.code)) return { amendments: [], afterwards: null, beyond: null };
  const beyond = beyondPolicies(world, asked, first);
  if (beyond !== null) return { amendments: [], afterwards: null, beyond };
  const changed = new Map<string, Set<Change['key']>>();
  let set = world.set;
  let judged = first;
  for (let step = 0; step < MOST_STEPS && judged.refusal && AMENDABLE.has(judged.refusal.code); step += 1) {
    const change = changeFor(world, asked, judged, set);
    if (change === null) break;
    const { id } = change.entitlement;
    changed.set(id, (changed.get(id) ?? new Set()).add(change.key));
    set = withEntitlement(set, change.entitlement);
    judged = judge(world, asked, set);
  }
  const amendments = set.entitlements.flatMap((entitlement) =>
    [...(changed.get(entitlement.id) ?? [])].map((key) => show(world, judged, entitlement, key)),
  );
  // What was written anew stands in one line, whatever was changed of it afterwards.
  const once = amendments.filter(
    ({ line, where }, index) => amendments.findIndex((other) => other.line === line && other.where === where) === index,
  );
  return { amendments: once, afterwards: once.length === 0 ? null : (judged.refusal?.code ?? 'allowed'), beyond: null };
}

function beyondPolicies({ assets, currency }: World, { demand }: Asked, { refusal, candidate }: Judged): string | null {
  if (!demand) return null;
  if (refusal?.code === 'asset_unknown' && candidate?.asset === null) {
    const { network, token } = candidate.offer;
    const known = assets.map(({ id }) => id).join(', ') || 'none';
    return (
      `The configuration has no such asset (${token || 'not named'} on ${network}). Add it under \`assets\` in ` +
      `config.yaml, with its decimals and value, then to the entitlement. Configured are: ${known}.`
    );
  }
  if (demand.micros > MAX_LIMIT_UNITS * 1_000_000n) {
    return `No ceiling can be written that high: the most is ${MAX_LIMIT_UNITS} ${currency}.`;
  }
  return null;
}

function changeFor(world: World, asked: Asked, judged: Judged, set: PolicySet): Change | null {
  const { entitlement, candidate, refusal } = judged;
  const { demand } = asked;
  if (refusal?.code === 'no_entitlement') return entitle(world, asked, judged, set);
  if (!entitlement || !candidate || !demand) return null;
  const { offer, asset } = candidate;
  if (refusal?.code === 'asset_unknown' && asset) {
    return { key: 'assets', entitlement: { ...entitlement, assets: new Set([...entitlement.assets, asset.id]) } };
  }
  if (refusal?.code === 'payee_forbidden') {
    const payees = withPayee(entitlement.payees, offer.network, offer.payee);
    return { key: 'payees', entitlement: { ...entitlement, payees } };
  }
  return refusal?.code === 'over_ceiling'
    ? { key: 'ceiling', entitlement: { ...entitlement, ceilingMicros: demand.micros } }
    : null;
}

/** The nearest entitlement where it lacks one thing; else a new one for exactly this, in the nearest one's words. */
function entitle(world: World, asked: Asked, { entry }: Judged, set: PolicySet): Change | null {
  if (!entry) return null;
  const request = requestOf(asked, world.nowMs);
  const near = nearest(set, entry.agent, request);
  if (!near) return null;
  const [lack, another] = near.lacks;
  if (lack === undefined) return null;
  const exact = { method: asked.method, path: compile(asked.path) };
  const only = [{ id: [compile(asked.agent)] }];
  if (another === undefined) {
    const { requests, services, agents } = near.entitlement;
    const widened: Record<Lack, Partial<Entitlement>> = {
      until: { untilMs: endOfToday(world) },
      requests: { requests: [...(requests ?? []), exact] },
      services: { services: new Set([...services, asked.service]) },
      agents: { agents: [...agents, ...only] },
    };
    return { key: lack, entitlement: { ...near.entitlement, ...widened[lack] } };
  }
  const id = freshId(set, `${asked.agent.slice(0, 60)}-${asked.service.slice(0, 60)}`);
  const services = new Set([asked.service]);
  const fresh = { ...near.entitlement, id, services, requests: [exact], agents: only, untilMs: null, because: null };
  return { key: 'new', entitlement: narrowed(asked, fresh) };
}

/** As little as the demand needs, where it is known. */
function narrowed({ demand }: Asked, entitlement: Entitlement): Entitlement {
  if (!demand || demand.micros >= entitlement.ceilingMicros) return entitlement;
  return { ...entitlement, ceilingMicros: demand.micros };
}

function freshId(set: PolicySet, wanted: string): string {
  const taken = new Set(set.entitlements.map(({ id }) => id));
  for (let number = 2; ; number += 1) {
    const id = number === 2 ? wanted : `${wanted}-${number - 1}`;
    if (!taken.has(id)) return id;
  }
}

/** Not the end of the day itself, which the file will say: any moment of it that is to come decides alike. */
const endOfToday = ({ nowMs }: World): number => nowMs + 1;

function withPayee(payees: Payees, network: string, payee: string): Payees {
  if (payees === 'any') return payees;
  return network === 'sandbox'
    ? { ...payees, sandbox: new Set([...payees.sandbox, payee]) }
    : { ...payees, evm: new Set([...payees.evm, payee]) };
}

function withEntitlement(set: PolicySet, entitlement: Entitlement): PolicySet {
  const known = set.entitlements.some(({ id }) => id === entitlement.id);
  const entitlements = known
    ? set.entitlements.map((other) => (other.id === entitlement.id ? entitlement : other))
    : [...set.entitlements, entitlement];
  return { ...set, entitlements };
}

function show(world: World, judged: Judged, entitlement: Entitlement, key: Change['key']): Amendment {
  const { spots } = world.set;
  const spot = spots.entitlements.get(entitlement.id);
  const note = teamless(world.set, judged, entitlement);
  if (key === 'new' || !spot) {
    const last = world.set.entitlements.at(-1);
    const end = written.at(last && spots.entitlements.get(last.id));
    return { at: end, where: 'a new line under entitlements', line: whole(world, entitlement), note };
  }
  return {
    at: written.at(spot, key),
    where: `entitlement ${entitlement.id}`,
    line: `${key}: ${written.keyText(entitlement, key, world)}`,
    note: WIDENS.has(key) ? joined(`for everything else that ${entitlement.id} allows, too`, note) : note,
  };
}

const WIDENS: ReadonlySet<Change['key']> = new Set(['agents', 'services', 'until']);

const joined = (first: string, second: string | null): string => (second === null ? first : `${first}; ${second}`);

function whole(world: World, entitlement: Entitlement): string {
  const { id, budgets } = entitlement;
  const keys = (['agents', 'services', 'requests', 'assets', 'payees', 'ceiling'] as const).map(
    (key) => `${key}: ${written.keyText(entitlement, key, world)}`,
  );
  return `- { ${[`id: ${written.value(id)}`, ...keys, `budgets: ${written.list(budgets)}`].join(', ')} }`;
}

/** A set in which a budget per team meets an agent without a team is not accepted. */
function teamless(set: PolicySet, { entry }: Judged, { budgets }: Entitlement): string | null {
  if (!entry || entry.agent.team !== null) return null;
  const counts = [...budgets, ...set.guardrails.budgets].find((id) => set.budgets.get(id)?.partitions.includes('team'));
  if (counts === undefined) return null;
  const place = written.at(set.spots.agents.get(entry.agent.id));
  return `budget ${counts} counts per team: give ${entry.agent.id} a team first (${place})`;
}
