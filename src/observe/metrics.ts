// What Prometheus reads. Every label comes from the configuration, the register or a closed list, and every family is
// bounded: nothing an agent sends can make a new series. Counters here are for watching, never for deciding.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { LineState, OpenHold } from '../domain/hold.ts';
import type { Micros } from '../domain/money.ts';
import { REFUSALS } from '../domain/refusal.ts';

/** How a request ended: relayed without payment, paid for, a proof may be out, refused, cut off, or a page of ours. */
export type RequestOutcome = 'relayed' | 'paid' | 'uncertain' | 'refused' | 'cut' | 'own';
/** The state a payment reached. */
export type PaymentState = 'intended' | 'settled' | 'uncertain' | 'voided';
/** What became of a payment; `alarming`: unknown, and what was seen cannot be. */
export type EvidenceResult = (typeof EVIDENCE_RESULTS)[number];
/** What can stand in the way of every payment at this gateway. */
export type PayReason = (typeof PAY_REASONS)[number];

/** The steps of a request that are timed; another name is counted as `other`. */
export const STAGES = [
  'identify',
  'admit',
  'forward',
  'read',
  'decide',
  'hold',
  'expose',
  'seal',
  'prove',
  'pay',
] as const;
export type Stage = (typeof STAGES)[number];
const EVIDENCE_RESULTS = ['redeemed', 'dead', 'unknown', 'alarming'] as const;
const PAY_REASONS = ['draining', 'ledger', 'policy', 'store'] as const;
const HOLD_STATES = ['held', 'exposed', 'uncertain'] as const satisfies readonly OpenHold['state'][];

/** Seconds; from a cached identity check to a slow service. */
const STAGE_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60,
];

/** The most series of one family whose labels grow with the register. */
const MOST_SERIES = 1000;
const LOOP_RESOLUTION_MS = 10;

/** What is read when somebody scrapes. */
export interface Scraped {
  /** Read from the store; may throw, its gauges are then left out. */
  readonly store: () => Promise<{
    readonly holds: Readonly<Record<OpenHold['state'], number>>;
    /** How long the oldest uncertain hold has been open; 0 when there is none. */
    readonly oldestUncertainSeconds: number;
    /** At most 1,000 scopes of each budget, fullest first. */
    readonly budgets: readonly LineState[];
  }>;
  readonly policy: () => {
    readonly version: string;
    readonly lastReloadSuccessful: boolean;
    /** The register's `until`, in seconds since 1970. */
    readonly agentsUntil: readonly { readonly agent: string; readonly until: number }[];
  } | null;
  /** Did the last move of receipts into a segment fail? */
  readonly segmentsStuck: () => boolean;
  /** For each reason: does it stand in the way of payments now? */
  readonly blocked: () => Readonly<Record<PayReason, boolean>>;
}

/** The configured ids that may be labels, and where gauges are read from. */
export interface MetricsOptions extends Scraped {
  readonly services: readonly string[];
  readonly rails: readonly string[];
}

/** The gateway's metrics. The counting methods are cheap, never throw and never wait. */
export interface Metrics {
  request(service: string | null, outcome: RequestOutcome): void;
  refusal(code: string): void;
  payment(service: string, rail: string, state: PaymentState): void;
  spend(team: string | null, service: string, micros: Micros): void;
  /** What a look-up at a rail found. */
  evidence(rail: string, result: EvidenceResult): void;
  /** `stage` is one of {@link STAGES}. */
  stage(stage: string, seconds: number): void;
  /** The text of a scrape; scrapes at the same time share one reading of the store. */
  text(): Promise<string>;
  close(): void;
}

