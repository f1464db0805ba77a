// The steps of a budget as calls of Lua scripts: it lays out keys and arguments, and judges nothing.
import type { Clock } from '../domain/clock.ts';
import type { ExposeOutcome, OpenHold, Purchase, Stop } from '../domain/hold.ts';
import { MAX_MICROS } from '../domain/money.ts';
import * as answers from './redis-answers.ts';
import type { RedisPlace } from './redis-client.ts';
import { RedisConnection, type RedisLink } from './redis-connection.ts';
import { RedisKeys } from './redis-keys.ts';
import { SCRIPTS, type Script } from './redis-scripts.ts';
import type { Counted, HoldAnswer, HoldStep, LineStep, Store } from './store.ts';

/** How many scopes or holds one call looks at; a call must not keep others waiting. */
const PAGE = 100;

type Scoped = Counted & { readonly scope: string };

/** Where the store is, and what its steps are given. */
export interface RedisStoreOptions extends RedisPlace {
  readonly namespace: string;
  readonly replicas: number;
  readonly clock: Clock;
  readonly repeatWindowMs: number;
}

/** Makes a connection on which these scripts are run; its probe key lies where the steps' keys do. */
export type LinkMaker = (scripts: readonly Script[], probeKey: string) => RedisLink;

/** A {@link Store} on one Redis. */
export class RedisStore implements Store {
  readonly #redis: RedisLink;
  /** Exposures wait for replicas, and everything sent after them on their connection waits too: they have their own. */
  readonly #exposures: RedisLink;
  readonly #keys: RedisKeys;
  readonly #clock: Clock;
  readonly #replicas: number;
  readonly #windowMs: number;

