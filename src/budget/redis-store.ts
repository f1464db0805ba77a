// The steps of a budget as calls of Lua scripts: it lays out keys and arguments, and judges nothing. Each step says in
// which generation it is meant; what the store answers about that is noted before anybody learns of it.
import type { Clock } from '../domain/clock.ts';
import type { Abandoned, ExposeOutcome, OpenHold, Purchase, Stop } from '../domain/hold.ts';
import { astrayOf, type Membership } from './membership.ts';
import * as answers from './redis-answers.ts';
import type { LinkMaker, RedisLink } from './redis-connection.ts';
import { framed, lineArgs } from './redis-frame.ts';
import { GenerationKeys, keyStart, RedisKeys } from './redis-keys.ts';
import { SCRIPTS, type Script } from './redis-scripts.ts';
import {
  ABANDONED_LOOK_MS,
  ABANDONED_WAIT_MS,
  type Counted,
  type HoldAnswer,
  type HoldStep,
  type LineStep,
  NotDone,
  type Store,
} from './store.ts';

/** How many scopes or holds one call looks at; a call must not keep others waiting. */
const PAGE = 100;

/** Answers of steps that left their mark. */
const WROTE: ReadonlySet<string> = new Set(['held', 'exposed', 'ended', 'closed', 'left', 'heard', 'said']);

type Scoped = Counted & { readonly scope: string };

/** What a store is made with. */
export interface RedisStoreOptions {
  readonly namespace: string;
  readonly replicas: number;
  readonly clock: Clock;
  readonly repeatWindowMs: number;
  readonly membership: Membership;
  /** The newest receipt of this log that is sealed, to be told with heartbeats. */
  readonly sealed: () => number;
}

/** The generation a step is meant in, with its keys. */
interface At {
  readonly generation: number;
  readonly keys: GenerationKeys;
}

/** A {@link Store} on one Redis. */
export class RedisStore implements Store {
  readonly #redis: RedisLink;
  /** Exposures wait for replicas, and everything sent after them on their connection waits too: they have their own. */
  readonly #exposures: RedisLink;
  readonly #keys: RedisKeys;
  readonly #options: RedisStoreOptions;
  #at: At = { generation: 0, keys: new GenerationKeys(new RedisKeys('none'), 0) };

  /** `redis` is shared with the members' steps; `link` makes another one where exposures wait for replicas. */
  constructor(options: RedisStoreOptions, redis: RedisLink, link: LinkMaker) {
    this.#keys = new RedisKeys(options.namespace);
    this.#options = options;
    this.#redis = redis;
    this.#exposures = options.replicas > 0 ? link([SCRIPTS.expose], this.#keys.clock) : redis;
  }

