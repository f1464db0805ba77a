// Chance that can be had again: everything the torture decides comes from one seed. When things happen does not.

/** A source of numbers from 0 up to 1. */
export type Dice = () => number;

/** Mulberry32: small, and good enough to choose by. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number from `least` up to `most`. */
export const between = (roll: Dice, least: number, most: number): number => least + roll() * (most - least);

/** One of them, each as likely as its weight says. */
export function choose<T extends { readonly weight: number }>(roll: Dice, from: readonly T[]): T {
  let left = roll() * from.reduce((sum, { weight }) => sum + weight, 0);
  const found = from.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
  const last = found ?? from.at(-1);
  if (last === undefined) throw new RangeError('nothing to choose from');
  return last;
}
