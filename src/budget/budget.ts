// The one place that says whether a payment fits. Every method is one atomic step on the store; nobody reads a
// balance and then acts on it. Implementations: EmbeddedBudget (SQLite in the state thread) and RedisBudget (Lua).
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
} from '../domain/hold.ts';
import type { ClaimHashes } from './claims.ts';

/**
 * The budget store. Every method may throw GatewayFault('store_unavailable'); it then answers within its time bound.
 */
export interface Budget {
  /**
   * The generation of the store in which this gateway counts now, or null while it may not: the store has forgotten
   * something and is being rebuilt. A proof may be made only while the generation is the one its hold was exposed in.
   * Always the same where one gateway has the store to itself.
   */
  generation(): number | null;

  /** A claim as receipts name it: whole keyed hashes, from which the store's claims can be made again. */
  hashes(claim: PurchaseClaim): ClaimHashes;

  /**
   * Sets the money aside on all lines and claims the purchase, the challenge id and the rail identity: all or nothing.
   * Order of judgement: own id (idempotent) → purchase claim → stops → unsettled → challenge id → rail identity →
   * lines in order. When the call throws, whether the step happened is unknown; the store undoes it as soon as it
   * answers again.
   */
  hold(request: HoldRequest): Promise<HoldOutcome>;

  /**
   * held → exposed, refused when lapsed or stopped (the hold and its claims are then released in the same step).
   * `runForMs`: from now this long its request counts as running. When replicas are configured, resolves only once
   * that many have the exposure. When the call throws, the hold is released as soon as the store answers.
   */
  expose(hold: string, runForMs: number): Promise<ExposeOutcome>;

  /**
   * Before `intended`: gives the money back and drops all claims. Never throws: when the store does not answer, it
   * is done as soon as it does.
   */
  release(hold: string): Promise<void>;

  /** exposed → settled, in the window the hold was placed in. Does nothing for a hold that has ended or is unknown. */
  settle(hold: string): Promise<void>;

  /**
   * exposed → voided: gives the money back. Challenge id and rail identity stay claimed; the purchase's own claims are
   * dropped when its agent may buy again (`purchase: 'freed'`), else they stand for their time.
   */
  void(hold: string, purchase: 'freed' | 'kept'): Promise<void>;

  /**
   * The request of an exposed hold has ended (whatever state the hold is in by then). `whole`: its agent has the
   * answer whole, so an equal request without a key is a new purchase. Counts it as unsettled while it is exposed.
   */
  close(hold: string, ending: Ending, whole: boolean): Promise<void>;

  /** As {@link close} for several at once, each by itself; when the call throws, some may have been closed. */
  closeAll(closings: readonly Closing[]): Promise<void>;

  /**
   * The agent has gone: from now an equal request without a key is this purchase. Never throws: when the store does
   * not answer, it is done as soon as it does, and before anything new is set aside. Answers whether it is done.
   */
  leave(hold: string): Promise<boolean>;

  /** What an Idempotency-Key already stands for; undefined when it is free. Changes nothing. */
  lookUp(claim: PurchaseClaim): Promise<Purchase | undefined>;

  /**
   * This gateway is alive; called every 500 ms. One not heard of for 2 s counts as one whose agents have left, so while
   * the store is still to be told that one has left, nothing is said. Throws then, and when the store does not answer.
   */
  heartbeat(): Promise<void>;

  /** The state of lines, as the hold's step would see them. Changes nothing; never the basis of a decision. */
  lines(lines: readonly BudgetLine[]): Promise<LineState[]>;

  /** The scopes in use of a budget with a limit as of `line`, fullest first, at most `most`. */
  scopes(line: Omit<BudgetLine, 'scope'>, most: number): Promise<LineState[]>;

  /** Holds that are held or exposed, oldest first; `log` limits them to one gateway's, `known` are left out. */
  openHolds(log?: string, known?: ReadonlySet<string>): Promise<OpenHold[]>;

  /**
   * Uncertain holds whose gateways are silent, and whose proofs can be redeemed no more for `afterMs`; at most so many.
   * Each is handed to one gateway at a time, for a minute at least. None where nobody shares the store.
   */
  takeAbandoned(afterMs: number, most: number): Promise<Abandoned[]>;

  /** Which of these holds the store knows as released: no proof was made of them, and none will be. */
  released(holds: readonly string[]): Promise<string[]>;

  /**
   * The logs whose gateways did not come to the last rebuild, by name: what they last said counts as spent, and their
   * holds are not listed, until they are back.
   */
  spokenFor(): Promise<string[]>;

  /** Orders of operators; `at` is set by the store. Starting what is not stopped answers false. */
  stop(stop: Omit<Stop, 'at'>): Promise<void>;
  start(kind: Stop['kind'], id: string): Promise<boolean>;
  stops(): Promise<Stop[]>;

  /**
   * Records currency, time zone and each budget's window and per, or says what differs from the record
   * (one sentence each); empty when it was recorded or is equal. Nothing is recorded when anything differs.
   */
  agree(terms: StoreTerms): Promise<string[]>;

  /** Resolves when the store answers; throws when it does not. */
  ping(): Promise<void>;

  /** Stops timers and lets go of the connection. */
  shutdown(): Promise<void>;
}

/** What all gateways of one store must agree on. */
export interface StoreTerms {
  readonly currency: string;
  readonly timeZone: string;
  readonly budgets: readonly Pick<BudgetLine, 'budget' | 'window' | 'per'>[];
}

/** How long claims stand; milliseconds. */
export interface ClaimTimes {
  /** After its end a keyless purchase still stands for its repeats (`limits.repeatWindow`). */
  readonly repeatWindowMs: number;
}
