import { expect, test } from 'vitest';
import { barChart } from '../../src/report/chart.ts';
import { NOTHING } from '../../src/report/totals.ts';

test('bars are to scale, the largest first, uncertain money light', () => {
  const chart = barChart([
    { name: 'half', totals: { ...NOTHING, settled: 500_000n } },
    { name: 'largest', totals: { ...NOTHING, settled: 750_000n, uncertain: 250_000n } },
    { name: 'least', totals: { ...NOTHING, uncertain: 1n } },
  ]);
  expect(chart.split('\n')).toEqual([
    `largest  ${'█'.repeat(30)}${'░'.repeat(10)} 0.750000 + 0.250000 uncertain`,
    `half     ${'█'.repeat(20)} 0.500000`,
    'least    ░ 0.000000 + 0.000001 uncertain',
    '',
  ]);
});

test('at most twenty bars are drawn, and the others are counted', () => {
  const bars = Array.from({ length: 25 }, (_, n) => ({
    name: `g${n}`,
    totals: { ...NOTHING, settled: BigInt(n + 1) },
  }));
  const lines = barChart(bars).trimEnd().split('\n');
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toBe('and 5 smaller ones');
});
