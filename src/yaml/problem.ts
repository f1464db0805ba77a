// What is wrong in a file people wrote, and where. A problem's message never holds the value of a secret.

/** Where in the data something stands: `['services', 0, 'upstream']`. */
export type Path = readonly (string | number)[];

/** One thing to mend (`error`), or to think about (`warning`). */
export interface Problem {
  readonly file: string;
  /** From 1; 1:1 when the whole file is meant. */
  readonly line: number;
  readonly col: number;
  /** `services[0].upstream`; empty when the whole file is meant. */
  readonly path: string;
  readonly message: string;
  readonly severity: 'error' | 'warning';
}

/** The path as people read it: `services[0].upstream`. */
export function showPath(path: Path): string {
  let shown = '';
  for (const part of path) {
    if (typeof part === 'number') shown += `[${part}]`;
    else shown += shown === '' ? part : `.${part}`;
  }
  return shown;
}

/** Controls, line ends and direction marks are shown escaped, so that a file cannot write to the terminal. */
export function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** `file:line:col  path  message`, on one line. */
export function showProblem(problem: Problem): string {
  const mark = problem.severity === 'warning' ? 'warning: ' : '';
  const place = `${problem.file}:${problem.line}:${problem.col}`;
  return escapeControls([place, problem.path, `${mark}${problem.message}`].filter((part) => part !== '').join('  '));
}

/** Are there problems that forbid to go on? */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

/** By file in the order they appear, then by position; the same problem once. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const files = [...new Set(problems.map((problem) => problem.file))];
  const seen = new Set<string>();
  return problems
    .filter((problem) => {
      const key = JSON.stringify([problem.file, problem.line, problem.col, problem.path, problem.message]);
      return !seen.has(key) && seen.add(key);
    })
    .sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.col - b.col);
}
