// Budgets, holds and stops as operators are shown them: JSON values, money as strings with six decimals, instants in
// RFC 3339. The API sends them and the commands print them.
import { z } from 'zod';
import type { BudgetLine, LineState, OpenHold, Stop, Window } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';

/** A budget as the policy has it, for whatever scope. */
export type BudgetTerms = Omit<BudgetLine, 'scope'>;

const text = z.string();

/** One budget line. `left` is what a payment may still ask, never negative; `resetsAt` is null for `total`. */
const scopeShape = z.object({
  scope: text,
  limit: text,
  settled: text,
  held: text,
  left: text,
  payments: z.int(),
  resetsAt: text.nullable(),
});

/** A budget and the fullest of its scopes in use; `window` is `day`, `total`, … or `rolling 24h`. */
const budgetShape = z.object({
  id: text,
  per: text,
  window: text,
  limit: text,
  payments: z.int().nullable(),
  scopes: z.array(scopeShape),
});

/**
 * What the books of a hold's rail showed when they were last looked at, and when they are looked at again. `alarming`:
 * something that cannot be, so that somebody has to look.
 */
const evidenceShape = z.object({
  verdict: z.enum(['redeemed', 'dead', 'unknown']),
  alarming: z.boolean(),
  seen: text,
  at: text,
  next: text,
});

/**
 * An open hold with its evidence. Until `redeemableUntil` its proof may be redeemed, and it is not voided; `ending`
 * says how its request ended, null while it runs or when it was lost in a crash. `evidence` is null where this gateway
 * has not looked (yet): the hold is of another one, or its request still runs.
 */
const holdShape = z.object({
  id: text,
  exchange: text,
  state: z.enum(['held', 'exposed', 'uncertain']),
  agent: text,
  service: text,
  wallet: text,
  amount: text,
  heldAt: text,
  redeemableUntil: text,
  budgets: z.array(z.object({ id: text, scope: text, window: text })),
  ending: z.object({ code: text.nullable(), upstreamStatus: z.int().nullable(), receipt: text }).nullable(),
  evidence: evidenceShape.nullable(),
});

/** A stop in force. */
const stopShape = z.object({
  kind: z.enum(['agent', 'service', 'wallet', 'all']),
  id: text,
  because: text,
  by: text,
  at: text,
});

/**
 * What `GET /api/budgets`, `holds` and `stops` answer. `spokenFor`: the logs of gateways that did not come to the last
 * rebuild of a shared store; what they last said counts as spent, and their holds are not among these.
 */
export const budgetsAnswer = z.object({ budgets: z.array(budgetShape), spokenFor: z.array(text) });
export const holdsAnswer = z.object({ holds: z.array(holdShape), spokenFor: z.array(text) });
export const stopsAnswer = z.object({ stops: z.array(stopShape) });

/** What an order answers: the receipt of it, and what the person should know about it. */
export const doneAnswer = z.object({ receipt: text, warning: text.optional() });

/** The policy set in force and what became of the last reload; `problems` as `file:line:col  path  message`. */
export const policyAnswer = z.object({
  version: text,
  lastReloadSuccessful: z.boolean(),
  problems: z.array(text).readonly(),
  agents: z.array(text).readonly(),
  entitlements: z.array(text).readonly(),
  budgets: z.array(text).readonly(),
});

export type PolicyView = z.infer<typeof policyAnswer>;
export type BudgetsAnswer = z.infer<typeof budgetsAnswer>;
export type HoldsAnswer = z.infer<typeof holdsAnswer>;
export type BudgetView = z.infer<typeof budgetShape>;
/** What was last seen of a hold; times in milliseconds since 1970. */
export type Sight = Omit<z.infer<typeof evidenceShape>, 'at' | 'next'> & { readonly at: number; readonly next: number };
export type HoldView = z.infer<typeof holdShape>;
export type StopView = z.infer<typeof stopShape>;

/** RFC 3339 with milliseconds, of milliseconds since 1970. */
export const instantOf = (ms: number): string => new Date(ms).toISOString();

export function budgetView(terms: BudgetTerms, lines: readonly LineState[]): BudgetView {
  return {
    id: terms.budget,
    per: terms.per,
    window: windowText(terms.window),
    limit: formatMicros(terms.limitMicros),
    payments: terms.limitPayments,
    scopes: lines.map(scopeView),
  };
}

export function holdView(hold: OpenHold, sight: Sight | null): HoldView {
  return {
    id: hold.id,
    exchange: hold.exchange,
    state: hold.state,
    agent: hold.agent,
    service: hold.service,
    wallet: hold.wallet,
    amount: formatMicros(hold.micros),
    heldAt: instantOf(hold.heldAt),
    redeemableUntil: instantOf(hold.redeemableUntil),
    budgets: hold.lines.map((line) => ({
      id: line.budget,
      scope: line.scope,
      window: instantOf(line.windowStart),
    })),
    ending: hold.ending,
    evidence: sight && sightView(sight),
  };
}

function sightView({ verdict, alarming, seen, at, next }: Sight): HoldView['evidence'] {
  return { verdict, alarming, seen, at: instantOf(at), next: instantOf(next) };
}

export function stopView(stop: Stop): StopView {
  return { kind: stop.kind, id: stop.id, because: stop.because, by: stop.by, at: instantOf(stop.at) };
}

function scopeView(line: LineState): z.infer<typeof scopeShape> {
  const left = line.limitMicros - line.settledMicros - line.heldMicros;
  return {
    scope: line.scope,
    limit: formatMicros(line.limitMicros),
    settled: formatMicros(line.settledMicros),
    held: formatMicros(line.heldMicros),
    left: formatMicros(left > 0n ? left : 0n),
    payments: line.payments,
    resetsAt: line.resetsAt === null ? null : instantOf(line.resetsAt),
  };
}

function windowText(window: Window): string {
  if (window.kind !== 'rolling') return window.kind;
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const;
  const [unit, ms] = units.find(([, size]) => window.lengthMs % size === 0) ?? (['ms', 1] as const);
  return `rolling ${window.lengthMs / ms}${unit}`;
}
