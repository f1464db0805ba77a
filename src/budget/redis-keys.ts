// The names of everything the budget keeps in Redis. All begin with one hash tag, so that one step can touch them all
// in a cluster, and nothing that an agent chose can move a key to another slot or onto another key.
import type { LineStep } from './store.ts';

/** The keys of one namespace. */
export class RedisKeys {
  /** `{namespace}:`, the beginning of every key. */
  readonly prefix: string;
  readonly clock: string;
  readonly terms: string;
  readonly stops: string;
  readonly open: string;

  /** Throws RangeError unless the namespace is 1 to 64 letters, digits, dots, dashes and underscores. */
  constructor(namespace: string) {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(namespace)) {
      throw new RangeError('budgets.redis.namespace: 1 to 64 letters, digits, dots, dashes and underscores');
    }
    this.prefix = `{${namespace}}:`;
    this.clock = `${this.prefix}clock`;
    this.terms = `${this.prefix}terms`;
    this.stops = `${this.prefix}stop`;
    this.open = `${this.prefix}open`;
  }

  hold(id: string): string {
    return `${this.prefix}h:${id}`;
  }

  /** A claim by its hashed name: `k` key, `c` challenge, `p` payment, `u` unsettled count. */
  claim(kind: 'k' | 'c' | 'p' | 'u', name: string): string {
    return `${this.prefix}${kind}:${name}`;
  }

  beat(run: string): string {
    return `${this.prefix}b:${run}`;
  }

  /** The scopes that a budget has counters for. */
  index(budget: string): string {
    return `${this.prefix}n:${budget}`;
  }

  /**
   * The counters of a line: a key for each calendar window, one for all parts of a rolling one. The scope stands last
   * and the budget's length before it, so that no two lines share a key.
   */
  line(line: Omit<LineStep, 'scope'>, scope: string): string {
    const { budget, window } = line;
    const start = window.kind === 'calendar' ? window.start : 'rolling';
    return `${this.prefix}l:${start}:${budget.length}:${budget}:${scope}`;
  }
}
