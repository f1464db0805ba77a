// What a payee's own books say was paid, as a CSV extract of them. Read strictly: a row that cannot be read is not
// passed over, since what it stands for would be missing.
import { readEvmAddress } from '../domain/evm-address.ts';
import { readInstant } from '../domain/rfc3339.ts';
import { CsvWrong, readCsv } from './csv.ts';
import type { Book, Transfer } from './transfer.ts';

/** The columns an extract must have, in any order; others are left alone. */
export const COLUMNS = ['payment', 'amount', 'asset', 'payee', 'at'] as const;

/** How books are read. */
export interface BooksOptions {
  /** What the extract is called: its file's name. */
  readonly name: string;
  /** The id of the asset that an extract calls so: by its id, or as the rail calls it. */
  readonly assetOf: (written: string) => string;
  /** Payees that the extract answers for, though it may have no row of them. */
  readonly payees: readonly string[];
}

const ATOMS = /^(?:0|[1-9][0-9]{0,77})$/;
const MOST_CHARACTERS = 512;

/** An extract as a book. Throws {@link CsvWrong} at the first row that cannot be read. */
export function readBooks(text: string, { name, assetOf, payees }: BooksOptions): Book {
  const records = readCsv(text);
  const header = records.next();
  if (header.done) throw new CsvWrong(1, `the file is empty; its first line must name ${COLUMNS.join(', ')}`);
  const places = placesOf(header.value.cells);
  const width = header.value.cells.length;
  const transfers: Transfer[] = [];
  const paid = new Set(payees.map(canonicalPayee));
  for (const { line, cells } of records) {
    if (cells.length !== width)
      throw new CsvWrong(line, `it has ${cells.length} cells, but must have the ${width} of the first line`);
    const row = Object.fromEntries(COLUMNS.map((column) => [column, cells[places[column]] ?? '']));
    const transfer = readRow(row as Row, line, `${name}:${line}`, assetOf);
    paid.add(transfer.payee);
    transfers.push(transfer);
  }
  return { name, transfers, covers: ({ payee }) => paid.has(canonicalPayee(payee)) };
}

type Column = (typeof COLUMNS)[number];
type Row = Readonly<Record<Column, string>>;

function placesOf(names: readonly string[]): Readonly<Record<Column, number>> {
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new CsvWrong(1, `it names the column ${JSON.stringify(twice)} twice; keep one`);
  const missing = COLUMNS.filter((column) => !names.includes(column));
  if (missing.length > 0) {
    throw new CsvWrong(1, `it lacks ${missing.join(', ')}; its columns must be ${COLUMNS.join(', ')}`);
  }
  const place = (column: Column): number => names.indexOf(column);
  return {
    payment: place('payment'),
    amount: place('amount'),
    asset: place('asset'),
    payee: place('payee'),
    at: place('at'),
  };
}

function readRow(row: Row, line: number, where: string, assetOf: BooksOptions['assetOf']): Transfer {
  for (const column of COLUMNS) {
    const text = row[column];
    if (text === '') throw new CsvWrong(line, `${column} is empty; every row needs it`);
    if (text.length > MOST_CHARACTERS)
      throw new CsvWrong(line, `${column} is longer than ${MOST_CHARACTERS} characters`);
    if (text.trim() !== text) throw new CsvWrong(line, `${column} begins or ends with white space`);
  }
  if (!ATOMS.test(row.amount)) {
    throw new CsvWrong(line, `amount ${JSON.stringify(row.amount)} is not a whole number of atoms, such as 20000`);
  }
  const at = readInstant(row.at);
  if (at === undefined) {
    throw new CsvWrong(line, `at ${JSON.stringify(row.at)} is not an instant such as 2026-11-23T10:00:00Z`);
  }
  const { payment, amount, asset, payee } = row;
  return { payment, atoms: BigInt(amount), asset: assetOf(asset), payee: canonicalPayee(payee), at, where };
}

/** Addresses of EVM chains are compared by their bytes, every other name as it is written. */
function canonicalPayee(payee: string): string {
  return readEvmAddress(payee) ?? payee;
}
