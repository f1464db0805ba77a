// Reads the headers that are addressed to the gateway, strictly. What it does not know is left for the service.
import { type Micros, microsOfDecimal, readMoney } from '../domain/money.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { nearest } from '../yaml/words.ts';

/** What an agent asks of the gateway itself, beside the request that it wants forwarded. */
export interface AgentAsks {
  readonly idempotencyKey: string | null;
  readonly taskClaimed: string | null;
  readonly purposeClaimed: string | null;
  readonly maxPrice: { readonly micros: Micros; readonly currency: string } | null;
  /** The client's own library says that this is a retry. */
  readonly saysRetry: boolean;
}

/** A `traceparent` in its parts: 32, 16 and 2 hex digits (W3C Trace Context, section 3.2). */
export interface TraceContext {
  readonly id: string;
  readonly parent: string;
  readonly flags: string;
}

/** The values of one header in a flat list, in order. */
export function headerValues(raw: readonly string[], lowerName: string): string[] {
  const found: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) found.push(raw[i + 1] as string);
  }
  return found;
}

/** Reads all of them, or refuses with `header_malformed` naming the header and what it should look like. */
export function readAgentAsks(raw: readonly string[]): AgentAsks | Refusal {
  const meant = misspelt(raw);
  if (meant) return meant;
  const single: Record<string, string | null> = {};
  for (const { name, pattern, form } of STRICT_HEADERS) {
    const values = headerValues(raw, name.toLowerCase());
    const value = values[0] ?? null;
    if (values.length > 1) return malformed(name, 'it was sent more than once');
    if (value !== null && !pattern.test(value)) return malformed(name, form);
    single[name] = value;
  }
  const price = readMaxPrice(single['Purser-Max-Price'] ?? null);
  if (price !== null && 'kind' in price) return price;
  return {
    idempotencyKey: single['Idempotency-Key'] ?? null,
    taskClaimed: single['Purser-Task'] ?? null,
    purposeClaimed: single['Purser-Purpose'] ?? null,
    maxPrice: price,
    saysRetry: headerValues(raw, 'x-stainless-retry-count').some((value) => /^[1-9][0-9]{0,3}$/.test(value)),
  };
}

const STRICT_HEADERS = [
  { name: 'Idempotency-Key', pattern: /^[\x21-\x7e]{1,255}$/, form: 'it must be 1 to 255 visible ASCII characters' },
  { name: 'Purser-Task', pattern: /^[\x21-\x7e]{1,200}$/, form: 'it must be 1 to 200 visible ASCII characters' },
  { name: 'Purser-Purpose', pattern: /^[\x20-\x7e]{1,200}$/, form: 'it must be 1 to 200 visible ASCII characters' },
  { name: 'Purser-Max-Price', pattern: /^[0-9.]{1,40} [A-Z]{3}$/, form: 'it must look like: 0.05 USD' },
] as const;

const OURS = /^purser[-_]/i;
const OUR_NAMES = ['Purser-Token', 'Purser-Task', 'Purser-Purpose', 'Purser-Max-Price'];

/** A limit whose name has a mistake would be none. Other names that begin as ours say nothing and are left out. */
function misspelt(raw: readonly string[]): Refusal | undefined {
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (!OURS.test(name)) continue;
    if (OUR_NAMES.some((ours) => ours.toLowerCase() === name.toLowerCase())) continue;
    const meant = OUR_NAMES.find((ours) => nearest(name.replace(OURS, ''), [ours.replace(OURS, '')]));
    if (meant) return refuse('header_malformed', `The header ${name} is not known; ${meant} is. Send that one.`);
  }
  return undefined;
}

function readMaxPrice(text: string | null): AgentAsks['maxPrice'] | Refusal {
  if (text === null) return null;
  const money = readMoney(text);
  const micros = money && microsOfDecimal(money.amount);
  if (!money || micros === undefined)
    return malformed('Purser-Max-Price', 'it must look like: 0.05 USD, with at most six decimals');
  return { micros, currency: money.currency };
}

/** The trace that a request belongs to; null where it names none, or not exactly one that can be read. */
export function readTrace(raw: readonly string[]): TraceContext | null {
  const values = headerValues(raw, 'traceparent');
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(values.length === 1 ? (values[0] ?? '') : '');
  const [, id, parent, flags] = match ?? [];
  if (!id || !parent || !flags || /^0+$/.test(id) || /^0+$/.test(parent)) return null;
  return { id, parent, flags };
}

const malformed = (name: string, why: string): Refusal =>
  refuse('header_malformed', `The ${name} header cannot be read: ${why}.`);
