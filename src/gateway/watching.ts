// Turns what the exchange reports into log lines, metrics and traces. Nothing depends on it.
import { formatMicros, readMicros } from '../domain/money.ts';
import type { Receipt } from '../domain/receipt.ts';
import type { RequestEnd, RequestWatch, Step, Watch } from '../exchange/parts.ts';
import { errorFacts, type Log } from '../observe/log.ts';
import type { Metrics, PaymentState, Stage } from '../observe/metrics.ts';
import type { RequestTracer, TracedSpan } from '../trace/span.ts';
import type { LookingParts } from './looking.ts';
import {
  answerAttributes,
  callAttributes,
  isFailure,
  methodOf,
  requestAttributes,
  routeOf,
} from './span-attributes.ts';

/** At most one line a second about each kind of fault; a store that is down would fill the disk. */
const FAULT_EVERY_MS = 1_000;

/** The watch of a gateway's exchange; traces are kept where there is a tracer. */
export function createWatch(log: Log, metrics: Metrics, tracer: RequestTracer | null): Watch {
  const lastFault = new Map<string, number>();
  return {
    began: (agents) => new Following(log, metrics, agents, tracer?.begin(agents) ?? null),
    refused: (code) => metrics.refusal(code),
    fault: (what, cause) => {
      const now = Date.now();
      if (now - (lastFault.get(what) ?? 0) < FAULT_EVERY_MS) return;
      lastFault.set(what, now);
      log.event('error', FAULT_MESSAGE[what], { error: errorFacts(cause) });
    },
  };
}

/** One request in metrics, log and trace. */
class Following implements RequestWatch {
  readonly trace: RequestWatch['trace'];
  readonly #log: Log;
  readonly #metrics: Metrics;
  readonly #span: TracedSpan | null;

  constructor(log: Log, metrics: Metrics, agents: RequestWatch['trace'], span: TracedSpan | null) {
    this.#log = log;
    this.#metrics = metrics;
    this.#span = span;
    this.trace = span?.context ?? agents;
  }

  step(name: Stage, call?: { readonly method: string; readonly host: string }): Step {
    const startedAt = performance.now();
    const span = this.#span?.step(name, call ? 'client' : 'internal', call ? callAttributes(call) : {}) ?? null;
    return {
      context: span?.context ?? null,
      end: (status) => {
        this.#metrics.stage(name, (performance.now() - startedAt) / 1_000);
        if (!span) return;
        const failed = status !== undefined && isFailure(name, status);
        span.end(status === undefined ? {} : answerAttributes(status, failed), { failed });
      },
    };
  }

  ended(end: RequestEnd): void {
    this.#metrics.request(end.service, end.outcome);
    this.#log.access(end);
    const name = `${methodOf(end.method, 'HTTP')}${end.service === null ? '' : ` ${routeOf(end.service)}`}`;
    this.#span?.end(requestAttributes(end), { name, failed: end.status >= 500 || end.status === 0 });
  }
}

/** Logs and counts every receipt, whoever sealed it; `railOf` names a wallet's rail. */
export function watchReceipts(log: Log, metrics: Metrics, railOf: (wallet: string) => string) {
  return (receipt: Receipt): void => {
    log.receipt(receipt);
    count(metrics, receipt, railOf);
  };
}

/** Counts every look-up, and says loudly what cannot be. `rail` is null where no books are configured. */
export function watchEvidence(log: Log, metrics: Metrics): LookingParts['seen'] {
  return (hold, rail, { verdict, alarming, seen }) => {
    if (rail !== null) metrics.evidence(rail, alarming ? 'alarming' : verdict);
    if (!alarming) return;
    const about = { hold: hold.id, service: hold.service, wallet: hold.wallet, detail: seen };
    const what = `the evidence of a payment of ${formatMicros(hold.micros)} cannot be, so it stays held`;
    log.event('error', `${what}; compare its rail's books, then end it with "purser holds resolve"`, about);
  };
}

const FAULT_MESSAGE = {
  store: 'the budget store does not answer',
  ledger: 'the receipt log cannot be written',
  exchange: 'a request ended in a fault',
} as const;

const PAYMENT_STATES: ReadonlySet<string> = new Set(['intended', 'settled', 'uncertain', 'voided']);

function count(metrics: Metrics, receipt: Receipt, railOf: (wallet: string) => string): void {
  const { kind, hold, service } = receipt;
  if (!hold || !service || !PAYMENT_STATES.has(kind)) return;
  metrics.payment(service.id, railOf(hold.wallet), kind as PaymentState);
  if (kind === 'settled') metrics.spend(receipt.agent?.team ?? null, service.id, readMicros(hold.amount));
}
