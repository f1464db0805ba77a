// Money as exact integers. Atoms are the smallest unit of one asset on its rail; micro-units are 10⁻⁶ of the
// accounting currency. No binary floating point and no `number` ever holds an amount.

/** 10⁻⁶ of the accounting currency. Never negative; at most {@link MAX_MICROS}. */
export type Micros = bigint;

/** The largest amount a budget store can count exactly: 2⁵³−1 micro-units (Lua numbers are doubles). */
export const MAX_MICROS = 9_007_199_254_740_991n;

/** The largest limit a policy may state, in whole units of the accounting currency. */
export const MAX_LIMIT_UNITS = 9_007_199_254n;

const MICROS_PER_UNIT = 1_000_000n;

/** An exact non-negative decimal: `digits × 10^-scale`. */
export interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

/**
 * Reads `12`, `0.25`, `1000.000001`; no sign, exponent, leading zero or bare dot. Undefined when it is anything else.
 */
export function readDecimal(text: string): Decimal | undefined {
  const match = /^(0|[1-9][0-9]{0,29})(?:\.([0-9]{1,18}))?$/.exec(text);
  if (!match) return undefined;
  const fraction = match[2] ?? '';
  return { digits: BigInt(`${match[1]}${fraction}`), scale: fraction.length };
}

/** Reads `0.25 USD` into its exact amount and currency; undefined when it is anything else. */
export function readMoney(text: string): { amount: Decimal; currency: string } | undefined {
  const match = /^([0-9.]+) ([A-Z]{3})$/.exec(text);
  const amount = match?.[1] === undefined ? undefined : readDecimal(match[1]);
  return amount && match?.[2] ? { amount, currency: match[2] } : undefined;
}

/** The micro-units of an exact decimal, or undefined when it has a part smaller than one micro-unit. */
export function microsOfDecimal(amount: Decimal): Micros | undefined {
  const scaled = amount.digits * MICROS_PER_UNIT;
  const divisor = 10n ** BigInt(amount.scale);
  return scaled % divisor === 0n ? scaled / divisor : undefined;
}

/**
 * What a payment of `atoms` costs in micro-units: ⌈atoms × value × 10⁶ ÷ 10^decimals⌉, rounded up once, against the
 * payer. `value` is the worth of one whole unit of the asset in the accounting currency. May exceed {@link MAX_MICROS};
 * the policy refuses that as over its ceiling before any store sees it.
 */
export function microsOfAtoms(atoms: bigint, value: Decimal, decimals: number): Micros {
  const numerator = atoms * value.digits * MICROS_PER_UNIT;
  const denominator = 10n ** BigInt(decimals + value.scale);
  return (numerator + denominator - 1n) / denominator;
}

/** The micro-units of an amount as receipts write it, with exactly six decimals and no sign; else throws TypeError. */
export function readMicros(text: string): Micros {
  if (!/^[0-9]+\.[0-9]{6}$/.test(text)) throw new TypeError('an amount is not a decimal with six places');
  return BigInt(text.replace('.', ''));
}

/** Micro-units as a decimal string with exactly six decimals, the form of every amount in JSON. */
export function formatMicros(micros: Micros): string {
  const sign = micros < 0n ? '-' : '';
  const magnitude = micros < 0n ? -micros : micros;
  const fraction = (magnitude % MICROS_PER_UNIT).toString().padStart(6, '0');
  return `${sign}${magnitude / MICROS_PER_UNIT}.${fraction}`;
}
