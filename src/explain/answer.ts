// The shape of what is said about a purchase that might be asked for: the API sends it and the command prints it.
import { z } from 'zod';

const text = z.string();

const check = z.object({
  check: text,
  outcome: z.enum(['passed', 'failed']),
  limit: text.optional(),
  settled: text.optional(),
  held: text.optional(),
  asked: text.optional(),
});

/** A rule and where it stands, as `file:line`; `id` is null for a deny rule, which has none. */
const rule = z.object({ kind: z.enum(['entitlement', 'deny', 'agent']), id: text.nullable(), at: text.nullable() });

/** A key of an entitlement that does not take what is asked. */
const lack = z.object({ key: text, at: text, has: text, asked: text });

/** The smallest change of a policy line: what stands at `at` becomes `line`. `note` says what else it does. */
const amendment = z.object({ at: text, where: text, line: text, note: text.nullable() });

/** What would be decided. For operators alone: it names rules, files and what would have to change. */
export const forecastShape = z.object({
  outcome: z.enum(['allowed', 'refused']),
  code: text.nullable(),
  detail: text,
  policy: text,
  agent: z.object({ id: text, owner: text.nullable(), team: text.nullable(), at: text.nullable() }),
  service: text,
  request: text,
  /** In the accounting currency; null when no price was given, and then only reaching the service is judged. */
  price: text.nullable(),
  rule: rule.nullable(),
  checks: z.array(check),
  /** The first check that failed. */
  failing: text.nullable(),
  nearest: z.object({ id: text, at: text, lacks: z.array(lack) }).nullable(),
  /** What was not said and therefore taken for granted, and what could not be judged. */
  assumed: z.array(text),
  counters: z.object({ known: z.boolean(), source: text }),
  amendments: z.array(amendment),
  /** What would be decided with all the amendments; null without any. */
  afterwards: text.nullable(),
  /** Why no policy line can allow it, when none can. */
  beyond: text.nullable(),
});

export type Forecast = z.infer<typeof forecastShape>;
export type RuleRef = z.infer<typeof rule>;
export type Lacking = z.infer<typeof lack>;
export type Amendment = z.infer<typeof amendment>;
