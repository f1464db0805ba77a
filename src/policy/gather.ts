// Every entry of every policy file, each with the place it stands at. An entry with a problem of its own is left out.
import type { z } from 'zod';
import { readYaml } from '../yaml/document.ts';
import type { Path, Problem } from '../yaml/problem.ts';
import { Sections } from '../yaml/section.ts';
import type { FolderContent } from './folder.ts';
import {
  type AgentEntry,
  agent,
  type BudgetEntry,
  budget,
  type DenyEntry,
  deny,
  type EntitlementEntry,
  entitlement,
  guardrails,
  type Revocation,
  revocation,
  SECTIONS,
} from './schema.ts';
import type { Spot } from './set.ts';

/** An entry, and how to say what is wrong with it. */
export interface Item<T> {
  readonly value: T;
  /** `file:line` for people. */
  readonly place: string;
  /** The file and the lines of the entry and of each of its keys. */
  readonly spot: Spot;
  error(path: Path, message: string): void;
  warn(path: Path, message: string): void;
}

/** All entries in file-name then file order, and what was wrong so far (others add to it through the items). */
export interface Gathered {
  readonly agents: Item<AgentEntry>[];
  readonly revoked: Item<Revocation>[];
  readonly budgets: Item<BudgetEntry>[];
  readonly entitlements: Item<EntitlementEntry>[];
  readonly denials: Item<DenyEntry>[];
  readonly guardrailBudgets: Item<readonly string[]>[];
  /** Every id as written, also those of entries with problems: nobody is told that they do not exist. */
  readonly ids: Readonly<Record<'agents' | 'budgets' | 'entitlements', Item<string>[]>>;
  /** The raw data of each file. */
  readonly content: unknown[];
  problems(): Problem[];
}

/** Reads all files against their schemas. */
export function gather(folder: FolderContent): Gathered {
  const files = folder.files.map((file) => new Sections(readYaml(file.file, file.bytes), SECTIONS));
  const each = <S extends z.ZodType>(schema: S, path: Path): Item<z.output<S>>[] =>
    files.flatMap((file) => file.each(schema, path).map((entry) => itemOf(file, entry.value, entry.path)));
  const ids = (section: string): Item<string>[] =>
    files.flatMap((file) =>
      file
        .items([section])
        .flatMap(({ id }, index) => (typeof id === 'string' ? [itemOf(file, id, [section, index, 'id'])] : [])),
    );
  return {
    agents: each(agent, ['agents']),
    revoked: each(revocation, ['revoked']),
    budgets: each(budget, ['budgets']),
    entitlements: each(entitlement, ['entitlements']),
    guardrailBudgets: files.flatMap((file) => {
      const read = file.one(guardrails, ['guardrails']);
      return read?.budgets ? [itemOf(file, read.budgets, ['guardrails', 'budgets'])] : [];
    }),
    denials: each(deny, ['guardrails', 'deny']),
    ids: { agents: ids('agents'), budgets: ids('budgets'), entitlements: ids('entitlements') },
    content: files.map((file) => file.file.value),
    problems: () => [...folder.problems, ...files.flatMap((file) => file.problems)],
  };
}

function itemOf<T>(file: Sections, value: T, path: Path): Item<T> {
  const spot = spotOf(file, path);
  return {
    value,
    place: `${spot.file}:${spot.line}`,
    spot,
    error: (below, message) => file.error([...path, ...below], message),
    warn: (below, message) => file.warn([...path, ...below], message),
  };
}

function spotOf(file: Sections, path: Path): Spot {
  const written = file.raw(path);
  const keys = typeof written === 'object' && written !== null && !Array.isArray(written) ? Object.keys(written) : [];
  const lineOf = (at: Path): number => file.file.problem(at, '', 'error', 'key').line;
  return {
    file: file.file.file,
    line: file.file.problem(path, '').line,
    keys: Object.fromEntries(keys.map((key) => [key, lineOf([...path, key])])),
  };
}
