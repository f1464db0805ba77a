// What the exchange is made of: the parts the gateway builds once and hands in, and the limits that bound them.
import type { Agent as HttpAgent } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Budget } from '../budget/budget.ts';
import type { Identity } from '../domain/agent.ts';
import type { Clock, Random, Timers } from '../domain/clock.ts';
import type { Decimal } from '../domain/money.ts';
import type { Refusal } from '../domain/refusal.ts';
import type { TraceContext } from '../inbound/agent-request.ts';
import type { From } from '../inbound/from.ts';
import type { KeptAnswers } from '../inbound/kept-answers.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Stage } from '../observe/metrics.ts';
import type { PolicySet } from '../policy/set.ts';
import type { RailAsset, Wallet } from '../rail/rail.ts';

/** A paid upstream, ready to be called. */
export interface Service {
  readonly id: string;
  readonly provider: string | null;
  readonly pool: Dispatcher;
  /** For upgrades: the same guard, and a connection for each. */
  readonly agent: HttpAgent;
  /** Scheme, host and port; and host and port alone. */
  readonly origin: string;
  readonly host: string;
  /** '' or the path under which the service lives on its host. */
  readonly basePath: string;
  readonly upstreamHeadersMs: number;
  readonly paymentSettleMs: number;
}

/** An asset of the operator's table with its worth in the accounting currency. */
export interface ValuedAsset extends RailAsset {
  /** What one whole unit is worth. */
  readonly value: Decimal;
}

/** Bounds of the exchange; bytes and milliseconds. */
export interface ExchangeLimits {
  readonly replayBodyBytes: number;
  readonly challengeBytes: number;
  readonly holdLeaseMs: number;
  /** Receipts for refusals of one agent: at most `count` in each `periodMs`. */
  readonly refusals: { readonly count: number; readonly periodMs: number };
  readonly unsettled: number;
}

/** One line for people and counters about a request that has ended. */
export interface RequestEnd {
  readonly exchange: string;
  readonly method: string;
  readonly service: string | null;
  readonly agent: string | null;
  readonly status: number;
  readonly code: string | null;
  readonly outcome: 'relayed' | 'paid' | 'refused' | 'uncertain' | 'cut' | 'own';
  readonly ms: number;
  readonly trace: string | null;
}

/** One step of a request, under way. */
export interface Step {
  /** The span that a service is called from; null where no traces are kept. */
  readonly context: TraceContext | null;
  /** `status` is that of the service's answer, null when there was none; left out where no service is called. */
  end(status?: number | null): void;
}

/** Follows one request: logs, metrics, traces. */
export interface RequestWatch {
  /** What the request belongs to: the agent's trace or, where traces are kept, its span in it. */
  readonly trace: TraceContext | null;
  /** A step begins; `call` names the service's host and port where it is called in it. */
  step(name: Stage, call?: { readonly method: string; readonly host: string }): Step;
  ended(end: RequestEnd): void;
}

/** Who watches. Nothing the exchange does depends on it. */
export interface Watch {
  /** A request begins, under the trace its agent names, if any. */
  began(agents: TraceContext | null): RequestWatch;
  refused(code: string): void;
  fault(what: 'store' | 'ledger' | 'exchange', cause: unknown): void;
}

/** Everything one request needs. */
export interface Parts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly currency: string;
  readonly services: ReadonlyMap<string, Service>;
  readonly issuers: ReadonlySet<string>;
  /** What a receipt says of where a request came from. */
  readonly from: From;
  identify(token: string): Identity | Refusal | Promise<Identity | Refusal>;
  /** The policy set in force now. */
  policy(): PolicySet;
  readonly assets: readonly ValuedAsset[];
  readonly wallets: readonly Wallet[];
  /** What our wallets answer, as `method/intent`, and the same as an Accept-Payment value. */
  readonly answers: ReadonlySet<string>;
  readonly acceptPayment: string;
  readonly budget: Budget;
  readonly ledger: Ledger;
  /** Are recovery and the comparison with the store done, so that purchases may begin? */
  ready(): boolean;
  readonly kept: KeptAnswers;
  readonly limits: ExchangeLimits;
  readonly watch: Watch;
  /** The keyed hash under which an agent's Idempotency-Key goes upstream. */
  upstreamKey(subject: string, key: string): string;
}
