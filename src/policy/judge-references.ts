// Does everything that a policy names exist, once, and in the right form? Says what it finds at the place it stands.
import { suggestion } from '../yaml/words.ts';
import type { Gathered, Item } from './gather.ts';
import type { PolicyContext } from './load.ts';
import { readPayees } from './payees.ts';
import { type Claimed, clashes, defaultSubjects } from './register.ts';
import type { AgentEntry, DenyEntry, EntitlementEntry } from './schema.ts';

/** Gathers what is wrong with references between entries and to the configuration. */
export function judgeReferences(gathered: Gathered, context: PolicyContext): void {
  for (const ids of Object.values(gathered.ids)) judgeDuplicates(ids);
  judgeRegister(gathered, context);
  judgeRevoked(gathered);
  const budgets = gathered.ids.budgets.map(({ value }) => value);
  for (const item of gathered.budgets) judgeCurrency(item, ['limit'], item.value.limit.currency, context);
  for (const item of gathered.entitlements) {
    judgeCurrency(item, ['ceiling'], item.value.ceiling.currency, context);
    if (item.value.ceiling.micros === 0n)
      item.error(['ceiling'], 'must be more than 0; to forbid, take the entitlement out');
    judgeKnown(item, ['budgets'], item.value.budgets, budgets, 'budget');
    judgeTargets(item, context);
  }
  for (const item of gathered.denials) judgeTargets(item, context);
  for (const item of gathered.guardrailBudgets) judgeKnown(item, [], item.value, budgets, 'budget');
}

function judgeDuplicates(ids: readonly Item<string>[]): void {
  const first = new Map<string, Item<string>>();
  for (const item of ids) {
    const before = first.get(item.value);
    if (before === undefined) first.set(item.value, item);
    else item.error([], `stands twice, first at ${before.place}; each needs its own`);
  }
}

/** What each agent claims; one without an issuer means the only one there is. */
export function claimsOf(gathered: Gathered, context: PolicyContext): Claimed<Item<AgentEntry>>[] {
  return gathered.agents.map((item) => ({
    entry: item,
    issuer: item.value.issuer ?? context.issuers[0] ?? '',
    subjects: item.value.subjects ?? defaultSubjects(item.value.id),
  }));
}

function judgeRegister(gathered: Gathered, context: PolicyContext): void {
  const { issuers } = context;
  for (const item of gathered.agents) {
    const { issuer } = item.value;
    if (issuer === undefined && issuers.length > 1) {
      item.error(['issuer'], `is required with several issuers; one of ${issuers.join(', ')}`);
    } else if (issuer !== undefined && !issuers.includes(issuer)) {
      item.error(['issuer'], `is no issuer of the configuration${suggestion(issuer, issuers)}`);
    }
  }
  for (const { first, second, subject, other } of clashes(claimsOf(gathered, context))) {
    const message = `\`${subject}\` could name the same token as \`${other}\` of ${first.value.id} (${first.place})`;
    second.error(second.value.subjects ? ['subjects'] : ['id'], `${message}; make them differ`);
  }
}

function judgeRevoked(gathered: Gathered): void {
  const agents = gathered.ids.agents.map(({ value }) => value);
  for (const item of gathered.revoked) {
    const { agent } = item.value;
    if (agent !== undefined) judgeKnown(item, ['agent'], agent, agents, 'agent');
  }
}

function judgeCurrency(item: Item<unknown>, path: string[], currency: string, context: PolicyContext): void {
  if (currency !== context.currency) item.error(path, `must be in the accounting currency, ${context.currency}`);
}

const DEFINED_IN = {
  ...{ agent: 'agents', budget: 'budgets' },
  ...{ service: 'services in the configuration', asset: 'assets in the configuration' },
} as const;

/** One name, or a list of them. */
function judgeKnown(
  item: Item<unknown>,
  path: (string | number)[],
  written: string | readonly string[],
  known: readonly string[],
  what: keyof typeof DEFINED_IN,
): void {
  const judge = (name: string, at: (string | number)[]) => {
    if (known.includes(name)) return;
    const hint =
      suggestion(
        name,
        known.filter((other) => other !== ''),
      ) || `; add it to ${DEFINED_IN[what]}`;
    item.error(at, `there is no ${what} of this name${hint}`);
  };
  if (typeof written === 'string') judge(written, path);
  else for (const [index, name] of written.entries()) judge(name, [...path, index]);
}

function judgeTargets(item: Item<EntitlementEntry | DenyEntry>, context: PolicyContext): void {
  const { services, assets, payees } = item.value;
  const ids = context.assets.map((asset) => asset.id);
  judgeKnown(item, ['services'], services ?? [], context.services, 'service');
  judgeKnown(item, ['assets'], assets ?? [], ids, 'asset');
  // Which form a payee must have hangs on its assets: unknown ones are told first.
  if (payees === undefined || assets?.some((asset) => !ids.includes(asset))) return;
  if (context.assets.some((asset) => asset.network === 'unknown')) return;
  for (const { index, message } of readPayees(payees, assets ?? null, context.assets).wrong) {
    item.error(['payees', index], message);
  }
}
