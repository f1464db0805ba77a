// The steps by which the gateways of a store agree on what it holds: coming, bringing what one's receipts say, opening.
// It lays out keys and arguments, and judges nothing.
import type { Clock } from '../domain/clock.ts';
import type { Membership } from './membership.ts';
import { type Peer, UNHEARD } from './notes.ts';
import * as answers from './redis-answers.ts';
import type { RedisLink } from './redis-connection.ts';
import { framed } from './redis-frame.ts';
import { GenerationKeys, RedisKeys } from './redis-keys.ts';
import { SCRIPTS, type Script } from './redis-scripts.ts';
import type { Term } from './store.ts';

/** How a gateway stands with the store. */
export type Stand =
  /** This log's ledger is older than what the store was told of it. */
  | { readonly kind: 'older'; readonly recorded: number }
  /** Another process of this log was heard at `at`, and that is not long ago. */
  | { readonly kind: 'cloned'; readonly at: number }
  /** Everything of this log has to be brought to the generation first. */
  | (Generation & { readonly kind: 'bring' })
  /** Everything was brought; the others are waited for (or nobody, while it stays closed for a moment). */
  | (Generation & { readonly kind: 'waiting'; readonly missing: readonly string[] })
  /** `opened`: by this very step. `others`: every other log whose gateway counts here. */
  | (Generation & { readonly kind: 'open' | 'opened'; readonly others: readonly string[] })
  /** Of these others one lives that has not noted this gateway: were all forgotten, it would not be waited for. */
  | (Generation & { readonly kind: 'unmet'; readonly others: readonly string[] });

/** A generation; times by the store's clock, ms since 1970. */
interface Generation {
  readonly generation: number;
  /** Which of those with this number it is: what a store forgot is begun again. */
  readonly name: string;
  /** The highest mark of this log that the store has. */
  readonly mark: number;
  readonly now: number;
  readonly since: number;
}

/** A line with what is brought to it. */
export interface BroughtLine extends PlacedLine {
  readonly settled: bigint;
  readonly held: bigint;
  readonly payments: number;
}

/** A line's place: `expires` is when nobody needs its counters any more, null for never. */
export interface PlacedLine {
  readonly budget: string;
  readonly scope: string;
  readonly windowStart: number;
  readonly key: number | 'rolling';
  readonly expires: number | null;
}

/** A purchase as bring-holds.lua takes it: what the step looks at, what is only kept, and of an open one its lines. */
export interface BroughtHold {
  readonly id: string;
  readonly state: string;
  readonly key: string;
  readonly repeat: string;
  readonly challenge: string;
  readonly identity: string;
  readonly exposedAt: number;
  readonly whole: boolean;
  /** What its agent's unsettled purchases at its service are counted under; empty for one that does not count. */
  readonly pair: string;
  /** Until when its challenge and its payment are taken once it has ended; as all times, in ms since 1970. */
  readonly claimedUntil: number;
  readonly endedAt: number;
  readonly closedAt: number;
  /** The fields of the hold but for its run and its lines, each with its value after it. None has a line break. */
  readonly record: readonly string[];
  readonly lines: readonly PlacedLine[];
}

/** What is new of another gateway: that it came, or what it says. */
export interface News {
  readonly log: string;
  readonly peer: Peer;
}

/** What the members' steps are made with. */
export interface MembersOptions {
  readonly namespace: string;
  readonly clock: Clock;
  readonly repeatWindowMs: number;
  readonly membership: Membership;
  /** How long a generation stays closed, so that gateways which nobody knows yet can come as well; ms. */
  readonly closedMs: number;
}

/** The steps; each throws when it was not done or may not have been done. */
export class RedisMembers {
  readonly #redis: RedisLink;
  readonly #keys: RedisKeys;
  readonly #options: MembersOptions;

  constructor(options: MembersOptions, redis: RedisLink) {
    this.#redis = redis;
    this.#options = options;
    this.#keys = new RedisKeys(options.namespace);
  }

  /** Comes, or asks how it stands. */
  async join(sealed: number, peers: readonly string[]): Promise<Stand> {
    const { membership, closedMs } = this.#options;
    const { known, latest, broken, life } = membership;
    const args = [
      `${known}`,
      `${sealed}`,
      `${latest}`,
      `${closedMs}`,
      `${broken ?? ''}`,
      membership.coming(),
      ...peers,
    ];
    return this.#stand(await this.#run(null, SCRIPTS.join, [this.#keys.beat(life)], args));
  }

  /** Records terms that are not on record; those that differ are left as they are. */
  async agree(fields: readonly Term[]): Promise<void> {
    for (const { field, value } of fields) await this.#run(null, SCRIPTS.agree, [this.#keys.terms], [field, value]);
  }

  async bringOrder(generation: number, name: string, stoppedAt: number, startedAt: number, order: string) {
    const args = [name, `${stoppedAt}`, `${startedAt}`, order];
    await this.#run(generation, SCRIPTS.bringOrder, [this.#keys.stops], args);
  }

