// Plain text tables, and text from outside made harmless for a terminal.

// Control, format (direction marks, zero-width), surrogate, private and unassigned characters, and line separators.
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * The text with every character that could move the cursor, turn the reading direction or not show at all written as
 * `\uXXXX`. Inside JSON text (without line feeds) the result is JSON of the same value.
 */
export function visible(text: string): string {
  return text.replace(HIDDEN, (hidden) => {
    const units = Array.from({ length: hidden.length }, (_, index) => hidden.charCodeAt(index));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
  });
}

/** Columns under their headings, two spaces apart, each line ended by a line feed. Cells are shown as they are. */
export function table(rows: readonly (readonly string[])[], header: readonly string[]): string {
  const all = [header.map((name) => name.toUpperCase()), ...rows];
  const widths = header.map((_, column) => all.reduce((most, row) => Math.max(most, widthOf(row[column] ?? '')), 0));
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => pad(row[column] ?? '', width))
      .join('  ')
      .trimEnd();
  return all.map((row) => `${line(row)}\n`).join('');
}

const widthOf = (cell: string): number => Array.from(cell).length;

const pad = (cell: string, width: number): string => cell + ' '.repeat(width - widthOf(cell));
