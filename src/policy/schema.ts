// The shapes of policies/*.yaml: one schema for each kind of entry. References and what the entries mean together are
// judged elsewhere.
import { z } from 'zod';
import { day, duration, instant, money, refuseText } from '../yaml/units.ts';
import { compile, patternWrong } from './pattern.ts';

/** The sections of a policy file. */
export const SECTIONS = ['agents', 'revoked', 'budgets', 'entitlements', 'guardrails'] as const;

/** What a budget can count apart, in the order in which scopes name them. */
export const PARTITIONS = ['agent', 'team', 'owner', 'task', 'service', 'payee'] as const;
export type Partition = (typeof PARTITIONS)[number];

const WINDOWS = ['hour', 'day', 'week', 'month', 'year', 'total'] as const;
const MINUTE_MS = 60_000;

const line = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}\p{Cf}\u2028\u2029]*$/u, 'cannot have control characters; take them out');
const because = line(300);
const id = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$/, 'must be 1 to 128 letters, digits or any of _ . : @ -, no sign first');
const unique = <T>(list: readonly T[]): boolean => new Set(list).size === list.length;
const names = z.array(z.string()).min(1).refine(unique, 'names something twice; keep one');
const orList = <S extends z.ZodType<string, unknown>>(item: S) =>
  z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(item).min(1));

const pattern = z
  .string()
  .min(1)
  .transform((text, context) => {
    const wrong = patternWrong(text);
    return wrong === undefined ? compile(text) : refuseText(context, wrong);
  });
const patterns = z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(pattern).min(1));
const exact = line(200).refine(
  (text) => !text.includes('*'),
  'is compared as it stands, so it cannot have *; only id takes patterns',
);

export const agent = z.strictObject({
  id,
  issuer: z.string().optional(),
  subjects: patterns.optional(),
  owner: line(200),
  team: exact.optional(),
  labels: z.record(z.string().min(1).max(100), exact).default({}),
  until: day.optional(),
  suspended: line(300).optional(),
});

export const revocation = z
  .strictObject({
    jti: z.string().min(1).max(256).optional(),
    agent: z.string().optional(),
    issuedBefore: instant.optional(),
    because,
  })
  .refine(
    (rule) => (rule.jti === undefined) !== (rule.agent === undefined && rule.issuedBefore === undefined),
    'must have jti, or agent and issuedBefore, and not all three',
  )
  .refine((rule) => (rule.agent === undefined) === (rule.issuedBefore === undefined), 'needs agent and issuedBefore');

const per = z
  .preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(z.enum([...PARTITIONS, 'all'])))
  .refine((list) => list.length > 0, 'must not be empty')
  .refine(unique, 'names something twice; keep one')
  .refine((list) => list.length === 1 || !list.includes('all'), 'all stands alone; take the others out')
  .transform((list): readonly Partition[] => PARTITIONS.filter((name) => list.includes(name)));

export const budget = z
  .strictObject({
    id,
    limit: money,
    payments: z.int().min(1).max(1_000_000_000).optional(),
    window: z.enum(WINDOWS).optional(),
    rolling: duration('1m', '366d')
      .refine((ms) => ms % MINUTE_MS === 0, 'must be whole minutes')
      .optional(),
    per,
  })
  .refine((written) => (written.window === undefined) !== (written.rolling === undefined), {
    message: 'needs window or rolling, one of both',
  });

const selector = z
  .strictObject({
    id: patterns.optional(),
    owner: orList(exact).optional(),
    team: orList(exact).optional(),
    label: z
      .record(z.string().min(1), orList(exact))
      .refine((labels) => Object.keys(labels).length > 0, 'selects nothing; name a label and its value')
      .optional(),
  })
  .refine((keys) => Object.values(keys).some((key) => key !== undefined), {
    message: 'selects nothing; to select every agent write { id: "*" }',
  });
const agents = z.preprocess(
  (value) => (typeof value === 'object' && value !== null && !Array.isArray(value) ? [value] : value),
  z.array(selector).min(1),
);

/** `GET /v1/**`: a method or `*`, and a pattern of the path as it goes upstream. */
const request = z.string().transform((text, context) => {
  const match = /^(\*|[A-Z][A-Z0-9-]{0,31}) (\/[^\s]*)$/.exec(text);
  const path = match?.[2];
  if (match?.[1] === undefined || path === undefined) {
    return refuseText(context, 'must be a method (or *) and a path pattern, such as "GET /v1/**"');
  }
  if (/[?#]/.test(path)) return refuseText(context, 'cannot have a query or fragment; only the path is matched');
  if (!/^[\x21-\x7e]*$/.test(path)) return refuseText(context, 'must be ASCII, percent-encoded as in a request');
  if (/(^|\/)\.{1,2}(\/|$)/.test(path))
    return refuseText(context, 'has dot segments, which no request has; take them out');
  const wrong = patternWrong(path);
  return wrong === undefined ? { method: match[1], path: compile(path) } : refuseText(context, wrong);
});

const payees = z.union(
  [z.literal('any'), z.array(z.string().min(1).max(200)).min(1).refine(unique, 'names one twice; keep one')],
  {
    error: 'must be any, or a list of payees',
  },
);

export const entitlement = z.strictObject({
  id,
  agents,
  services: names,
  requests: z.array(request).min(1).optional(),
  assets: names,
  payees,
  ceiling: money,
  budgets: names,
  because: because.optional(),
  until: day.optional(),
});

export const deny = z
  .strictObject({
    agents: agents.optional(),
    services: names.optional(),
    requests: z.array(request).min(1).optional(),
    assets: names.optional(),
    payees: payees.optional(),
    because: because.optional(),
  })
  .refine(({ because: _, ...selectors }) => Object.values(selectors).some((key) => key !== undefined), {
    message: 'selects nothing; name agents, services, requests, assets or payees',
  });

/** Its deny rules are read one by one. */
export const guardrails = z.strictObject({ budgets: names.optional(), deny: z.unknown().optional() }).optional();

export type AgentEntry = z.output<typeof agent>;
export type Revocation = z.output<typeof revocation>;
export type BudgetEntry = z.output<typeof budget>;
export type Selector = z.output<typeof selector>;
export type RequestPattern = z.output<typeof request>;
export type EntitlementEntry = z.output<typeof entitlement>;
export type DenyEntry = z.output<typeof deny>;
