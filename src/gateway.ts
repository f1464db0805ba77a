// Composition root: builds every part from the configuration, connects them, and takes them down again in order. It
// decides nothing about a request.
import { createHmac, randomBytes } from 'node:crypto';
import { cannotListen } from './config/addresses.ts';
import type { Config } from './config/config.ts';
import { type Clock, type Random, SYSTEM_TIMERS, sleep } from './domain/clock.ts';
import type { Parts, Watch } from './exchange/parts.ts';
import { Exchange } from './exchange.ts';
import { type Authority, createAuthority, policyContext } from './gateway/authority.ts';
import { refuseCopy } from './gateway/copied-state.ts';
import { openEvidence } from './gateway/evidence.ts';
import { type Found, lookForEvidence } from './gateway/finding.ts';
import { openIdentifier } from './gateway/identity.ts';
import { lookerAt } from './gateway/looking.ts';
import { explainer, knows, metricsOptions, type Operated, operatorsOptions } from './gateway/operating.ts';
import { keepRolling } from './gateway/rolling.ts';
import { openServices } from './gateway/services.ts';
import { keepSettled, type Settling, type Status } from './gateway/settling.ts';
import { type OpenStore, openStore, type Sealed, tornText } from './gateway/store.ts';
import { openConfiguredWallets } from './gateway/wallets.ts';
import { createWatch, watchReceipts } from './gateway/watching.ts';
import { keepWitnessed, type Witnessing } from './gateway/witnessing.ts';
import { openFrom } from './inbound/from.ts';
import { KeptAnswers } from './inbound/kept-answers.ts';
import { createInbound, type Inbound } from './inbound/server.ts';
import type { Log } from './observe/log.ts';
import { createMetrics } from './observe/metrics.ts';
import type { OfflineState } from './operators/api.ts';
import type { Listener } from './operators/listener.ts';
import { createProbes } from './operators/probes.ts';
import { createOperators } from './operators/server.ts';
import { loadPolicies } from './policy/load.ts';
import type { PolicySet } from './policy/set.ts';
import type { RequestTracer } from './trace/span.ts';
import { hasErrors, showProblem } from './yaml/problem.ts';

/** A gateway that is built; nothing listens before `listen`. */
export interface Gateway {
  /** Opens the ports, the agents' last; resolves with their base URLs. */
  listen(): Promise<{ readonly agents: string; readonly operators: string; readonly probes?: string }>;
  /** Looks at the policies now. */
  reload(): Promise<void>;
  /** Resolves with the reason when the state is lost: nothing can be decided any more, it has to be started anew. */
  readonly lost: Promise<string>;
  /** Drains within `limits.drain`, then closes everything. Can be called twice. */
  close(): Promise<void>;
}

/** How a gateway is started. */
export interface Starting {
  readonly tracer?: RequestTracer | null;
  /** The copy of a state folder that may be used, as the message that refused it names it. */
  readonly acceptCopy?: string | null;
}

/** A gateway could not be built; the message is for the person who started it. */
export class StartFailed extends Error {}

const DRAIN_LOOK_MS = 25;

const CLOCK: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
const RANDOM: Random = { bytes: (length) => randomBytes(length) };

/**
 * Builds a gateway; requests are traced where there is a tracer, which stays the caller's. Throws {@link StartFailed},
 * or another Error with a message for people, for anything that must be mended before it can run.
 */
