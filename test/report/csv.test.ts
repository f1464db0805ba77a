import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvRecord } from '../../src/report/csv.ts';

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1', '＋1', '－1', '＠x'])(
  'a cell that a spreadsheet would calculate is made text: %j',
  (cell) => {
    expect(cells(csvRecord([cell]))).toEqual([`'${cell}`]);
    expect(cells(csvRecord(['a', cell]))[1]).toBe(`'${cell}`);
  },
);

test('quotes are doubled, and what separates cells or records is quoted', () => {
  expect(csvRecord(['say "hi"', 'a,b', 'a\nb', ' spaced', 'plain', null, '0.010000'])).toBe(
    '"say ""hi""","a,b","a\nb"," spaced",plain,,0.010000\r\n',
  );
  expect(csvRecord(['=HYPERLINK("http://x","y")'])).toBe(`"'=HYPERLINK(""http://x"",""y"")"\r\n`);
});

test('whatever the cells, a reader of CSV gets them back, and none begins a formula', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (written) => {
      const back = cells(csvRecord(written));
      expect(back.map((cell, index) => (cell === `'${written[index]}` ? written[index] : cell))).toEqual(written);
      for (const cell of back) expect(cell).not.toMatch(/^[=+\-@\t\r\n]/);
    }),
  );
});

/** The cells of one record, as RFC 4180 has it. */
function cells(record: string): string[] {
  expect(record.endsWith('\r\n')).toBe(true);
  const found: string[] = [];
  let rest = record.slice(0, -2);
  for (;;) {
    const match = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|$)/.exec(rest);
    if (!match) throw new Error(`not a record: ${JSON.stringify(rest)}`);
    found.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
    rest = rest.slice(match[0].length);
    if (match[3] === '') return found;
  }
}
