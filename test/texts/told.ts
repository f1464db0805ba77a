// What people are told when something is wrong, gathered by doing it wrong, and judged as far as a machine can: does it
// name what was wrong, where, and what to do next? PURSER_TEXTS=FOLDER writes what was gathered there, to be read.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** One text, and what was done to be told it. */
export interface Told {
  readonly by: string;
  readonly text: string;
}

/** A text that breaks a rule on purpose, and why it may. */
export interface Exception {
  readonly text: RegExp;
  readonly why: string;
}

/** Words of machines, and of nobody in particular. */
const MACHINE = new RegExp(
  [
    String.raw`\bundefined\b|\[object|\bNaN\b|\b\w*Error:|\bat .+\.[tj]s:\d|Symbol\(|=>|E[A-Z]{3,}: `,
    String.raw`\bInvalid input\b`,
    String.raw`\bexpected (?:string|number|object|array|boolean)\b|Too (?:small|big)|\bmust be an? int\b`,
  ].join('|'),
);
/** What a text has that says what to do: an order, a pattern to follow, the allowed values, or who can help. */
const NEXT_STEP = new RegExp(
  [
    String.raw`\b(?:must|can(?:not)? (?:have|be|stand)|needs?|allowed|takes?|expected|required|known here|one of)\b`,
    String.raw`\b(?:at most|at least|use|set|give|save|make|write|name|add|send|take|put|keep|run|start|stop|try)\b`,
    String.raw`\b(?:wait|ask|copy|see|choose|remove|rename|leave|do|renewed|mend|restart)\b`,
    String.raw`\b(?:split|move|check|repeat|correct|resolve|lift|raise)\b`,
    String.raw`\b(?:lower|shorten|tell|look|get|change|export|only|within|until|again)\b`,
    'did you mean|such as|instead|not in this version|Usage: ',
  ].join('|'),
  'i',
);
const MOST_CHARACTERS = 600;

/** What a machine finds wrong with a text; `where` must be in it. */
export function faultsOf(text: string, where: RegExp): string[] {
  return [
    ...(MACHINE.test(text) ? ['speaks like a machine'] : []),
    ...(where.test(text) ? [] : ['does not say where']),
    ...(NEXT_STEP.test(text) ? [] : ['has no next step']),
    ...(text.split('\n').some((line) => line.length > MOST_CHARACTERS) ? ['has a line too long'] : []),
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    ...(/[\u0000-\u0008\u000b-\u001f]/.test(text) ? ['has control characters'] : []),
    ...(/[^\S\n]$|^\s/m.test(text.split('\n')[0] ?? '') ? ['has stray spaces'] : []),
  ];
}

/** All different texts pass, but for those that may not; every exception is still needed. */
export function expectGood(kind: string, told: readonly Told[], where: RegExp, exceptions: readonly Exception[]): void {
  const texts = new Map(told.map(({ by, text }) => [text, by]));
  const folder = process.env.PURSER_TEXTS;
  if (folder) {
    mkdirSync(folder, { recursive: true });
    const lines = [...texts].map(([text, by]) => `[${by}]\n${text}\n`).sort();
    writeFileSync(join(folder, `${kind}.txt`), lines.join('\n'));
  }
  const excused = (text: string): boolean => exceptions.some((exception) => exception.text.test(text));
  const poor = [...texts].flatMap(([text, by]) => {
    const faults = excused(text) ? [] : faultsOf(text, where);
    return faults.length === 0 ? [] : [`${text}\n    ${faults.join(', ')} (${by})`];
  });
  expect(poor, poor.join('\n')).toEqual([]);
  const idle = exceptions.filter(({ text }) => ![...texts.keys()].some((one) => text.test(one)));
  expect(idle.map(({ text }) => String(text))).toEqual([]);
}
