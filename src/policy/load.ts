// The policy folders as one PolicySet, or every problem of it at once. All files or none: a set with an error is no
// set.
import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical.ts';
import type { Window } from '../domain/hold.ts';
import { hasErrors, type Problem, sortProblems } from '../yaml/problem.ts';
import { endOfDay } from '../yaml/units.ts';
import { type FolderContent, readFolders } from './folder.ts';
import { type Gathered, gather, type Item } from './gather.ts';
import { judgeReach } from './judge-reach.ts';
import { claimsOf, judgeReferences } from './judge-references.ts';
import { readPayees } from './payees.ts';
import { register } from './register.ts';
import type { AgentEntry, BudgetEntry, DenyEntry, EntitlementEntry } from './schema.ts';
import type { BudgetTerms, Denial, Entitlement, PolicySet, Registered, Spots } from './set.ts';

export type { PolicySet } from './set.ts';

/** What policies refer to. */
export interface PolicyContext {
  readonly services: readonly string[];
  readonly assets: readonly { readonly id: string; readonly network: string; readonly token: string }[];
  /** The accounting currency and time zone. */
  readonly currency: string;
  readonly timeZone: string;
  /** Everybody whose tokens are accepted, the development issuer included. */
  readonly issuers: readonly string[];
}

/** `set` is undefined when any problem is an error. */
export interface LoadedPolicies {
  readonly set: PolicySet | undefined;
  readonly problems: readonly Problem[];
}

/** Reads and judges the folders, in order. Never throws for what is on disk. */
export function loadPolicies(folders: readonly string[], context: PolicyContext): LoadedPolicies {
  return buildSet(readFolders(folders), context);
}

/** Judges what was read of the folders. */
export function buildSet(content: FolderContent, context: PolicyContext): LoadedPolicies {
  const gathered = gather(content);
  judgeReferences(gathered, context);
  judgeReach(gathered, context);
  const problems = sortProblems(gathered.problems());
  return { set: hasErrors(problems) ? undefined : compose(gathered, context), problems };
}

/** Only called without errors. */
function compose(gathered: Gathered, context: PolicyContext): PolicySet {
  const claims = claimsOf(gathered, context).map((claim) => ({
    ...claim,
    entry: registered(claim.entry.value, claim.issuer, gathered, context.timeZone),
  }));
  const values = <T>(items: readonly { readonly value: T }[]): T[] => items.map(({ value }) => value);
  const budgets = values(gathered.budgets).map(budgetTerms);
  return Object.freeze({
    version: createHash('sha256').update(canonicalJson(gathered.content)).digest('hex'),
    currency: context.currency,
    agents: claims.map(({ entry }) => entry),
    findAgent: register(claims),
    revokedTokens: new Set(values(gathered.revoked).flatMap(({ jti }) => (jti === undefined ? [] : [jti]))),
    budgets: new Map(budgets.map((budget) => [budget.budget, budget])),
    entitlements: values(gathered.entitlements).map((entry) => entitlement(entry, context)),
    guardrails: {
      budgets: [...new Set(values(gathered.guardrailBudgets).flat())],
      deny: values(gathered.denials).map((entry) => denial(entry, context)),
    },
    spots: spotsOf(gathered),
  });
}

function spotsOf(gathered: Gathered): Spots {
  const { agents, budgets, entitlements, denials, revoked } = gathered;
  const byId = (items: readonly Item<{ readonly id: string }>[]) =>
    new Map(items.map(({ value, spot }) => [value.id, spot]));
  const revokedBy = (member: 'jti' | 'agent') =>
    new Map(revoked.flatMap(({ value, spot }) => (value[member] === undefined ? [] : [[value[member], spot]])));
  return {
    agents: byId(agents),
    budgets: byId(budgets),
    entitlements: byId(entitlements),
    deny: denials.map(({ spot }) => spot),
    revokedTokens: revokedBy('jti'),
    revokedAgents: revokedBy('agent'),
  };
}

function registered(entry: AgentEntry, issuer: string, gathered: Gathered, timeZone: string): Registered {
  const before = gathered.revoked.flatMap(({ value }) =>
    value.agent === entry.id && value.issuedBefore !== undefined ? [value.issuedBefore] : [],
  );
  const { id, owner, team, labels, until, suspended } = entry;
  return Object.freeze({
    agent: Object.freeze({ id, owner, team: team ?? null, labels: Object.freeze(labels) }),
    issuer,
    untilMs: until === undefined ? null : (endOfDay(until, timeZone) ?? 0),
    suspended: suspended ?? null,
    revokedBeforeMs: before.reduce((latest, ms) => Math.max(latest, ms), 0),
  });
}

function budgetTerms(entry: BudgetEntry): BudgetTerms {
  const window: Window =
    entry.rolling === undefined ? { kind: entry.window ?? 'total' } : { kind: 'rolling', lengthMs: entry.rolling };
  return Object.freeze({
    budget: entry.id,
    window,
    per: entry.per.length === 0 ? 'all' : entry.per.join(','),
    partitions: entry.per,
    limitMicros: entry.limit.micros,
    limitPayments: entry.payments ?? null,
  });
}

function entitlement(entry: EntitlementEntry, context: PolicyContext): Entitlement {
  return Object.freeze({
    id: entry.id,
    agents: entry.agents,
    services: new Set(entry.services),
    requests: entry.requests ?? null,
    assets: new Set(entry.assets),
    payees: readPayees(entry.payees, entry.assets, context.assets).payees,
    ceilingMicros: entry.ceiling.micros,
    budgets: entry.budgets,
    because: entry.because ?? null,
    untilMs: entry.until === undefined ? null : (endOfDay(entry.until, context.timeZone) ?? 0),
  });
}

function denial(entry: DenyEntry, context: PolicyContext): Denial {
  return Object.freeze({
    agents: entry.agents ?? null,
    services: entry.services === undefined ? null : new Set(entry.services),
    requests: entry.requests ?? null,
    assets: entry.assets === undefined ? null : new Set(entry.assets),
    payees: entry.payees === undefined ? null : readPayees(entry.payees, entry.assets ?? null, context.assets).payees,
    because: entry.because ?? null,
  });
}