  /** Totals of a log: its own (`told`), or what was last known of one that did not come (`guess`). */
  async bringLines(
    generation: number,
    { log, how, mark }: { log: string; how: 'told' | 'guess'; mark: number },
    lines: readonly BroughtLine[],
  ): Promise<void> {
    const keys = new GenerationKeys(this.#keys, generation);
    const args = lines.flatMap((line) => broughtLineArgs(keys, line));
    await this.#run(generation, SCRIPTS.bringLines, [], [log, how, `${mark}`, ...args]);
  }

  /** At most 500 of them: a script can be given some 8,000 arguments. */
  async bringHolds(generation: number, holds: readonly BroughtHold[]): Promise<void> {
    const keys = new GenerationKeys(this.#keys, generation);
    const { life } = this.#options.membership;
    const args = holds.flatMap((hold) => broughtHoldArgs(keys, life, hold));
    await this.#run(generation, SCRIPTS.bringHolds, [], args);
  }

  /** Everything of a log is there; `for` one that did not come. */
  async attest(
    { generation, name }: Pick<Generation, 'generation' | 'name'>,
    log: string,
    how: 'itself' | 'for',
  ): Promise<Stand> {
    return this.#stand(await this.#run(generation, SCRIPTS.attest, [], [log, how, name]));
  }

  /** Tells the others what this gateway spent and whom it has noted, and learns what is newer than that. */
  async say(statement: string, noted: ReadonlyMap<string, Peer>): Promise<News[]> {
    const { membership } = this.#options;
    const mark = membership.next();
    const args = [statement, ...[...noted].flatMap(([log, peer]) => [log, peer.mark < 0 ? '' : `${peer.mark}`])];
    const [, ...found] = answers.readTexts(await this.#run(membership.generation, SCRIPTS.say, [], args, mark));
    membership.acknowledge(mark);
    return Array.from({ length: found.length / 3 }, (_, index) => {
      const [log = '', said = '', text = ''] = found.slice(index * 3, index * 3 + 3);
      return { log, peer: said === '' ? UNHEARD : { mark: Number(said), statement: text, givenUp: false } };
    });
  }

  /** Removes what generations before this one left. */
  dropBefore(generation: number): Promise<void> {
    const { pattern, of } = this.#keys.generations;
    return this.#redis.dropKeys(pattern(), (key) => of(key) < generation);
  }

  /** Goes: another process of this log need not wait until this one counts as silent. */
  async leave(): Promise<void> {
    const { log } = this.#options.membership;
    await this.#redis.command((redis) => redis.hdel(this.#keys.members, `life:${log}`));
  }

  #stand(answer: unknown): Stand {
    const [kind, first, ...rest] = answers.readTexts(answer);
    if (kind === 'older') return { kind, recorded: Number(first) };
    if (kind === 'cloned') return { kind, at: Number(first) };
    const [mark, now, since, name = '', ...logs] = rest;
    const generation = {
      ...{ generation: Number(first), name },
      ...{ mark: Number(mark), now: Number(now), since: Number(since) },
    };
    this.#options.membership.acknowledge(generation.mark);
    if (kind === 'waiting') return { kind, ...generation, missing: logs };
    if (kind === 'bring') return { kind, ...generation };
    if (kind === 'open' || kind === 'opened' || kind === 'unmet') return { kind, ...generation, others: logs };
    throw new Error('the budget store answered in a form that is not known here');
  }

  #run(generation: number | null, script: Script, keys: readonly string[], args: readonly string[], mark = 0) {
    const { clock, repeatWindowMs, membership } = this.#options;
    const frame = { now: clock.now(), windowMs: repeatWindowMs, generation: `${generation ?? ''}`, membership, mark };
    return this.#redis.run(script, ...framed(this.#keys, frame, keys, args));
  }
}

function broughtHoldArgs(keys: GenerationKeys, run: string, hold: BroughtHold): string[] {
  const { id, state, key, repeat, challenge, identity, exposedAt, whole, pair, lines } = hold;
  const record = [...hold.record, 'run', run, 'n', `${lines.length}`];
  for (const [index, line] of lines.entries()) {
    record.push(`k${index + 1}`, keys.line(line.budget, line.key, line.scope), `w${index + 1}`, `${line.windowStart}`);
  }
  record.push('');
  const ends = [`${hold.claimedUntil}`, `${hold.endedAt}`, `${hold.closedAt}`];
  const names = [key, repeat, challenge, identity];
  return [id, state, record.join('\n'), ...names, `${exposedAt}`, whole ? '1' : '0', pair, ...ends];
}

function broughtLineArgs(keys: GenerationKeys, line: BroughtLine): string[] {
  const { budget, scope, windowStart, key, expires } = line;
  const place = [keys.index(budget), scope, keys.line(budget, key, scope), `${windowStart}`, `${expires ?? ''}`];
  return [...place, `${line.settled}`, `${line.held}`, `${line.payments}`];
}
