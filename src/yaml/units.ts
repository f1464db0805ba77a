// Readers of what people write with a unit, as zod schemas: durations, rates, sizes, money, dates and instants.
import { DateTime, IANAZone } from 'luxon';
import { z } from 'zod';
import { formatMicros, MAX_LIMIT_UNITS, type Micros, microsOfDecimal, readMoney } from '../domain/money.ts';
import { readInstant } from '../domain/rfc3339.ts';

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const MICROS_PER_UNIT = 1_000_000n;

/** `250ms 30s 15m 1h 7d` in milliseconds; undefined when it is anything else. */
export function readDuration(text: string): number | undefined {
  const match = /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/.exec(text);
  const unit = match?.[2] === undefined ? undefined : DURATION_MS[match[2]];
  return unit === undefined ? undefined : Number(match?.[1]) * unit;
}

/** `512B 16KiB 1MiB 1GiB` in bytes; undefined when it is anything else. */
export function readSize(text: string): number | undefined {
  const match = /^(0|[1-9][0-9]{0,5})(B|KiB|MiB|GiB)$/.exec(text);
  const unit = match?.[2] === undefined ? undefined : SIZE_BYTES[match[2]];
  return unit === undefined ? undefined : Number(match?.[1]) * unit;
}

/** So many in a period of so many milliseconds. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

/** `1000/m`, a second, minute or hour; undefined when it is anything else. */
export function readRate(text: string): Rate | undefined {
  const match = /^([1-9][0-9]{0,8})\/([smh])$/.exec(text);
  const periodMs = match?.[2] === undefined ? undefined : DURATION_MS[match[2]];
  return periodMs === undefined ? undefined : { count: Number(match?.[1]), periodMs };
}

/** What a JSON Schema says of a value that is read by code. */
type SchemaFacts = Readonly<Record<string, unknown>>;

/** The JSON Schema of an amount and its currency, for editors. */
export const MONEY_FACTS: SchemaFacts = {
  type: 'string',
  pattern: '^[0-9]+(\\.[0-9]+)? [A-Z]{3}$',
  examples: ['0.25 USD'],
};

/** A text with a unit that `read` understands; `wanted` says what it must be. */
function written<T>(read: (text: string) => T | undefined, wanted: string, form: SchemaFacts): z.ZodType<T, unknown> {
  return z
    .unknown()
    .transform((value, context) => {
      if (value === undefined) return refuseText(context, 'is required');
      const known = typeof value === 'string' ? read(value) : undefined;
      return known === undefined ? refuseText(context, wanted) : known;
    })
    .meta({ type: 'string', ...form });
}

/** A duration from `least` to `most` (both as written), in milliseconds. */
export function duration(least: string, most: string): z.ZodType<number, unknown> {
  const [min, max] = [readDuration(least) ?? 0, readDuration(most) ?? 0];
  const message = `must be from ${least} to ${most}`;
  return written(readDuration, 'must be a duration such as 250ms, 30s, 15m, 1h or 7d', {
    pattern: '^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$',
    examples: ['250ms', '30s', '15m', '1h', '7d'],
  }).refine((value) => value >= min && value <= max, message);
}

/** A size from `least` to `most` (both as written), in bytes. */
export function size(least: string, most: string): z.ZodType<number, unknown> {
  const [min, max] = [readSize(least) ?? 0, readSize(most) ?? 0];
  const message = `must be from ${least} to ${most}`;
  return written(readSize, 'must be a size such as 16KiB or 1MiB', {
    pattern: '^(0|[1-9][0-9]{0,5})(B|KiB|MiB|GiB)$',
    examples: ['16KiB', '1MiB'],
  }).refine((value) => value >= min && value <= max, message);
}

/** A rate such as `1000/m`. */
export const rate: z.ZodType<Rate, unknown> = written(readRate, 'must be a rate such as 1000/m', {
  pattern: '^[1-9][0-9]{0,8}/[smh]$',
  examples: ['1000/m'],
});

/** An amount such as `0.25 USD`, its currency still to be compared with the accounting currency. */
export interface StatedMoney {
  readonly micros: Micros;
  readonly currency: string;
}

/** Money in micro-units; at most six decimals and {@link MAX_LIMIT_UNITS} units. */
export const money: z.ZodType<StatedMoney, unknown> = z.unknown().transform(readStated).meta(MONEY_FACTS);

function readStated(written: unknown, context: z.core.$RefinementCtx): StatedMoney {
  if (written === undefined) return refuseText(context, 'is required');
  const read = typeof written === 'string' ? readMoney(written) : undefined;
  if (!read) return refuseText(context, 'must be an amount and a currency such as 0.25 USD');
  const micros = microsOfDecimal(read.amount);
  if (micros === undefined) return refuseText(context, 'can have at most six decimals');
  if (micros > MAX_LIMIT_UNITS * MICROS_PER_UNIT) {
    return refuseText(context, `can be at most ${MAX_LIMIT_UNITS} ${read.currency}`);
  }
  return { micros, currency: read.currency };
}

/** As it stands in a message: `0.250000 USD`. */
export const showMoney = (micros: Micros, currency: string): string => `${formatMicros(micros)} ${currency}`;

/** Is this the name of a time zone, such as `UTC` or `Europe/Berlin`? */
export function isTimeZone(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name) && IANAZone.isValidZone(name);
}

/** The first millisecond after the day `2027-01-31` in `timeZone`; undefined when there is no such day. */
export function endOfDay(text: string, timeZone: string): number | undefined {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text)) return undefined;
  const day = DateTime.fromISO(text, { zone: timeZone });
  return day.isValid ? day.plus({ days: 1 }).startOf('day').toMillis() : undefined;
}

/** A calendar-valid day as written, `2027-01-31`. */
export const day: z.ZodType<string, unknown> = written(
  (text) => (endOfDay(text, 'UTC') === undefined ? undefined : text),
  'must be a day of the calendar such as 2027-01-31',
  { pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', examples: ['2027-01-31'] },
);

/** An RFC 3339 instant, calendar-valid, in milliseconds since 1970. */
export const instant: z.ZodType<number, unknown> = written(
  readInstant,
  'must be an instant such as 2026-11-23T10:00:00Z',
  { format: 'date-time', examples: ['2026-11-23T10:00:00Z'] },
);

/** Adds a problem and ends the reading of this value. */
export function refuseText(context: z.core.$RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
}
