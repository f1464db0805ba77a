// Comma-separated values (RFC 4180) from outside, read strictly: what could be split in two ways is refused.

/** One record and the line it begins at. */
export interface CsvRecord {
  readonly line: number;
  readonly cells: readonly string[];
}

/** What is wrong, and at which line. */
export class CsvWrong extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.name = 'CsvWrong';
    this.line = line;
  }
}

const QUOTES =
  'a quote stands inside a cell, or a quoted cell is not closed; quote the cell, and write each quote in it twice';
const BYTE_ORDER_MARK = '\ufeff';
/** A cell to its end: quoted, or without quotes; then a comma, the end of the line, or the end of the text. */
const CELL = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|$)/y;
/** What some writers put before a cell that a spreadsheet would calculate. */
const GUARDED = /^'[=+\-@\t\r\n＝＋－＠]/u;

/**
 * The records of a text, in order; the end of the last line may be missing. An apostrophe that only keeps spreadsheets
 * from calculating is taken off. Throws {@link CsvWrong}.
 */
export function* readCsv(text: string): Generator<CsvRecord> {
  let at = text.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const begins = line;
    const cells: string[] = [];
    for (let more = true; more; ) {
      CELL.lastIndex = at;
      const match = CELL.exec(text);
      if (!match) throw new CsvWrong(line, QUOTES);
      const [whole, quoted, bare = '', end] = match;
      const cell = quoted === undefined ? bare : quoted.replaceAll('""', '"');
      cells.push(GUARDED.test(cell) ? cell.slice(1) : cell);
      at += whole.length;
      line += whole.split('\n').length - 1;
      more = end === ',';
    }
    yield { line: begins, cells };
  }
}
