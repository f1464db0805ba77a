// Finding the register entry of a token: by (issuer, subject), exact subjects before patterns; no two entries may claim
// one subject.
import type { Pattern } from './pattern.ts';
import { compile, overlap } from './pattern.ts';

/** What one entry claims. */
export interface Claimed<T> {
  readonly entry: T;
  readonly issuer: string;
  readonly subjects: readonly Pattern[];
}

/** Two entries that claim one subject. */
export interface Clash<T> {
  readonly first: T;
  readonly second: T;
  readonly subject: string;
  readonly other: string;
}

const exactKey = (issuer: string, subject: string): string => JSON.stringify([issuer, subject]);

/** The subjects of an entry that names none: its id. */
export const defaultSubjects = (id: string): readonly Pattern[] => [compile(id)];

/** A finder over all entries. */
export function register<T>(claims: readonly Claimed<T>[]): (issuer: string, subject: string) => T | undefined {
  const exact = new Map<string, T>();
  const wild = new Map<string, { pattern: Pattern; entry: T }[]>();
  for (const { entry, issuer, subjects } of claims) {
    for (const pattern of subjects) {
      if (!pattern.wild) exact.set(exactKey(issuer, pattern.text), entry);
      else if (!wild.get(issuer)?.push({ pattern, entry })) wild.set(issuer, [{ pattern, entry }]);
    }
  }
  return (issuer, subject) =>
    exact.get(exactKey(issuer, subject)) ?? wild.get(issuer)?.find(({ pattern }) => pattern.matches(subject))?.entry;
}

/** Entries whose subjects could name one token: equal exact subjects, or patterns with a match in common. */
export function clashes<T>(claims: readonly Claimed<T>[]): Clash<T>[] {
  const found: Clash<T>[] = [];
  const exact = new Map<string, T>();
  const wild: { pattern: Pattern; issuer: string; entry: T }[] = [];
  for (const { entry, issuer, subjects } of claims) {
    for (const pattern of subjects) {
      if (pattern.wild) {
        wild.push({ pattern, issuer, entry });
        continue;
      }
      const key = exactKey(issuer, pattern.text);
      const first = exact.get(key);
      if (first === undefined) exact.set(key, entry);
      else if (first !== entry) found.push({ first, second: entry, subject: pattern.text, other: pattern.text });
    }
  }
  return [...found, ...wildClashes(wild)];
}

/** Only patterns of which one's fixed beginning starts the other's can meet: a sorted walk finds those. */
function wildClashes<T>(wild: { pattern: Pattern; issuer: string; entry: T }[]): Clash<T>[] {
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const sorted = [...wild].sort((a, b) => order(a.issuer, b.issuer) || order(a.pattern.prefix, b.pattern.prefix));
  const open: typeof wild = [];
  const found: Clash<T>[] = [];
  for (const next of sorted) {
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      if (last.issuer === next.issuer && next.pattern.prefix.startsWith(last.pattern.prefix)) break;
      open.pop();
    }
    for (const { pattern, entry } of open) {
      if (entry === next.entry || !overlap(pattern.text, next.pattern.text)) continue;
      found.push({ first: entry, second: next.entry, subject: next.pattern.text, other: pattern.text });
    }
    open.push(next);
  }
  return found;
}