  /** Resolves once steps may be taken; throws when Redis does not answer or could evict. */
  async open(): Promise<void> {
    await Promise.all([this.#redis.open(), this.#exposures.open()]);
  }

  /** Lets go of the connections. */
  disconnect(): void {
    this.#redis.end();
    this.#exposures.end();
  }

  async hold(step: HoldStep): Promise<HoldAnswer> {
    const at = this.#now();
    const { id, names } = step;
    const claims = [at.keys.claim('c', names.challenge), at.keys.claim('p', names.identity)];
    const key = names.key === null ? this.#keys.clock : at.keys.claim('k', names.key);
    const fixed = [at.keys.hold(id), ...claims, at.keys.claim('u', names.pair), key];
    const args = [
      ...[id, step.exchange, `${step.micros}`, step.agent, step.service, step.wallet, `${step.redeemableUntil}`],
      ...[`${step.unsettledLimit}`, `${step.leaseMs}`, step.run, step.saysRetry ? '1' : '0'],
      ...[names.key ?? '', names.repeat, names.challenge, names.identity, names.pair],
      answers.paymentText(step.payment),
      ...step.lines.flatMap((line) => lineArgs(at.keys, line, line.scope)),
    ];
    const lineKeys = step.lines.map((line) => at.keys.line(line.budget, keyStart(line), line.scope));
    return answers.readHold(await this.#write(at, SCRIPTS.hold, [...fixed, ...lineKeys], args));
  }

  async expose(step: { hold: string; runForMs: number }): Promise<ExposeOutcome> {
    const at = this.#now();
    const [keys, args] = [[at.keys.hold(step.hold)], [step.hold, `${step.runForMs}`]];
    const { replicas } = this.#options;
    if (replicas === 0) return answers.readExpose(await this.#write(at, SCRIPTS.expose, keys, args));
    let copies = 0;
    const replicated = async (script: Script, framedKeys: string[], framedArgs: string[]) => {
      const done = await this.#exposures.runReplicated(script, framedKeys, framedArgs, replicas);
      copies = done.replicas;
      return done.answer;
    };
    const outcome = answers.readExpose(await this.#write(at, SCRIPTS.expose, keys, args, replicated));
    if (outcome.kind === 'exposed' && copies < replicas) {
      throw new Error(`${copies} of ${replicas} replicas have the exposure`);
    }
    return outcome;
  }

  async end({ hold, as }: Parameters<Store['end']>[0]): Promise<void> {
    const at = this.#now();
    await this.#write(at, SCRIPTS.end, [at.keys.hold(hold)], [hold, as]);
  }

  async close({ closings }: Parameters<Store['close']>[0]): Promise<void> {
    const at = this.#now();
    for (let first = 0; first < closings.length; first += PAGE) {
      const page = closings.slice(first, first + PAGE);
      const args = page.flatMap(({ hold, ending, whole }) => [hold, JSON.stringify(ending), whole ? '1' : '0']);
      const keys = page.map(({ hold }) => at.keys.hold(hold));
      await this.#write(at, SCRIPTS.close, keys, args);
    }
  }

  async leave({ hold }: { hold: string }): Promise<void> {
    const at = this.#now();
    await this.#write(at, SCRIPTS.leave, [at.keys.hold(hold)], [hold]);
  }

  async lookUp(names: { key: string | null; repeat: string }): Promise<Purchase | undefined> {
    if (names.key === null) return undefined;
    const at = this.#now();
    const found = await this.#read(at, SCRIPTS.lookUp, [at.keys.claim('k', names.key)], [names.repeat]);
    return answers.readPurchase(found);
  }

  async beat({ run }: { run: string }): Promise<void> {
    const { membership, clock, sealed } = this.#options;
    const args = [`${sealed()}`, `${membership.serverTime(clock.monotonic()) ?? ''}`];
    const reply = await this.#write(this.#now(), SCRIPTS.beat, [this.#keys.beat(run)], args);
    const [, now, server] = answers.readTexts(reply);
    membership.latest = Number(now);
    membership.heard(Number(server), clock.monotonic());
  }

  async lines({ lines }: { lines: readonly LineStep[] }) {
    const at = this.#now();
    const keys = lines.map((line) => at.keys.line(line.budget, keyStart(line), line.scope));
    const args = lines.flatMap((line) => lineArgs(at.keys, line, line.scope));
    return answers.readLines(await this.#read(at, SCRIPTS.lines, keys, args));
  }

  async scopes({ line, most }: { line: Omit<LineStep, 'scope'>; most: number }) {
    const at = this.#now();
    const fullest = new Map<string, Scoped>();
    let cursor = '0';
    do {
      const args = [cursor, `${PAGE}`, at.keys.line(line.budget, keyStart(line), ''), ...lineArgs(at.keys, line, '')];
      const page = answers.readScopes(await this.#read(at, SCRIPTS.scopes, [at.keys.index(line.budget)], args));
      if (page.kind === 'again') return page;
      for (const scope of page.scopes) fullest.set(scope.scope, scope);
      if (fullest.size > 2 * most + PAGE) keepFullest(fullest, most);
      cursor = page.cursor;
    } while (cursor !== '0');
    keepFullest(fullest, most);
    return { kind: 'scopes' as const, scopes: [...fullest.values()] };
  }

  async openHolds({ log, known }: Parameters<Store['openHolds']>[0]): Promise<OpenHold[]> {
    const at = this.#now();
    const ids = await this.#openIds(at);
    const wanted = ids.filter((id) => (log === null || id.startsWith(`${log}.`)) && !known?.has(id));
    return this.#paged(at, SCRIPTS.openHolds, wanted, answers.readOpenHolds);
  }

  async takeAbandoned({ afterMs, most }: { afterMs: number; most: number }): Promise<Abandoned[]> {
    const at = this.#now();
    const others = (await this.#openIds(at)).filter((id) => !id.startsWith(`${this.#options.membership.log}.`));
    const taken: Abandoned[] = [];
    for (let first = 0; first < others.length && taken.length < most; first += PAGE) {
      const args = [`${afterMs}`, `${ABANDONED_LOOK_MS}`, `${ABANDONED_WAIT_MS}`, `${most - taken.length}`];
      const step = this.#write(at, SCRIPTS.takeAbandoned, [], [...args, ...others.slice(first, first + PAGE)]);
      taken.push(...answers.readAbandoned(await step));
    }
    return taken;
  }

  async released({ holds }: { holds: readonly string[] }): Promise<string[]> {
    return this.#paged(this.#now(), SCRIPTS.released, holds, answers.readTexts);
  }

  async spokenFor(): Promise<string[]> {
    const members = await this.#redis.command((redis) => redis.hgetall(this.#keys.members));
    return Object.keys(members)
      .flatMap((field) => /^guess:(.*)$/s.exec(field)?.[1] ?? [])
      .sort();
  }

  async stop({ kind, id, because, by }: Omit<Stop, 'at'>): Promise<void> {
    await this.#control(SCRIPTS.stop, [this.#keys.stops], [`${kind}:${id}`, JSON.stringify({ because, by })]);
  }

  async start({ kind, id }: Pick<Stop, 'kind' | 'id'>): Promise<boolean> {
    return (await this.#redis.command((redis) => redis.hdel(this.#keys.stops, `${kind}:${id}`))) > 0;
  }

  async stops(): Promise<Stop[]> {
    const found = await this.#redis.command((redis) => redis.hgetall(this.#keys.stops));
    const stops = Object.entries(found).flatMap(([name, order]) => (name === '.' ? [] : answers.readStop(name, order)));
    return stops.sort((a, b) => a.at - b.at || (a.kind + a.id < b.kind + b.id ? -1 : 1));
  }

  async agree({ fields }: Parameters<Store['agree']>[0]) {
    const args = fields.flatMap(({ field, value }) => [field, value]);
    return answers.readTerms(await this.#control(SCRIPTS.agree, [this.#keys.terms], args));
  }

  async ping(): Promise<void> {
    await this.#read(this.#now(), SCRIPTS.lines, [], []); // Also compares the clocks.
  }

  /** Where steps are meant now; throws {@link NotDone} while the store is not joined. */
  #now(): At {
    const { generation, why } = this.#options.membership;
    if (generation === null) throw new NotDone(`the budget store is being rebuilt: ${why}`);
    if (this.#at.generation !== generation) this.#at = { generation, keys: new GenerationKeys(this.#keys, generation) };
    return this.#at;
  }

  /** `.` is no hold: it shows that the list was not lost. */
  async #openIds(at: At): Promise<string[]> {
    const listed = await this.#redis.command((redis) => redis.zrange(at.keys.open, '0', '-1'));
    return listed.filter((id) => id !== '.');
  }

  /** At least one page, even an empty one: it says whether these were ids of the present generation. */
  async #paged<T>(at: At, script: Script, ids: readonly string[], read: (page: unknown) => T[]): Promise<T[]> {
    const found: T[] = [];
    for (let first = 0; first === 0 || first < ids.length; first += PAGE) {
      found.push(...read(await this.#read(at, script, [], ids.slice(first, first + PAGE))));
    }
    return found;
  }

  #read(at: At, script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#noted(at, this.#redis.run(script, ...this.#framed(`${at.generation}`, 0, keys, args)));
  }

  /** A step that writes has a mark of its own; when it wrote, the store has that mark from then on. */
  async #write(
    at: At,
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    run: RedisLink['run'] = (...call) => this.#redis.run(...call),
  ): Promise<unknown> {
    const { membership } = this.#options;
    const mark = membership.next();
    const answer = await this.#noted(at, run(script, ...this.#framed(`${at.generation}`, mark, keys, args)));
    if (WROTE.has(answers.kindOf(answer))) membership.acknowledge(mark);
    return answer;
  }

  /** Orders and terms: they stand whatever generation it is. */
  #control(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#redis.run(script, ...this.#framed('', 0, keys, args));
  }

  async #noted(at: At, answer: Promise<unknown>): Promise<unknown> {
    try {
      return await answer;
    } catch (error) {
      const cause = error instanceof NotDone && error.cause instanceof Error ? error.cause.message : '';
      const how = astrayOf(cause);
      if (how) this.#options.membership.stray(at.generation, how, cause.replace(/^ERR | script: .*$/gs, ''));
      throw error;
    }
  }

  #framed(generation: string, mark: number, keys: readonly string[], args: readonly string[]): [string[], string[]] {
    const { clock, repeatWindowMs, membership } = this.#options;
    return framed(this.#keys, { now: clock.now(), windowMs: repeatWindowMs, generation, membership, mark }, keys, args);
  }
}

function keepFullest(scopes: Map<string, Scoped>, most: number): void {
  const used = (one: Scoped) => one.settled + one.held;
  const sorted = [...scopes.values()].sort((a, b) => {
    if (used(a) !== used(b)) return used(a) > used(b) ? -1 : 1;
    return b.payments - a.payments || (a.scope < b.scope ? -1 : 1);
  });
  scopes.clear();
  for (const one of sorted.slice(0, most)) scopes.set(one.scope, one);
}
