// A bar for each group, in characters: settled money solid, uncertain money light.
import { formatMicros, type Micros } from '../domain/money.ts';
import type { Totals } from './totals.ts';

const WIDTH = 40n;
const MOST_BARS = 20;

/** One bar's name and amounts. */
export interface Bar {
  readonly name: string;
  readonly totals: Totals;
}

/** The largest groups first, at most twenty; every line ends in a line feed. Bars are to scale with each other. */
export function barChart(bars: readonly Bar[]): string {
  const sorted = [...bars].sort((left, right) => descending(whole(left.totals), whole(right.totals)));
  const shown = sorted.slice(0, MOST_BARS);
  const most = shown[0] ? whole(shown[0].totals) : 0n;
  const width = shown.reduce((widest, { name }) => Math.max(widest, Array.from(name).length), 0);
  const lines = shown.map(({ name, totals }) => {
    const padded = name + ' '.repeat(width - Array.from(name).length);
    return `${padded}  ${bar(totals, most)} ${figures(totals)}\n`;
  });
  const left = sorted.length - shown.length;
  return lines.join('') + (left > 0 ? `and ${left} smaller ones\n` : '');
}

function bar({ settled, uncertain }: Totals, most: Micros): string {
  const all = cells(settled + uncertain, most);
  const solid = cells(settled, most);
  return '█'.repeat(solid) + '░'.repeat(Math.max(all - solid, uncertain > 0n ? 1 : 0));
}

/** Rounded to the nearest cell; what is there at all has one. */
function cells(amount: Micros, most: Micros): number {
  if (amount === 0n || most === 0n) return 0;
  return Math.max(1, Number((2n * amount * WIDTH + most) / (2n * most)));
}

function figures({ settled, uncertain }: Totals): string {
  return uncertain > 0n ? `${formatMicros(settled)} + ${formatMicros(uncertain)} uncertain` : formatMicros(settled);
}

const whole = ({ settled, uncertain }: Totals): Micros => settled + uncertain;

const descending = (left: Micros, right: Micros): number => (left < right ? 1 : left > right ? -1 : 0);
