// Parts of a file against their schemas: every problem of every part at once, each at the place where it stands.
import { z } from 'zod';
import type { YamlFile } from './document.ts';
import type { Path, Problem } from './problem.ts';
import { nearest, suggestion } from './words.ts';

/** Said of a key or value that the product knows and this version does not have; and the schema of such a key. */
export const NOT_YET = 'is not in this version; take it out';
export const later = z.never(NOT_YET).optional();

/** One item of a list that was read, and where it stands. */
export interface Entry<T> {
  readonly value: T;
  readonly path: Path;
}

/** Reads the parts of one file and gathers what is wrong with them. */
export class Sections {
  readonly file: YamlFile;
  readonly problems: Problem[];
  readonly #known: readonly string[];

  /** `known` are the keys of the whole file; any other is a problem. */
  constructor(file: YamlFile, known: readonly string[]) {
    this.file = file;
    this.#known = known;
    this.problems = [...file.problems];
    if (file.problems.length === 0) this.#judgeKeys();
  }

  /** The raw part at `path`; undefined when there is none. */
  raw(path: Path): unknown {
    let part = this.file.value;
    for (const step of path) part = isContainer(part) && Object.hasOwn(part, step) ? part[step] : undefined;
    return part;
  }

  /** The part at `path` by its schema, or undefined when it has problems (which are then gathered). */
  one<S extends z.ZodType>(schema: S, path: Path): z.output<S> | undefined {
    if (this.file.problems.length > 0) return undefined;
    const known = new Map<string, readonly string[]>();
    const parsed = schema.safeParse(this.raw(path), {
      error: (issue) => {
        const shape = issue.code === 'unrecognized_keys' ? shapeOf(issue.inst) : undefined;
        if (shape) known.set(JSON.stringify(issue.path ?? []), shape);
        return undefined;
      },
    });
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) this.#gather(issue, path, known);
    return undefined;
  }

  /** The items of the list at `path` that have no problems; an absent list has no items. */
  each<S extends z.ZodType>(schema: S, path: Path): Entry<z.output<S>>[] {
    const list = this.raw(path);
    if (list === undefined || this.file.problems.length > 0) return [];
    if (!Array.isArray(list)) {
      this.error(path, `must be a list${list === null ? '; it is empty' : ''}`);
      return [];
    }
    return list.flatMap((_, index) => {
      const value = this.one(schema, [...path, index]);
      return value === undefined ? [] : [{ value, path: [...path, index] }];
    });
  }

  /** The raw items of the list at `path`; what is not a map counts as an empty one. */
  items(path: Path): Record<string, unknown>[] {
    const list = this.raw(path);
    return Array.isArray(list) ? list.map((item) => (isContainer(item) ? item : {})) : [];
  }

  /** An error at `path`. */
  error(path: Path, message: string): void {
    this.problems.push(this.file.problem(path, message));
  }

  /** A warning at `path`. */
  warn(path: Path, message: string): void {
    this.problems.push(this.file.problem(path, message, 'warning'));
  }

  #judgeKeys(): void {
    const value = this.file.value;
    if (value === null) return;
    if (typeof value !== 'object' || Array.isArray(value)) {
      this.error([], `must be a map with the keys ${this.#known.join(', ')}`);
      return;
    }
    for (const key of Object.keys(value)) {
      if (!this.#known.includes(key)) this.#unknown([key], key, this.#known);
    }
  }

  #unknown(path: Path, key: string, known: readonly string[]): void {
    this.problems.push(
      this.file.problem(path, `is not a known key${suggestion(key, known) || '; take it out'}`, 'error', 'key'),
    );
  }

  #gather(issue: z.core.$ZodIssue, base: Path, known: ReadonlyMap<string, readonly string[]>): void {
    const path = this.#written([...base, ...(issue.path as (string | number)[])]);
    if (issue.code === 'unrecognized_keys') {
      const names = known.get(JSON.stringify(issue.path)) ?? [];
      for (const key of issue.keys) this.#unknown([...path, key], key, names);
      return;
    }
    const absent = this.raw(path) === undefined;
    this.error(path, messageOf(issue, this.raw(path), absent));
  }

  /** Where one item may stand for a list of it, what is wrong with the item is wrong with what was written. */
  #written(path: Path): Path {
    const written: (string | number)[] = [];
    for (const step of path) {
      if (step !== 0 || Array.isArray(this.raw(written))) written.push(step);
    }
    return written;
  }
}

type Container = Record<string | number, unknown>;
const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null;

function shapeOf(schema: unknown): readonly string[] | undefined {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : undefined;
}

/** The names that `value` could have meant; the value itself is shown only when a known name is near to it. */
function messageOf(issue: z.core.$ZodIssue, value: unknown, absent: boolean): string {
  if (absent && issue.code !== 'custom' && issue.message !== NOT_YET) return 'is required';
  if (issue.code === 'invalid_type') return typeMessage(issue, value);
  if (issue.code === 'invalid_value') return choiceMessage(value, issue.values.map(String));
  if (issue.code === 'too_small') return `must ${issue.origin === 'string' ? 'not be empty' : sizeMessage(issue)}`;
  if (issue.code === 'too_big') return `must ${sizeMessage(issue)}`;
  return issue.message;
}

/** What people call the types of values. */
const KINDS: Readonly<Record<string, string>> = {
  ...{ string: 'text', object: 'a map', record: 'a map', array: 'a list' },
  ...{ boolean: 'true or false', number: 'a whole number', int: 'a whole number' },
};

function typeMessage(issue: z.core.$ZodIssueInvalidType, value: unknown): string {
  if (issue.expected === 'never') return issue.message;
  if (value === null) return 'is empty; give it a value or take the key out';
  const wanted = KINDS[issue.expected] ?? `a ${issue.expected}`;
  if (issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return 'must be text; put it in quotes';
  }
  return `must be ${wanted}`;
}

function choiceMessage(value: unknown, choices: readonly string[]): string {
  const near = typeof value === 'string' ? nearest(value, choices) : undefined;
  const hint = near === undefined ? '' : `; did you mean \`${near}\`?`;
  return choices.length === 1 ? `must be ${choices[0]}${hint}` : `must be one of ${choices.join(', ')}${hint}`;
}

function sizeMessage(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum;
  const side = issue.code === 'too_small' ? 'least' : 'most';
  const what = issue.origin === 'array' ? 'have' : 'be';
  const unit = issue.origin === 'array' ? ' items' : issue.origin === 'string' ? ' characters long' : '';
  if (issue.origin === 'array' && issue.code === 'too_small' && bound === 1) return 'not be empty';
  return `${what} at ${side} ${bound}${unit}`;
}
