// Comma-separated values (RFC 4180) that are only ever data: no cell can be taken for a formula by a spreadsheet.

// What spreadsheets begin a formula with, the full-width forms too, and what they skip before one.
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/u;

/** One record, ended by CRLF. Null is an empty cell. */
export function csvRecord(cells: readonly (string | null)[]): string {
  return `${cells.map((cell) => csvCell(cell ?? '')).join(',')}\r\n`;
}

function csvCell(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) || safe.trim() !== safe ? `"${safe.replaceAll('"', '""')}"` : safe;
}
