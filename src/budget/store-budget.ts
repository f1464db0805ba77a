// The Budget over any store: it hashes claims, works out windows, and turns every failure into one fault. It decides
// nothing about money; the store's steps do.
import type { Clock, Random, Timers } from '../domain/clock.ts';
import { GatewayFault, type MoneyState } from '../domain/fault.ts';
import type {
  Abandoned,
  BudgetLine,
  Closing,
  Ending,
  ExposeOutcome,
  HoldOutcome,
  HoldRequest,
  LineState,
  OpenHold,
  Purchase,
  PurchaseClaim,
  Stop,
  Window,
} from '../domain/hold.ts';
import { MAX_MICROS } from '../domain/money.ts';
import type { Budget, ClaimTimes, StoreTerms } from './budget.ts';
import { ClaimHasher, type ClaimHashes } from './claims.ts';
import { LateSteps } from './late-steps.ts';
import { lifeOf } from './membership.ts';
import {
  type Again,
  type HoldAnswer,
  type LineStep,
  type LineWindow,
  lineState,
  NotDone,
  type Store,
  type Term,
} from './store.ts';
import { differences, termsOf } from './terms.ts';
import { Calendar, rollingPartMs } from './windows.ts';

/** What a budget needs to know, whatever its store. */
export interface BudgetOptions extends ClaimTimes {
  /** The log's name: hold ids of this gateway begin with it and a dot. */
  readonly log: string;
  /** IANA name; calendar windows turn over at its midnight. */
  readonly timeZone: string;
  /** 32 bytes, the same at every gateway of the store. */
  readonly key: Uint8Array;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** Where this process stands in the store. */
export interface Place {
  /** Names this life of this gateway in heartbeats. */
  readonly life: string;
  generation(): number | null;
  /** These terms were agreed on. */
  agreed(fields: readonly Term[]): Promise<void>;
  /** Lets go of the store. Never throws. */
  letGo(): Promise<void>;
}

/** The place of a gateway that has its store to itself. */
function aloneOf(options: BudgetOptions): Place {
  return { life: lifeOf(options), generation: () => 0, agreed: async () => {}, letGo: async () => {} };
}

/** Windows are worked out at most this many times for one step; a store's clock cannot honestly need more. */
const TRIES = 4;

/** Implements {@link Budget} by the steps of a {@link Store}. */
export class StoreBudget implements Budget {
  readonly #store: Store;
  readonly #options: BudgetOptions;
  readonly #calendar: Calendar;
  readonly #hasher: ClaimHasher;
  readonly #late: LateSteps;
  readonly #left: LateSteps;
  readonly #run: string;
  readonly #place: Place;
  /** Throws RangeError for an unknown time zone or a key that has not 32 bytes. */
  constructor(store: Store, options: BudgetOptions, place: Place = aloneOf(options)) {
    this.#place = place;
    this.#store = store;
    this.#options = options;
    this.#calendar = new Calendar(options.timeZone);
    this.#hasher = new ClaimHasher(options.key);
    this.#late = new LateSteps(options.timers, (hold) => store.end({ hold, as: 'released' }));
    this.#left = new LateSteps(options.timers, (hold) => store.leave({ hold }));
    this.#run = place.life;
  }

  generation(): number | null {
    return this.#place.generation();
  }

  hashes(claim: PurchaseClaim): ClaimHashes {
    return this.#hasher.hashes(claim);
  }

  async hold(request: HoldRequest): Promise<HoldOutcome> {
    assertCountable(request);
    await this.#left.tryAll(); // The one who asks may be the one whose leaving is still to be marked.
    const { names, unique, places } = this.#prepared(request);
    const { claim: _, lines: __, challengeId: ___, ...plain } = request;
    const ask = (lines: LineStep[]) =>
      this.#store.hold({ ...plain, lines, names, saysRetry: request.claim.saysRetry, run: this.#run });
    try {
      const { answer, lines } = await this.#windowed(unique, ask);
      return outcomeOf(answer, lines, places);
    } catch (cause) {
      if (!(cause instanceof NotDone)) this.#late.add(request.id);
      throw unavailable('untouched', cause);
    }
  }

