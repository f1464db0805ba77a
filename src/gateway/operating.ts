// What the operators' port and the metrics may see and order, taken from the gateway's parts.
import type { Budget } from '../budget/budget.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../domain/clock.ts';
import type { LineState, OpenHold } from '../domain/hold.ts';
import type { Turns } from '../domain/turns.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { errorFacts, type Log } from '../observe/log.ts';
import type { Metrics, MetricsOptions } from '../observe/metrics.ts';
import { operatorToken } from '../operators/operator-token.ts';
import { createOrders, type OrderParts } from '../operators/orders.ts';
import { problem } from '../operators/problem.ts';
import type { OperatorsOptions } from '../operators/server.ts';
import type { PolicySet } from '../policy/set.ts';
import type { Wallet } from '../rail/rail.ts';
import type { Authority } from './authority.ts';
import { type ExplainParts, explainQuestion } from './explaining.ts';
import type { Status } from './settling.ts';
import { isDevelopment } from './store.ts';

/** The parts both of them read. */
export interface Operated {
  readonly config: Config;
  readonly budget: Budget;
  readonly ledger: Ledger;
  readonly authority: Authority;
  readonly status: Status;
}

const MOST_SCOPES = 1_000;
const UNWITNESSED = 'waits for the first answer of a witness (witnesses): nothing is bought before; see the log';

/** Where a scrape reads from. */
export function metricsOptions({ config, budget, ledger, authority, status }: Operated, clock: Clock): MetricsOptions {
  return {
    services: config.services.map((service) => service.id),
    rails: [...new Set(config.wallets.map(({ rail }) => rail))],
    store: async () => {
      const open = await budget.openHolds();
      const oldest = open.find(({ state }) => state === 'uncertain');
      return {
        holds: countHolds(open),
        oldestUncertainSeconds: oldest ? Math.max(0, clock.now() - oldest.heldAt) / 1_000 : 0,
        budgets: await fullest(budget, authority.current()),
      };
    },
    policy: () => ({
      version: authority.current().version,
      lastReloadSuccessful: authority.lastReloadSuccessful(),
      agentsUntil: authority
        .current()
        .agents.flatMap(({ agent, untilMs }) =>
          untilMs === null ? [] : [{ agent: agent.id, until: untilMs / 1_000 }],
        ),
    }),
    segmentsStuck: () => status.segmentsStuck,
    blocked: () => ({
      draining: status.draining,
      ledger: !ledger.ready(),
      policy: !authority.agreed(),
      store: !status.storeAnswers || !status.recovered || !status.witnessed || status.storeClosed !== null,
    }),
  };
}

function storeTrouble(status: Status): string | null {
  if (status.storeClosed !== null) return status.storeClosed;
  if (!status.storeAnswers) return 'does not answer';
  if (!status.witnessed) return UNWITNESSED;
  return status.recovered ? null : (status.recoveryWaits ?? 'is being recovered');
}

/** What the operators' port works with; makes the local token when none is configured. */
export async function operatorsOptions(
  parts: Operated & {
    metrics: Metrics;
    tls: { cert: string; key: string } | null;
    clock: Clock;
    log: Log;
    wallets: readonly Wallet[];
    unwritten: OrderParts['unwritten'];
    turns: Turns;
    evidence: OrderParts['evidence'];
    sight: OperatorsOptions['sight'];
  },
): Promise<OperatorsOptions> {
  const { config, budget, ledger, authority, status, metrics, tls, clock, log, wallets } = parts;
  const { unwritten, turns, evidence, sight } = parts;
  const configured = config.operators.tokens.map((token) => ({ ...token, localOnly: false }));
  return {
    listen: config.listen.operators,
    tls,
    tlsAhead: config.listen.tlsAhead,
    tokens: configured.length > 0 ? configured : [await operatorToken(config.state.dir)],
    readiness: () => ({
      draining: status.draining,
      ledger: ledger.trouble(),
      policy: true,
      policyRejected: authority.rejected(),
      store: storeTrouble(status),
      development: isDevelopment(config),
    }),
    metrics: () => metrics.text(),
    keys: () => ledger.keys(),
    unexpected: (error) => log.event('error', 'an operator request ended in a fault', { error: errorFacts(error) }),
    budget,
    ledger,
    orders: createOrders({
      ...{ budget, ledger, clock, unwritten, turns, evidence },
      knows: knows(config, () => authority.current()),
    }),
    sight,
    budgetTerms: () => [...authority.current().budgets.values()],
    explain: explainer(config, () => authority.current(), {
      ...{ wallets, budget, clock, source: 'the running gateway' },
      rejected: authority.rejected,
    }),
    policy: () => ({
      version: authority.current().version,
      lastReloadSuccessful: authority.lastReloadSuccessful(),
      problems: authority.problems(),
      agents: authority.current().agents.map(({ agent }) => agent.id),
      entitlements: authority.current().entitlements.map(({ id }) => id),
      budgets: [...authority.current().budgets.keys()],
    }),
  };
}

/** Answers what would be decided, as the operators' API gives it. */
export function explainer(
  config: Config,
  policy: () => PolicySet,
  from: Pick<ExplainParts, 'wallets' | 'budget' | 'source'> & { readonly clock: Clock; rejected?(): string | null },
): OperatorsOptions['explain'] {
  return async (question) => {
    const told = await explainQuestion({ config, set: policy(), ...from, nowMs: from.clock.now() }, question);
    if ('kind' in told) return problem('query_invalid', told.detail);
    const rejected = from.rejected?.() ?? null;
    return rejected === null ? told : { ...told, assumed: [rejected, ...told.assumed] };
  };
}

/** Does the configuration or the register have what an order names? */
export function knows(config: Config, policy: () => PolicySet): OrderParts['knows'] {
  return (kind, id) => {
    if (kind === 'service') return config.services.some((service) => service.id === id);
    if (kind === 'wallet') return config.wallets.some((wallet) => wallet.id === id);
    return policy().agents.some(({ agent }) => agent.id === id);
  };
}

function countHolds(open: readonly OpenHold[]): Record<OpenHold['state'], number> {
  const counts = { held: 0, exposed: 0, uncertain: 0 };
  for (const hold of open) counts[hold.state] += 1;
  return counts;
}

async function fullest(budget: Budget, set: PolicySet): Promise<LineState[]> {
  const lines = await Promise.all([...set.budgets.values()].map((terms) => budget.scopes(terms, MOST_SCOPES)));
  return lines.flat();
}