  /** Connects in the background. */
  constructor(options: RedisStoreOptions, link: LinkMaker = (...made) => new RedisConnection(options, ...made)) {
    this.#keys = new RedisKeys(options.namespace);
    const connect = (scripts: readonly Script[]) => link(scripts, this.#keys.clock);
    this.#redis = connect(Object.values(SCRIPTS));
    this.#exposures = options.replicas > 0 ? connect([SCRIPTS.expose]) : this.#redis;
    this.#clock = options.clock;
    this.#replicas = options.replicas;
    this.#windowMs = options.repeatWindowMs;
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
    const { id, names } = step;
    const claims = [this.#keys.claim('c', names.challenge), this.#keys.claim('p', names.identity)];
    const key = names.key === null ? this.#keys.clock : this.#keys.claim('k', names.key);
    const fixed = [this.#keys.hold(id), ...claims, this.#keys.claim('u', names.pair), key];
    const places = JSON.stringify(step.lines.map(({ budget, scope }) => [budget, scope]));
    const args = [
      ...[id, step.exchange, `${step.micros}`, step.agent, step.service, step.wallet, `${step.redeemableUntil}`],
      ...[`${step.unsettledLimit}`, `${step.leaseMs}`, step.run, step.saysRetry ? '1' : '0'],
      ...[names.key ?? '', names.repeat, names.challenge, names.identity, names.pair, places],
      ...step.lines.flatMap((line) => this.#lineArgs(line, line.scope)),
    ];
    const lineKeys = step.lines.map((line) => this.#keys.line(line, line.scope));
    return answers.readHold(await this.#run(SCRIPTS.hold, [...fixed, ...lineKeys], args));
  }

  async expose(step: { hold: string; runForMs: number }): Promise<ExposeOutcome> {
    const [keys, args] = this.#framed([this.#keys.hold(step.hold)], [step.hold, `${step.runForMs}`]);
    if (this.#replicas === 0) return answers.readExpose(await this.#redis.run(SCRIPTS.expose, keys, args));
    const done = await this.#exposures.runReplicated(SCRIPTS.expose, keys, args, this.#replicas);
    const outcome = answers.readExpose(done.answer);
    if (outcome.kind === 'exposed' && done.replicas < this.#replicas) {
      throw new Error(`${done.replicas} of ${this.#replicas} replicas have the exposure`);
    }
    return outcome;
  }

  async end({ hold, as }: Parameters<Store['end']>[0]): Promise<void> {
    await this.#run(SCRIPTS.end, [this.#keys.hold(hold)], [hold, as]);
  }

  async close({ hold, ending, whole }: Parameters<Store['close']>[0]): Promise<void> {
    await this.#run(SCRIPTS.close, [this.#keys.hold(hold)], [hold, JSON.stringify(ending), whole ? '1' : '0']);
  }

  async leave({ hold }: { hold: string }): Promise<void> {
    await this.#run(SCRIPTS.leave, [this.#keys.hold(hold)], [hold]);
  }

  async lookUp(names: { key: string | null; repeat: string }): Promise<Purchase | undefined> {
    if (names.key === null) return undefined;
    const found = await this.#run(SCRIPTS.lookUp, [this.#keys.claim('k', names.key)], [names.repeat]);
    return answers.readPurchase(found);
  }

  async beat({ run }: { run: string }): Promise<void> {
    await this.#run(SCRIPTS.beat, [this.#keys.beat(run)], []);
  }

  async lines({ lines }: { lines: readonly LineStep[] }) {
    const keys = lines.map((line) => this.#keys.line(line, line.scope));
    const args = lines.flatMap((line) => this.#lineArgs(line, line.scope));
    return answers.readLines(await this.#run(SCRIPTS.lines, keys, args));
  }

  async scopes({ line, most }: { line: Omit<LineStep, 'scope'>; most: number }) {
    const fullest = new Map<string, Scoped>();
    let cursor = '0';
    do {
      const args = [cursor, `${PAGE}`, this.#keys.line(line, ''), ...this.#lineArgs(line, '')];
      const page = answers.readScopes(await this.#run(SCRIPTS.scopes, [this.#keys.index(line.budget)], args));
      if (page.kind === 'again') return page;
      for (const scope of page.scopes) fullest.set(scope.scope, scope);
      if (fullest.size > 2 * most + PAGE) keepFullest(fullest, most);
      cursor = page.cursor;
    } while (cursor !== '0');
    keepFullest(fullest, most);
    return { kind: 'scopes' as const, scopes: [...fullest.values()] };
  }

  async openHolds({ log }: { log: string | null }): Promise<OpenHold[]> {
    const ids = await this.#redis.command((redis) => redis.zrange(this.#keys.open, '0', '-1'));
    const wanted = log === null ? ids : ids.filter((id) => id.startsWith(`${log}.`));
    const holds: OpenHold[] = [];
    for (let at = 0; at < wanted.length; at += PAGE) {
      const page = await this.#run(SCRIPTS.openHolds, [], wanted.slice(at, at + PAGE));
      holds.push(...answers.readOpenHolds(page));
    }
    return holds;
  }

  async stop({ kind, id, because, by }: Omit<Stop, 'at'>): Promise<void> {
    await this.#run(SCRIPTS.stop, [this.#keys.stops], [`${kind}:${id}`, JSON.stringify({ because, by })]);
  }

  async start({ kind, id }: Pick<Stop, 'kind' | 'id'>): Promise<boolean> {
    return (await this.#redis.command((redis) => redis.hdel(this.#keys.stops, `${kind}:${id}`))) > 0;
  }

  async stops(): Promise<Stop[]> {
    const found = await this.#redis.command((redis) => redis.hgetall(this.#keys.stops));
    const stops = Object.entries(found).map(([name, order]) => answers.readStop(name, order));
    return stops.sort((a, b) => a.at - b.at || (a.kind + a.id < b.kind + b.id ? -1 : 1));
  }

  async agree({ fields }: Parameters<Store['agree']>[0]) {
    const args = fields.flatMap(({ field, value }) => [field, value]);
    return answers.readTerms(await this.#run(SCRIPTS.agree, [this.#keys.terms], args));
  }

  async ping(): Promise<void> {
    await this.#run(SCRIPTS.lines, [], []); // Also compares the clocks.
  }

  #run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#redis.run(script, ...this.#framed(keys, args));
  }

  /** What every step begins with: the clock's key; prefix, this gateway's time, and how long ended purchases stand. */
  #framed(keys: readonly string[], args: readonly string[]): [string[], string[]] {
    const time = `${Math.floor(this.#clock.now())}`;
    return [
      [this.#keys.clock, ...keys],
      [this.#keys.prefix, time, `${this.#windowMs}`, ...args],
    ];
  }

  #lineArgs(line: Omit<LineStep, 'scope'>, scope: string): string[] {
    const { window, limitMicros, limitPayments } = line;
    if (limitMicros > MAX_MICROS) throw new RangeError('a limit is at most 2^53-1 micro-units');
    const bounds =
      window.kind === 'calendar'
        ? [`${window.start}`, `${window.end ?? ''}`, '0', '0']
        : ['', '', `${window.partMs}`, `${window.lengthMs}`];
    return [this.#keys.index(line.budget), scope, ...bounds, `${limitMicros}`, `${limitPayments ?? ''}`];
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