  async expose(hold: string, runForMs: number): Promise<ExposeOutcome> {
    try {
      return await this.#store.expose({ hold, runForMs });
    } catch (cause) {
      this.#late.add(hold); // Even when that was not done: the hold is there.
      throw unavailable('held', cause);
    }
  }

  async release(hold: string): Promise<void> {
    await this.#store.end({ hold, as: 'released' }).catch(() => this.#late.add(hold));
  }

  settle(hold: string): Promise<void> {
    return this.#asked('exposed', this.#store.end({ hold, as: 'settled' }));
  }

  void(hold: string, purchase: 'freed' | 'kept'): Promise<void> {
    return this.#asked('exposed', this.#store.end({ hold, as: purchase === 'freed' ? 'freed' : 'voided' }));
  }

  close(hold: string, ending: Ending, whole: boolean): Promise<void> {
    return this.closeAll([{ hold, ending, whole }]);
  }

  closeAll(closings: readonly Closing[]): Promise<void> {
    return this.#asked('exposed', this.#store.close({ closings }));
  }

  async leave(hold: string): Promise<boolean> {
    const failed = await this.#store.leave({ hold }).catch((fault: unknown) => ({ fault }));
    if (failed) this.#left.add(hold);
    return !failed;
  }

  lookUp(claim: PurchaseClaim): Promise<Purchase | undefined> {
    const names = this.#hasher.purchase(claim);
    return names.key === null ? Promise.resolve(undefined) : this.#asked('untouched', this.#store.lookUp(names));
  }

  heartbeat(): Promise<void> {
    const beat = () => this.#store.beat({ run: this.#run });
    return this.#asked('untouched', this.#left.allDone().then(beat));
  }

  async lines(wanted: readonly BudgetLine[]): Promise<LineState[]> {
    const ask = (lines: LineStep[]) => this.#store.lines({ lines });
    const { answer, lines } = await this.#asked('untouched', this.#windowed(wanted, ask));
    return lines.flatMap((line, index) => {
      const counted = answer.counted[index];
      return counted ? [lineState(line, counted)] : [];
    });
  }

  async scopes(line: Omit<BudgetLine, 'scope'>, most: number): Promise<LineState[]> {
    const ask = ([whole]: LineStep[]) => {
      if (!whole) throw new RangeError('a budget has a window');
      const { scope: _, ...rest } = whole;
      return this.#store.scopes({ line: rest, most });
    };
    const { answer, lines } = await this.#asked('untouched', this.#windowed([{ ...line, scope: '' }], ask));
    return lines.flatMap((step) => answer.scopes.map((one) => lineState({ ...step, scope: one.scope }, one)));
  }

  openHolds(log?: string, known?: ReadonlySet<string>): Promise<OpenHold[]> {
    return this.#asked('untouched', this.#store.openHolds({ log: log ?? null, ...(known ? { known } : {}) }));
  }

  takeAbandoned(afterMs: number, most: number): Promise<Abandoned[]> {
    return this.#asked('untouched', this.#store.takeAbandoned({ afterMs, most }));
  }

  async released(holds: readonly string[]): Promise<string[]> {
    return holds.length === 0 ? [] : this.#asked('untouched', this.#store.released({ holds }));
  }

  spokenFor(): Promise<string[]> {
    return this.#asked('untouched', this.#store.spokenFor(null));
  }

  stop({ kind, id, because, by }: Omit<Stop, 'at'>): Promise<void> {
    return this.#asked('untouched', this.#store.stop({ kind, id, because, by }));
  }

  start(kind: Stop['kind'], id: string): Promise<boolean> {
    return this.#asked('untouched', this.#store.start({ kind, id }));
  }

  stops(): Promise<Stop[]> {
    return this.#asked('untouched', this.#store.stops(null));
  }

