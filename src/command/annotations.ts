// Problems in the forms that CI systems show beside the line they stand at. It shows what it is given and judges
// nothing.
import { createHash } from 'node:crypto';
import { relative, resolve } from 'node:path';
import type { Problem } from '../yaml/problem.ts';
import { visible } from './table.ts';

/**
 * Workflow commands of GitHub Actions, one line each (`::error file=…,line=…,col=…,title=…::message`). Files are named
 * from `root`, the repository's folder. Empty when there is no problem.
 */
export function githubAnnotations(problems: readonly Problem[], root: string): string {
  return problems
    .map(({ file, line, col, path, message, severity }) => {
      const title = path === '' ? 'purser check' : `purser check: ${path}`;
      const place = { file: fromRoot(file, root), line: String(line), col: String(col), title: visible(title) };
      const properties = Object.entries(place).map(([name, value]) => `${name}=${escapeProperty(value)}`);
      return `::${severity} ${properties.join(',')}::${escapeData(visible(message))}\n`;
    })
    .join('');
}

/**
 * A GitLab Code Quality report: a JSON array, empty when there is no problem. Fingerprints stay the same when lines
 * move, so that a merge request shows only what it adds.
 */
export function gitlabReport(problems: readonly Problem[], root: string): string {
  const seen = new Map<string, number>();
  const issues = problems.map(({ file, line, path, message, severity }) => {
    const at = fromRoot(file, root);
    const what = JSON.stringify([at, path, message]);
    const before = seen.get(what) ?? 0;
    seen.set(what, before + 1);
    return {
      description: path === '' ? message : `${path}: ${message}`,
      check_name: 'purser check',
      fingerprint: createHash('sha256').update(`${before} ${what}`).digest('hex'),
      severity: severity === 'error' ? 'major' : 'minor',
      location: { path: at, lines: { begin: line } },
    };
  });
  return `${JSON.stringify(issues, null, 2)}\n`;
}

/** CI systems know files by their path in the repository; what lies outside keeps its own. */
function fromRoot(file: string, root: string): string {
  const path = relative(root, resolve(file));
  return path === '' || path.startsWith('..') ? file : path;
}

/** The escaping of a workflow command's message. */
const escapeData = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

/** The escaping of a workflow command's properties. */
const escapeProperty = (text: string): string => escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
