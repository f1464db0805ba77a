// Reading extracts of books: what could be read in two ways is refused with its line.
import { expect, test } from 'vitest';
import { readBooks } from '../../src/audit/books.ts';
import { CsvWrong, readCsv } from '../../src/audit/csv.ts';
import { csvRecord } from '../../src/report/csv.ts';

const HEADER = 'payment,amount,asset,payee,at\n';
const ROW = 'n1,20000,usd,acme,2026-11-23T10:00:00Z\n';

const read = (text: string, payees: readonly string[] = []) =>
  readBooks(text, { name: 'books.csv', assetOf: (written) => written.toUpperCase(), payees });

const records = (text: string) => [...readCsv(text)].map(({ line, cells }) => [line, ...cells]);

test('quotes, line feeds in cells, both ends of lines and a byte order mark are read', () => {
  expect(records('\ufeffa,"b ""x"", c",\r\n"1\n2",,3')).toEqual([
    [1, 'a', 'b "x", c', ''],
    [2, '1\n2', '', '3'],
  ]);
  expect(records('')).toEqual([]);
  expect(records('a\n\nb\n')).toEqual([
    [1, 'a'],
    [2, ''],
    [3, 'b'],
  ]);
});

test.each(['a"b,c\n', '"a,b\n', '"a"b,c\n', 'a\rb\n'])('%j can be split in two ways and is refused', (text) => {
  expect(() => records(text)).toThrow(CsvWrong);
});

test('what our own CSV guards against spreadsheets is read back as it was', () => {
  const cells = ['-nonce', '=1+1', '@x', "'quoted", 'a,b', 'line\nfeed', '＝x'];
  expect(records(csvRecord(cells))).toEqual([[1, ...cells]]);
});

test('columns stand in any order, others are left alone, and assets go by their ids', () => {
  const { transfers, covers } = read(
    'note,at,payee,asset,amount,payment\nx,2026-11-23T10:00:00+01:00,acme,usd,7,-n\n',
    ['b'],
  );
  expect(transfers).toEqual([
    { payment: '-n', atoms: 7n, asset: 'USD', payee: 'acme', at: Date.UTC(2026, 10, 23, 9), where: 'books.csv:2' },
  ]);
  const purchase = (payee: string) => covers({ payee } as Parameters<typeof covers>[0]);
  expect(['acme', 'b', 'mallory'].map(purchase)).toEqual([true, true, false]);
});

test('addresses are compared by their bytes', () => {
  const address = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
  const { transfers, covers } = read(`${HEADER}n,1,usd,${address},2026-11-23T10:00:00Z\n`);
  expect(transfers[0]?.payee).toBe(address.toLowerCase());
  expect(covers({ payee: address.toLowerCase() } as Parameters<typeof covers>[0])).toBe(true);
});

test.each<readonly [string, number, string]>([
  ['', 1, 'the file is empty'],
  ['payment,amount,asset,payee\n', 1, 'it lacks at; its columns must be'],
  ['payment,amount,asset,payee,at,at\n', 1, 'it names the column "at" twice'],
  [`${HEADER}${ROW}n2,1,usd,acme\n`, 3, 'it has 4 cells, but must have the 5 of the first line'],
  [`${HEADER}${ROW}\n`, 3, 'it has 1 cells'],
  ...['1.5', '-1', '+1', '007', '1e3', '0x10', '１', '1'.repeat(79)].map(
    (amount) => [`${HEADER}n,${amount},usd,acme,2026-11-23T10:00:00Z\n`, 2, 'is not a whole number of atoms'] as const,
  ),
  [`${HEADER}n, 1,usd,acme,2026-11-23T10:00:00Z\n`, 2, 'amount begins or ends with white space'],
  [`${HEADER},1,usd,acme,2026-11-23T10:00:00Z\n`, 2, 'payment is empty'],
  [`${HEADER}n,1,usd,${'a'.repeat(513)},2026-11-23T10:00:00Z\n`, 2, 'payee is longer than 512 characters'],
  ...['2026-02-30T00:00:00Z', '2026-11-23', '23.11.2026', '1764500000'].map(
    (at) => [`${HEADER}n,1,usd,acme,${at}\n`, 2, 'is not an instant such as'] as const,
  ),
])('%j is refused at its line', (text, line, message) => {
  let thrown: unknown;
  try {
    read(text);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(CsvWrong);
  expect(thrown).toMatchObject({ line, message: expect.stringContaining(message) });
});