  async agree(terms: StoreTerms): Promise<string[]> {
    const fields = termsOf(terms, this.#hasher.mark());
    const wrong = differences(fields, await this.#asked('untouched', this.#store.agree({ fields })));
    if (wrong.length === 0) await this.#asked('untouched', this.#place.agreed(fields));
    return wrong;
  }

  ping(): Promise<void> {
    return this.#asked('untouched', this.#store.ping(null));
  }

  async shutdown(): Promise<void> {
    this.#late.stop();
    this.#left.stop();
    await this.#place.letGo();
  }

  /** The claims' names, and the lines without doubles; `places` says where each asked line went. */
  #prepared(request: HoldRequest) {
    const unique: BudgetLine[] = [];
    const seen = new Map<string, number>();
    const places = request.lines.map((line) => {
      const name = JSON.stringify([line.budget, line.scope]);
      const place = seen.get(name) ?? unique.push(line) - 1;
      seen.set(name, place);
      return place;
    });
    const { claim, service, challengeId, payment } = request;
    return { names: this.#hasher.hold(claim, service, challengeId, payment), unique, places };
  }

  /** Asks with windows as of now, and again as of the store's time while that lies outside of them. */
  async #windowed<A extends { kind: string }>(
    wanted: readonly Omit<BudgetLine, 'per'>[],
    ask: (lines: LineStep[]) => Promise<A | Again>,
  ): Promise<{ answer: Exclude<A, Again>; lines: LineStep[] }> {
    let at = this.#options.clock.now();
    for (let tries = 0; tries < TRIES; tries++) {
      const lines = wanted.map((line) => this.#lineAt(line, at));
      const answer = await ask(lines);
      if (!isAgain(answer)) return { answer: answer as Exclude<A, Again>, lines };
      at = answer.now;
    }
    throw new Error('the clock of the budget store does not stand still');
  }

  #lineAt({ budget, scope, window, limitMicros, limitPayments }: Omit<BudgetLine, 'per'>, at: number): LineStep {
    return { budget, scope, limitMicros, limitPayments, window: this.#windowAt(window, at) };
  }

  #windowAt(window: Window, at: number): LineWindow {
    if (window.kind !== 'rolling') return { kind: 'calendar', ...this.#calendar.bounds(window.kind, at) };
    return { kind: 'rolling', lengthMs: window.lengthMs, partMs: rollingPartMs(window.lengthMs) };
  }

  async #asked<T>(money: MoneyState, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (cause) {
      throw unavailable(money, cause);
    }
  }
}

function assertCountable({ micros, lines }: HoldRequest): void {
  if (micros < 1n || micros > MAX_MICROS) throw new RangeError('a hold is 1 to 2^53-1 micro-units');
  for (const { limitMicros, limitPayments } of lines) {
    if (limitMicros < 0n || limitMicros > MAX_MICROS) throw new RangeError('a limit is 0 to 2^53-1 micro-units');
    if (limitPayments !== null && !(Number.isSafeInteger(limitPayments) && limitPayments >= 0)) {
      throw new RangeError('a limit of payments is a whole number, 0 or more');
    }
  }
}

const isAgain = (answer: { kind: string }): answer is Again => answer.kind === 'again';

/** Completes the store's answer: counters become the states of the lines as they were asked, doubles included. */
function outcomeOf(answer: Exclude<HoldAnswer, Again>, lines: LineStep[], places: readonly number[]): HoldOutcome {
  if (answer.kind !== 'held' && answer.kind !== 'exceeded') return answer;
  const states = places.flatMap((place) => {
    const line = lines[place];
    const counted = answer.counted[place];
    return line && counted ? [lineState(line, counted)] : [];
  });
  if (answer.kind === 'held') return { kind: 'held', lines: states };
  return { kind: 'exceeded', line: places.indexOf(answer.line), what: answer.what, lines: states };
}

function unavailable(money: MoneyState, cause: unknown): GatewayFault {
  if (cause instanceof GatewayFault && cause.money === money) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GatewayFault('store_unavailable', money, `the budget store did not do its step: ${reason}`, cause);
}