export async function openGateway(
  config: Config,
  log: Log,
  { tracer = null, acceptCopy = null }: Starting = {},
): Promise<Gateway> {
  const { set, warnings } = firstPolicies(config);
  for (const warning of warnings) log.event('warn', 'policy warning', { problems: [warning] });
  const told: { sealed: Sealed } = { sealed: (receipt) => log.receipt(receipt) };
  const store = await openStore(config, CLOCK, RANDOM, (receipt) => told.sealed(receipt)).catch((error: unknown) => {
    throw new StartFailed(error instanceof Error ? error.message : 'the state cannot be opened');
  });
  if (store.torn > 0) log.event('warn', tornText(store.torn, store.ledger.newest()));
  try {
    await refuseCopy(config, store, acceptCopy);
    return await assemble(config, { log, tracer }, set, store, told);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function assemble(
  config: Config,
  { log, tracer }: { log: Log; tracer: RequestTracer | null },
  set: PolicySet,
  store: OpenStore,
  told: { sealed: Sealed },
): Promise<Gateway> {
  const { budget, ledger } = store;
  const status: Status = beginning();
  const authority = createAuthority(config, { budget, ledger, log }, set);
  const operated = { config, budget, ledger, authority, status };
  const metrics = createMetrics(metricsOptions(operated, CLOCK));
  const rails = new Map(config.wallets.map((wallet) => [wallet.id, wallet.rail]));
  told.sealed = watchReceipts(log, metrics, (wallet) => rails.get(wallet) ?? 'unknown');
  const parts = await exchangeParts(config, log, operated, store.key, createWatch(log, metrics, tracer));
  const exchange = new Exchange(parts);
  const tls = config.listen.tls ? { cert: config.listen.tls.cert, key: config.listen.tls.key.reveal() } : null;
  const found = lookForEvidence(config, parts, {
    ...{ finisher: exchange.finisher, log, metrics },
    ready: () => status.recovered && !status.draining,
  });
  const handle: typeof exchange.handle = (...request) => exchange.handle(...request);
  const inbound = createInbound({ ...config.listen.agents, tls, handle });
  const shown = await operatorsOptions({
    ...operated,
    metrics,
    tls,
    clock: CLOCK,
    log,
    wallets: parts.wallets,
    unwritten: (hold) => exchange.unwritten(hold),
    ...found.shown,
  });
  const operators = createOperators(shown);
  const { probes: place } = config.listen;
  const probes = place ? createProbes({ ...shown, listen: place }) : null;
  const witnessing = await keepWitnessed({ config, ledger, log, timers: SYSTEM_TIMERS, status });
  const settling = keepSettled(parts, authority, store.shared, status, log);
  await settling.first;
  await authority.sealFirst();
  const rolling = keepRolling({ ledger, log, timers: SYSTEM_TIMERS, clock: CLOCK, status });
  const loss = watchLoss(store, witnessing);
  const takeDown = async (): Promise<void> => {
    status.draining = true;
    await inbound.drain();
    await drained(() => inbound.connections() + leftToDo(exchange, loss.happened()), config.limits.drainMs);
    await takeApart({
      ...{ inbound, exchange, operators, probes, settling, witnessing },
      ...{ rolling, authority, parts, store, found },
    });
    metrics.close();
    log.flush();
  };
  let closing: Promise<void> | undefined;
  return {
    listen: async () => ({
      operators: await listening('operators', config, operators),
      ...(probes ? { probes: await listening('probes', config, probes) } : {}),
      agents: await listening('agents', config, inbound),
    }),
    reload: () => authority.reload(),
    lost: loss.told,
    close: () => {
      closing ??= takeDown();
      return closing;
    },
  };
}

function listening(name: 'agents' | 'operators' | 'probes', { listen }: Config, port: Pick<Listener, 'listen'>) {
  return port.listen().catch((error: unknown): never => {
    throw new StartFailed(cannotListen(`listen.${name}`, listen[name] ?? listen.operators, error));
  });
}

async function exchangeParts(
  config: Config,
  log: Log,
  { budget, ledger, authority, status }: Operated,
  key: Uint8Array,
  watch: Watch,
): Promise<Parts> {
  const wallets = await openConfiguredWallets(config, RANDOM);
  const identifier = await openIdentifier(config, CLOCK, log);
  const answers = new Set(wallets.flatMap((wallet) => wallet.answers));
  return {
    clock: CLOCK,
    timers: SYSTEM_TIMERS,
    random: RANDOM,
    currency: config.accounting.currency,
    services: openServices(config.services, config.limits.challengeBytes),
    issuers: identifier.issuers,
    from: openFrom(config.listen.trustedProxies),
    identify: (token) => identifier.identify(token),
    policy: () => authority.current(),
    assets: config.assets,
    wallets,
    answers,
    acceptPayment: [...answers].join(', '),
    budget,
    ledger,
    ready: () => status.recovered && status.witnessed && authority.agreed() && budget.generation() !== null,
    kept: new KeptAnswers(config.limits.keptAnswersBytes),
    limits: config.limits,
    watch,
    upstreamKey: (subject, name) =>
      createHmac('sha256', key)
        .update(JSON.stringify([subject, name]))
        .digest('hex'),
  };
}

/** The durable parts of a gateway that does not run, for orders given while it is down. */
export async function openOffline(config: Config): Promise<OfflineState> {
  const { set } = firstPolicies(config);
  const store = await openStore(config, CLOCK, RANDOM, () => {});
  const explain = explainer(config, () => set, {
    wallets: null,
    clock: CLOCK,
    budget: store.budget,
    source: 'the state; no gateway runs',
  });
  const services = openServices(config.services, config.limits.challengeBytes);
  const evidences = openEvidence(config, services, CLOCK);
  return {
    ...{ ...store, explain, knows: knows(config, () => set), budgetTerms: () => [...set.budgets.values()] },
    evidence: lookerAt({ ledger: store.ledger, evidences, timers: SYSTEM_TIMERS }),
    close: async () => {
      await evidences.close();
      await Promise.all([...services.values()].map((service) => service.pool.destroy()));
      await store.close();
    },
  };
}

function firstPolicies(config: Config): { set: PolicySet; warnings: string[] } {
  const { set, problems } = loadPolicies(config.policies, policyContext(config));
  if (!set || hasErrors(problems)) throw new StartFailed(problems.map(showProblem).join('\n'));
  return { set, warnings: problems.map(showProblem) };
}

/** How every gateway begins. */
function beginning(): Status {
  const wrong = { storeClosed: null, segmentsStuck: false };
  return { ...wrong, draining: false, recovered: false, recoveryWaits: null, storeAnswers: true, witnessed: false };
}

/** Without its state, or with another copy of it, a gateway can decide nothing. */
function watchLoss(...parts: readonly Pick<OpenStore, 'onLost'>[]): {
  readonly told: Promise<string>;
  happened(): boolean;
} {
  let happened = false;
  const told = new Promise<string>((resolve) => {
    const lost = (reason: string): void => {
      happened = true;
      resolve(reason);
    };
    for (const part of parts) part.onLost(lost);
  });
  return { told, happened: () => happened };
}

/** An outcome that cannot be written any more is not waited for: after the next start it is uncertain. */
const leftToDo = (exchange: Exchange, isLost: boolean): number =>
  exchange.underWay() - (isLost ? exchange.finisher.pending : 0);

/** Waits for what is under way, at most so long; what is not done by then is finished by recovery. */
async function drained(left: () => number, withinMs: number): Promise<void> {
  const until = CLOCK.monotonic() + withinMs;
  while (left() > 0 && CLOCK.monotonic() < until) await sleep(SYSTEM_TIMERS, DRAIN_LOOK_MS);
}

interface Running {
  readonly inbound: Inbound;
  readonly exchange: Exchange;
  readonly operators: Listener;
  readonly probes: Listener | null;
  readonly settling: Settling;
  readonly witnessing: Witnessing;
  readonly rolling: { close(): Promise<void> };
  readonly authority: Authority;
  readonly parts: Parts;
  readonly store: OpenStore;
  readonly found: Found;
}

async function takeApart({
  inbound,
  exchange,
  operators,
  probes,
  settling,
  witnessing,
  rolling,
  authority,
  parts,
  store,
  found,
}: Running): Promise<void> {
  settling.stop();
  authority.close();
  await inbound.close();
  // Before the exchange, which writes what was found.
  await found.stop();
  await exchange.close();
  await Promise.all([operators.close(), probes?.close()]);
  await Promise.all([found.close(), witnessing.close(), rolling.close()]);
  await Promise.all([...parts.services.values()].map((service) => service.pool.destroy()));
  await store.close();
}
