// Patterns of paths, agents and token subjects: `*` is any run of characters within a segment, `**` any run of whole
// segments, also none. Nothing here can be made slow by what it is matched against: no expression, no backtracking.

/** A pattern that was read. */
export interface Pattern {
  readonly text: string;
  /** Has it a `*`? A pattern without one matches itself alone. */
  readonly wild: boolean;
  /** What every match starts with. */
  readonly prefix: string;
  matches(text: string): boolean;
}

type Segment = readonly string[];
const ANY_SEGMENTS = '**';
const MAX_LENGTH = 1_024;

/** What is wrong with a pattern, or undefined. */
export function patternWrong(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return `can be at most ${MAX_LENGTH} characters long`;
  if (text.split('/').some((segment) => segment.includes('**') && segment !== ANY_SEGMENTS)) {
    return 'has ** within a segment; ** stands for whole segments, * for a run of characters within one';
  }
  return undefined;
}

/** Makes a matcher of a pattern that {@link patternWrong} finds nothing wrong with. */
export function compile(text: string): Pattern {
  const star = text.indexOf('*');
  if (star < 0) return { text, wild: false, prefix: text, matches: (other) => other === text };
  const blocks = blocksOf(text);
  // `/**` at the end also matches nothing, so the slash before it is not part of every match.
  const prefix = text.slice(0, text.startsWith('**', star) && text[star - 1] === '/' ? star - 1 : star);
  return { text, wild: true, prefix, matches: (other) => other.startsWith(prefix) && matchBlocks(blocks, other) };
}

/** The runs of segments between the `**`s. */
function blocksOf(text: string): Segment[][] {
  const blocks: Segment[][] = [[]];
  for (const segment of text.split('/')) {
    if (segment === ANY_SEGMENTS) blocks.push([]);
    else blocks.at(-1)?.push(segment.split('*'));
  }
  return blocks;
}

/** First and last block are anchored; those between are taken where they first fit, which loses no match. */
function matchBlocks(blocks: readonly Segment[][], text: string): boolean {
  const parts = text.split('/');
  const first = blocks[0] ?? [];
  if (blocks.length === 1) return parts.length === first.length && fits(first, parts, 0);
  const last = blocks.at(-1) ?? [];
  if (parts.length < first.length + last.length) return false;
  if (!fits(first, parts, 0) || !fits(last, parts, parts.length - last.length)) return false;
  let from = first.length;
  const end = parts.length - last.length;
  for (const block of blocks.slice(1, -1)) {
    while (from + block.length <= end && !fits(block, parts, from)) from++;
    if (from + block.length > end) return false;
    from += block.length;
  }
  return true;
}

function fits(block: readonly Segment[], parts: readonly string[], from: number): boolean {
  return block.every((segment, index) => segmentFits(segment, parts[from + index] ?? ''));
}

/** The literals between the `*`s of one segment, in order, each where it first stands. */
function segmentFits(literals: Segment, part: string): boolean {
  const first = literals[0] ?? '';
  if (literals.length === 1) return part === first;
  const last = literals.at(-1) ?? '';
  if (part.length < first.length + last.length || !part.startsWith(first) || !part.endsWith(last)) return false;
  let from = first.length;
  const end = part.length - last.length;
  for (const literal of literals.slice(1, -1)) {
    const at = part.indexOf(literal, from);
    if (at < 0 || at + literal.length > end) return false;
    from = at + literal.length;
  }
  return true;
}

/** Does `wide` surely match everything that `narrow` matches? May say false where it does; for warnings only. */
export function covers(wide: string, narrow: string): boolean {
  if (wide === narrow || wide === ANY_SEGMENTS) return true;
  const segments = narrow.split('/');
  // A segment of ** stands for many, and for none: a pattern that takes both ways takes all between.
  const many = wide.split('/').length + 1;
  const pattern = compile(wide);
  const filled = (times: number) =>
    segments.flatMap((segment) => (segment === ANY_SEGMENTS ? Array<string>(times).fill('\u0001') : [segment]));
  return [0, 1, many].every((times) => pattern.matches(filled(times).join('/')));
}

/** Is there a text that both match? */
export function overlap(left: string, right: string): boolean {
  const seen = new Map<string, boolean>();
  const [a, b] = [left.split('/'), right.split('/')];
  const meet = (i: number, j: number): boolean => {
    const key = `${i},${j}`;
    const known = seen.get(key);
    if (known !== undefined) return known;
    seen.set(key, false);
    const found = meetHere(i, j);
    seen.set(key, found);
    return found;
  };
  const meetHere = (i: number, j: number): boolean => {
    if (i === a.length && j === b.length) return true;
    if (a[i] === ANY_SEGMENTS && (meet(i + 1, j) || (j < b.length && meet(i, j + 1)))) return true;
    if (b[j] === ANY_SEGMENTS && (meet(i, j + 1) || (i < a.length && meet(i + 1, j)))) return true;
    const [x, y] = [a[i], b[j]];
    if (x === undefined || y === undefined || x === ANY_SEGMENTS || y === ANY_SEGMENTS) return false;
    return segmentsOverlap(x, y) && meet(i + 1, j + 1);
  };
  return meet(0, 0);
}

function segmentsOverlap(left: string, right: string): boolean {
  // reached[j]: the part of `left` so far and the first j characters of `right` have a text in common.
  let reached = advance(
    Array.from({ length: right.length + 1 }, (_, j) => j === 0),
    right,
  );
  for (const character of left) {
    const next = reached.map((_, j) => {
      if (character === '*') return reached.slice(0, j + 1).includes(true);
      const before = j > 0 && reached[j - 1] === true && right[j - 1] === character;
      return before || (right[j - 1] === '*' && reached[j] === true);
    });
    reached = advance(next, right);
  }
  return reached[right.length] === true;
}

/** A `*` of the right side may also stand for nothing. */
function advance(reached: readonly boolean[], right: string): boolean[] {
  const next = [...reached];
  for (let j = 1; j < next.length; j++) if (right[j - 1] === '*' && next[j - 1]) next[j] = true;
  return next;
}
