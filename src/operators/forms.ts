// What operators may send: one strict zod schema per query and body. Unknown and repeated members are errors.
import { z } from 'zod';
import { RECEIPT_KINDS } from '../domain/receipt.ts';
import { readInstant } from '../domain/rfc3339.ts';
import { readJson } from '../domain/strict-json.ts';
import { type OperatorProblem, problem } from './problem.ts';

const MOST_RECEIPTS = 1000;
/** The most scopes of one budget that are shown: to whoever does not say how many, and to whoever does. */
export const SHOWN_SCOPES = 1_000;
export const MOST_SCOPES = 100_000;
/** The longest body that is read. */
export const MOST_BODY_BYTES = 16 * 1024;

/** Texts end up in receipts and on terminals: well-formed, without control or direction characters. */
const line = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .refine((text) => text === '' || text.trim() !== '', 'must not be blank')
    .refine(
      (text) => text.isWellFormed() && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text),
      'must be plain text on one line',
    );

const instant = z
  .string()
  .refine((text) => readInstant(text) !== undefined, 'must be an instant such as 2026-11-23T10:00:00Z')
  .transform((text) => new Date(readInstant(text) ?? 0).toISOString());
const selector = line(200).exactOptional();

/** A number as text; `usual` where none is given. */
const howMany = (most: number, usual: number) =>
  z
    .string()
    .regex(/^[1-9][0-9]{0,5}$/, `must be a whole number from 1 to ${most}`)
    .transform(Number)
    .pipe(z.int().max(most))
    .default(usual);

/** `GET /api/receipts`: every given member must match; newest first. */
export const receiptQuery = z.strictObject({
  kind: z.enum(RECEIPT_KINDS).exactOptional(),
  agent: selector,
  owner: selector,
  team: selector,
  service: selector,
  task: selector,
  code: selector,
  payee: selector,
  trace: selector,
  exchange: selector,
  since: instant.exactOptional(),
  until: instant.exactOptional(),
  limit: howMany(MOST_RECEIPTS, 100),
});

/** `GET /api/budgets`: how many scopes of each budget, the fullest first. */
export const budgetQuery = z.strictObject({ scopes: howMany(MOST_SCOPES, SHOWN_SCOPES) });

const asked = line(1_000);

/** `GET /api/explain`: what would be decided about this; read more strictly by whoever answers. */
export const explainQuery = z.strictObject({
  agent: asked,
  service: asked,
  request: line(16 * 1024),
  price: asked.exactOptional(),
  asset: asked.exactOptional(),
  payee: asked.exactOptional(),
  task: asked.exactOptional(),
});

/** What a person knows of an uncertain hold; `againstEvidence`: also where the books of its rail say otherwise. */
export const resolveOrder = z.strictObject({
  as: z.enum(['settled', 'voided']),
  because: line(500),
  againstEvidence: z.literal(true).exactOptional(),
});

const target = { kind: z.enum(['agent', 'service', 'wallet', 'all']), id: line(200) };
const namesOneOrAll = ({ kind, id }: { kind: string; id: string }) => (kind === 'all') === (id === '*');
const oneOrAll = { message: 'must be an id, or * exactly when kind is all', path: ['id'] };

/** What is to be stopped, and why. */
export const stopOrder = z.strictObject({ ...target, because: line(500) }).refine(namesOneOrAll, oneOrAll);

/** Which stop is to be lifted. */
export const startOrder = z
  .strictObject({ ...target, because: line(500).exactOptional() })
  .refine(namesOneOrAll, oneOrAll);

/** Why the log gets a new key. */
export const rotateOrder = z.strictObject({ because: line(500) });

export type ExplainQuery = z.infer<typeof explainQuery>;
export type ReceiptQuery = z.infer<typeof receiptQuery>;
export type ResolveOrder = z.infer<typeof resolveOrder>;
export type RotateOrder = z.infer<typeof rotateOrder>;
export type StopOrder = z.infer<typeof stopOrder>;
export type StartOrder = z.infer<typeof startOrder>;

/** Reads a query string strictly: known names, each once. */
export function readQuery<Shape>(schema: z.ZodType<Shape>, query: string): Shape | OperatorProblem {
  const parameters = new URLSearchParams(query);
  const names = [...parameters.keys()];
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined)
    return problem('query_invalid', `The parameter "${name(repeated)}" is given twice; give it once.`);
  const read = schema.safeParse(Object.fromEntries(parameters));
  return read.success ? read.data : problem('query_invalid', describe(read.error));
}

/** Reads a JSON body strictly: no duplicate members, no unknown ones. */
export function readBody<Shape>(schema: z.ZodType<Shape>, body: Uint8Array): Shape | OperatorProblem {
  const json = readJson(body, MOST_BODY_BYTES);
  if ('problem' in json) return problem('body_invalid', `The body must be one JSON object: ${json.problem}.`);
  const read = schema.safeParse(json.value);
  return read.success ? read.data : problem('body_invalid', describe(read.error));
}

function describe(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => [issue.path.join('.'), wordsOf(issue)].filter((part) => part !== '').join(': '))
    .map((text) => (/[.!?]$/.test(text) ? text : `${text}.`))
    .join(' ');
}

/** What is wrong with a value, in our words. */
function wordsOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `not known here: ${issue.keys.map(name).join(', ')}; take it out`;
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`;
  if (issue.code === 'invalid_type')
    return /undefined$/.test(issue.message)
      ? 'is required'
      : `must be ${issue.expected === 'object' ? 'an' : 'a'} ${issue.expected}`;
  if (issue.code === 'too_small') return 'must not be empty';
  if (issue.code === 'too_big') {
    return `must be at most ${issue.maximum}${issue.origin === 'string' ? ' characters long' : ''}`;
  }
  return issue.message;
}

const name = (text: string) => text.slice(0, 40).replace(/[^\w.-]/g, '?');
