// The names of everything the budget keeps in Redis. All begin with one hash tag, so that one step can touch them all
// in a cluster, and nothing that an agent chose can move a key to another slot or onto another key.
import type { LineStep } from './store.ts';

/** The keys of one namespace that stand whatever generation it is. */
export class RedisKeys {
  /** `{namespace}:`, the beginning of every key. */
  readonly prefix: string;
  readonly clock: string;
  readonly terms: string;
  readonly stops: string;
  readonly members: string;

  /** Throws RangeError unless the namespace is 1 to 64 letters, digits, dots, dashes and underscores. */
  constructor(namespace: string) {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(namespace)) {
      throw new RangeError('budgets.redis.namespace: 1 to 64 letters, digits, dots, dashes and underscores');
    }
    this.prefix = `{${namespace}}:`;
    this.clock = `${this.prefix}clock`;
    this.terms = `${this.prefix}terms`;
    this.stops = `${this.prefix}stop`;
    this.members = `${this.prefix}members`;
  }

  beat(run: string): string {
    return `${this.prefix}b:${run}`;
  }

  /** A pattern for the keys of all generations, and the generation in such a key. */
  readonly generations = {
    pattern: () => `${this.prefix}[0-9]*`,
    of: (key: string) => Number(/^\d+(?=:)/.exec(key.slice(this.prefix.length))?.[0] ?? Number.NaN),
  };
}

/** The keys of what is counted and claimed in one generation. */
export class GenerationKeys {
  readonly open: string;
  readonly #prefix: string;

  constructor(keys: RedisKeys, generation: number) {
    this.#prefix = `${keys.prefix}${generation}:`;
    this.open = `${this.#prefix}open`;
  }

  hold(id: string): string {
    return `${this.#prefix}h:${id}`;
  }

  /** A claim by its hashed name: `k` key, `c` challenge, `p` payment, `u` unsettled count. */
  claim(kind: 'k' | 'c' | 'p' | 'u', name: string): string {
    return `${this.#prefix}${kind}:${name}`;
  }

  /** The scopes that a budget has counters for. */
  index(budget: string): string {
    return `${this.#prefix}n:${budget}`;
  }

  /**
   * The counters of a line: a key for each calendar window (by its start), one for all parts of a rolling one. The
   * scope stands last and the budget's length before it, so that no two lines share a key.
   */
  line(budget: string, start: number | 'rolling', scope: string): string {
    return `${this.#prefix}l:${start}:${budget.length}:${budget}:${scope}`;
  }
}

/** The line whose counters stand under a key of {@link GenerationKeys.line}; undefined when it is no such key. */
export function lineOfKey(key: string): { readonly budget: string; readonly scope: string } | undefined {
  const [, length, rest = ''] = /^\{[^}]*\}:\d+:l:(?:\d+|rolling):(\d+):(.*)$/s.exec(key) ?? [];
  const end = Number(length);
  return rest[end] === ':' ? { budget: rest.slice(0, end), scope: rest.slice(end + 1) } : undefined;
}

/** What names a line's key beside budget and scope. */
export const keyStart = ({ window }: Pick<LineStep, 'window'>): number | 'rolling' =>
  window.kind === 'calendar' ? window.start : 'rolling';