/** Builds a registry of its own, so that several gateways can live in one process. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const counters = createCounters(registry);
  const gauges = createGauges(registry);
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const services = new Set(options.services);
  const known = (service: string | null): string => (service !== null && services.has(service) ? service : 'unknown');
  const requests = bound(counters.requests);
  const payments = bound(counters.payments);
  const spend = bound(counters.spend);
  const stages = series(STAGES, (stage) => counters.stages.labels(stage));
  const refusals = series(Object.keys(REFUSALS), (code) => counters.refusals.labels(code));
  // There from the start, so that a first refusal is seen as an increase.
  for (const code of Object.keys(REFUSALS)) refusals(code).inc(0);
  for (const rail of options.rails) {
    for (const result of EVIDENCE_RESULTS) counters.evidence.inc({ rail, result }, 0);
  }
  let scrape: Promise<string> | undefined;

  return {
    request: (service, outcome) => requests(known(service), outcome).inc(),
    refusal: (code) => refusals(code).inc(),
    payment: (service, rail, state) => payments(known(service), rail, state).inc(),
    spend: (team, service, micros) => spend(team ?? '', known(service)).inc(Number(micros)),
    evidence: (rail, result) => counters.evidence.inc({ rail, result }),
    stage: (stage, seconds) => stages(stage).observe(seconds),
    text() {
      scrape ??= collect(options, gauges, loop)
        .then(() => registry.metrics())
        .finally(() => {
          scrape = undefined;
        });
      return scrape;
    },
    close: () => loop.disable(),
  };
}

function createCounters(registry: Registry) {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers });
  return {
    requests: counter('purser_requests_total', 'Requests answered.', ['service', 'outcome']),
    payments: counter('purser_payments_total', 'Payments by the state they reached.', ['service', 'rail', 'state']),
    refusals: counter('purser_refusals_total', 'Refusals by code.', ['code']),
    spend: counter('purser_spend_micros_total', 'Settled, in millionths of the accounting currency.', [
      'team',
      'service',
    ]),
    evidence: counter('purser_evidence_total', 'Look-ups of uncertain payments.', ['rail', 'result']),
    stages: new Histogram({
      name: 'purser_stage_seconds',
      help: 'Time spent in each step of a request.',
      labelNames: ['stage'],
      buckets: STAGE_BUCKETS,
      registers,
    }),
  };
}

function createGauges(registry: Registry) {
  const registers = [registry];
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Gauge({ name, help, labelNames, registers });
  return {
    holds: gauge('purser_holds', 'Holds that are open.', ['state']),
    uncertain: gauge('purser_uncertain_oldest_seconds', 'Age of the oldest uncertain hold, 0 where there is none.', []),
    limit: gauge('purser_budget_limit_micros', 'Limit of a budget for one scope.', ['budget', 'scope']),
    used: gauge('purser_budget_used_micros', 'Settled or held of a budget for one scope.', [
      'budget',
      'scope',
      'state',
    ]),
    policy: gauge('purser_policy_info', 'The policy set in force.', ['version']),
    reload: gauge('purser_policy_last_reload_successful', 'Was the last reload of the policies taken up?', []),
    segments: gauge('purser_segments_last_move_successful', 'Could the oldest receipts be moved into a segment?', []),
    until: gauge('purser_agent_until_seconds', "Each agent's review date; the 1,000 soonest.", ['agent']),
    loop: gauge('purser_event_loop_delay_seconds', 'Delay of the event loop since the last scrape.', ['percentile']),
    canPay: gauge('purser_can_pay', '0 where this reason stands in the way of every payment.', ['reason']),
  };
}

async function collect(from: Scraped, to: ReturnType<typeof createGauges>, loop: LoopDelay): Promise<void> {
  const store = await from.store().catch(() => undefined);
  to.uncertain.remove();
  for (const gauge of [to.holds, to.limit, to.used, to.policy, to.until]) gauge.reset();
  if (store) {
    to.uncertain.set(store.oldestUncertainSeconds);
    for (const state of HOLD_STATES) to.holds.set({ state }, store.holds[state]);
    for (const line of fullest(store.budgets)) {
      const { budget, scope } = line;
      to.limit.set({ budget, scope }, Number(line.limitMicros));
      to.used.set({ budget, scope, state: 'settled' }, Number(line.settledMicros));
      to.used.set({ budget, scope, state: 'held' }, Number(line.heldMicros));
    }
  }
  const policy = from.policy();
  to.reload.set(policy?.lastReloadSuccessful ? 1 : 0);
  if (policy) {
    to.policy.set({ version: policy.version }, 1);
    const soonest = [...policy.agentsUntil].sort((a, b) => a.until - b.until).slice(0, MOST_SERIES);
    for (const { agent, until } of soonest) to.until.set({ agent }, until);
  }
  to.segments.set(from.segmentsStuck() ? 0 : 1);
  const blocked = from.blocked();
  for (const reason of PAY_REASONS) to.canPay.set({ reason }, blocked[reason] ? 0 : 1);
  to.loop.set({ percentile: '50' }, delaySeconds(loop, 50));
  to.loop.set({ percentile: '99' }, delaySeconds(loop, 99));
  loop.reset();
}

type LoopDelay = ReturnType<typeof monitorEventLoopDelay>;

/** The monitor counts its own timer's interval as delay. */
function delaySeconds(loop: LoopDelay, percentile: number): number {
  return Math.max(0, loop.percentile(percentile) / 1e9 - LOOP_RESOLUTION_MS / 1000);
}

function fullest(lines: readonly LineState[]): LineState[] {
  const counts = new Map<string, number>();
  return lines.filter(({ budget }) => {
    const count = (counts.get(budget) ?? 0) + 1;
    counts.set(budget, count);
    return count <= MOST_SERIES;
  });
}

/**
 * Looks a counter's series up by its label values, in order, without building an object each time. Beyond 1,000 series
 * of the family (teams of many policy sets, say) the rest is counted under `other`.
 */
function bound<Label extends string>(counter: Counter<Label>): (...values: string[]) => { inc(by?: number): void } {
  const children = new Map<string, { inc(by?: number): void }>();
  return (...values) => {
    const key = values.join('\n');
    const found = children.get(key);
    if (found) return found;
    const made = counter.labels(...(children.size < MOST_SERIES ? values : values.map(() => 'other')));
    if (children.size < MOST_SERIES) children.set(key, made);
    return made;
  };
}

/** The series of a closed list of names, looked up beforehand; another name is counted as `other`. */
function series<Child>(names: readonly string[], child: (name: string) => Child): (name: string) => Child {
  const known = new Map(names.map((name) => [name, child(name)]));
  return (name) => known.get(name) ?? child('other');
}
