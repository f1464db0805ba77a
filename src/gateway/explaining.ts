// Answers "what would happen if" from the parts of a gateway, running or not: the question is read as strictly as an
// agent's request, the decision is the real one, and nobody is called.
import type { Budget } from '../budget/budget.ts';
import type { Config } from '../config/config.ts';
import { readEvmAddress } from '../domain/evm-address.ts';
import { GatewayFault } from '../domain/fault.ts';
import type { LineState, OpenHold, Stop } from '../domain/hold.ts';
import { MAX_MICROS, microsOfDecimal, readMoney } from '../domain/money.ts';
import type { DecisionCheck } from '../domain/receipt.ts';
import { isRefusal, type Refusal } from '../domain/refusal.ts';
import { holdRefusal, lineChecks } from '../exchange/store-answer.ts';
import type { Forecast } from '../explain/answer.ts';
import { forecast, UNCOUNTED, withCounters } from '../explain/forecast.ts';
import { type Asked, type AskedDemand, type Judged, judge, type World } from '../explain/judge.ts';
import { isName } from '../identity/claims.ts';
import { readTarget } from '../inbound/target.ts';
import type { PolicySet } from '../policy/set.ts';
import type { Wallet } from '../rail/rail.ts';
import { suggestion } from '../yaml/words.ts';

/** The question as it was written. */
export interface Question {
  readonly agent: string;
  readonly service: string;
  /** `GET /v1/x`: what the agent would ask of the service, without the service's id. */
  readonly request: string;
  /** `0.02 USD`. */
  readonly price?: string;
  readonly asset?: string;
  readonly payee?: string;
  readonly task?: string;
}

/** The question cannot be read; one sentence for the person who asked. */
export interface Unreadable {
  readonly kind: 'unreadable';
  readonly detail: string;
}

/** What the answer is taken from. */
export interface ExplainParts {
  readonly config: Config;
  readonly set: PolicySet;
  /** The opened wallets; null where none are opened, and then the configuration says which would pay. */
  readonly wallets: readonly Wallet[] | null;
  /** The budget store; null where its counters cannot be read. */
  readonly budget: Pick<Budget, 'lines' | 'stops' | 'openHolds'> | null;
  /** What the counters are called: `the running gateway`. */
  readonly source: string;
  readonly nowMs: number;
}

/** What would be decided. A store that does not answer leaves the counters unknown. */
export async function explainQuestion(parts: ExplainParts, question: Question): Promise<Forecast | Unreadable> {
  const world = worldOf(parts);
  const asked = readQuestion(parts.config, question);
  if ('kind' in asked) return asked.kind === 'unreadable' ? asked : refusedBefore(parts.set, question, asked);
  const judged = judge(world, asked);
  const told = forecast(world, asked, judged);
  const assumed = parts.wallets ? told.assumed : [...told.assumed, ...UNOPENED(asked.demand)];
  return count(parts, asked, judged, { ...told, assumed });
}

/** What makes no sense about a question, before anybody is asked; undefined when it can be asked. */
export function questionFault(config: Config, question: Question): string | undefined {
  const asked = readQuestion(config, question);
  return 'kind' in asked && asked.kind === 'unreadable' ? asked.detail : undefined;
}

/** What decisions depend on, from a configuration and a set. */
export function worldOf({ config, set, wallets, nowMs }: Omit<ExplainParts, 'budget' | 'source'>): World {
  return {
    set,
    currency: config.accounting.currency,
    timeZone: config.accounting.timeZone,
    assets: config.assets,
    nowMs,
    walletFor: (offer, { id }) => {
      const asset = config.assets.find((known) => known.id === id);
      if (!asset) throw new Error('an asset of the configuration is not in it');
      if (!wallets) return configuredWallet(config, asset.network);
      let unpayable: ReturnType<World['walletFor']>['unpayable'] = NO_WALLET;
      for (const wallet of wallets) {
        if (!wallet.answers.includes(`${offer.challenge.method}/${offer.challenge.intent}`)) continue;
        const payable = wallet.payable(offer, asset);
        if (payable === true) return { wallet: wallet.id, unpayable: null };
        unpayable = payable;
      }
      return { wallet: null, unpayable };
    },
  };
}

const NO_WALLET = { code: 'rail_unavailable', detail: 'No wallet of this gateway can pay this demand.' } as const;

function configuredWallet({ wallets }: Config, network: string): ReturnType<World['walletFor']> {
  const wallet = wallets.find((known) =>
    known.rail === 'sandbox' ? network === 'sandbox' : known.networks.includes(network),
  );
  return wallet ? { wallet: wallet.id, unpayable: null } : { wallet: null, unpayable: NO_WALLET };
}

const UNOPENED = (demand: AskedDemand | null): string[] =>
  demand ? ['no wallet is open: which one would pay is taken from the configuration'] : [];

const unreadable = (detail: string): Unreadable => ({ kind: 'unreadable', detail });

/** The agent's request as it would go upstream; a refusal where it never would. */
function readQuestion(config: Config, question: Question): Asked | Unreadable | Refusal {
  const { agent, service, task = null } = question;
  if (!isName(agent) || !isName(service)) return unreadable('An agent and a service are 1 to 256 visible characters.');
  if (task !== null && !isName(task)) return unreadable('A task is 1 to 256 visible characters.');
  const [, method, path] = /^([A-Z][A-Z0-9-]{0,31}) (\/\S*)$/.exec(question.request) ?? [];
  if (method === undefined || path === undefined) {
    return unreadable('A request is a method and a path, such as "GET /v1/x"; the path does not name the service.');
  }
  const demand = readDemand(config, question);
  if (demand !== null && 'kind' in demand) return demand;
  const target = readTarget(`/${service}${path}`, []);
  if (isRefusal(target)) return target;
  const known = config.services.find(({ id }) => id === target.service);
  if (!known) {
    const hint = suggestion(
      service,
      config.services.map(({ id }) => id),
    );
    return { kind: 'refused', code: 'service_unknown', detail: `This gateway has no service of that name${hint}.` };
  }
  return { agent, service, method, path: `${known.basePath}${target.path}`, task, demand };
}

function readDemand(config: Config, { price, asset, payee }: Question): AskedDemand | Unreadable | null {
  const { currency } = config.accounting;
  if (price === undefined) {
    return asset === undefined && payee === undefined
      ? null
      : unreadable('An asset and a payee belong to a price: add --price.');
  }
  const money = readMoney(price);
  const micros = money && microsOfDecimal(money.amount);
  if (money?.currency !== currency || micros === undefined || micros < 1n) {
    return unreadable(
      `A price is an amount above 0 in ${currency} with at most six decimals, such as "0.02 ${currency}".`,
    );
  }
  const known = config.assets.find(({ id }) => id === asset);
  const onChain = known?.network.startsWith('eip155:') === true;
  const canonical = payee === undefined ? null : onChain ? (readEvmAddress(payee) ?? null) : payee;
  if (payee !== undefined && (canonical === null || !isName(payee))) {
    return unreadable('A payee on a chain is an address: 0x and 40 hex digits, mixed case with a right checksum.');
  }
  if (asset !== undefined && !isName(asset)) return unreadable('An asset is one of `assets` in the configuration.');
  const most = micros > MAX_MICROS ? MAX_MICROS + 1n : micros;
  return { micros: most, asset: asset ?? null, network: null, payee: canonical };
}

/** Refused before any rule is looked at. */
function refusedBefore(set: PolicySet, question: Question, { code, detail }: Refusal): Forecast {
  const { agent, service, request } = question;
  const nothing = { price: null, rule: null, checks: [], failing: null, nearest: null, assumed: [], amendments: [] };
  const who = { id: agent, owner: null, team: null, at: null };
  const said = { outcome: 'refused', code, detail, policy: set.version, agent: who, service, request } as const;
  return { ...said, ...nothing, counters: UNCOUNTED, afterwards: null, beyond: null };
}

/** Asks the store in the order in which a hold's step would judge: stops, unsettled purchases, budget lines. */
async function count(parts: ExplainParts, asked: Asked, judged: Judged, told: Forecast): Promise<Forecast> {
  const { budget, config, source, nowMs } = parts;
  const { candidate } = judged;
  if (judged.refusal || !candidate || candidate.micros === null) return told;
  if (!budget) return { ...told, counters: { known: false, source } };
  try {
    const [stops, open, lines] = await Promise.all([budget.stops(), budget.openHolds(), budget.lines(judged.lines)]);
    const order = { request: { micros: candidate.micros } };
    const stop = stops.find((one) => stopsThis(one, asked, candidate.wallet));
    const unsettled = open.filter((hold) => isUnsettled(hold, asked)).length;
    const checks: DecisionCheck[] = [
      { check: 'stop', outcome: stop ? 'failed' : 'passed' },
      ...(stop ? [] : [pauseCheck(unsettled, config.limits.unsettled)]),
    ];
    if (stop) {
      const refusal = holdRefusal({ kind: 'stopped', stop }, order, nowMs);
      const detail = `${refusal?.detail ?? ''} It was ${stop.by}: ${stop.because}.`;
      return withCounters(told, { source, checks, refusal: refusal && { ...refusal, detail } });
    }
    if (unsettled >= config.limits.unsettled) {
      return withCounters(told, { source, checks, refusal: holdRefusal({ kind: 'paused', unsettled }, order, nowMs) });
    }
    const over = exceeded(lines, candidate.micros);
    const all = [...checks, ...lineChecks(lines, order, over?.line ?? null)];
    return withCounters(told, { source, checks: all, refusal: over && holdRefusal({ ...over, lines }, order, nowMs) });
  } catch (fault) {
    if (!(fault instanceof GatewayFault)) throw fault;
    return { ...told, counters: { known: false, source: 'the budget store does not answer' } };
  }
}

const stopsThis = ({ kind, id }: Stop, { agent, service }: Asked, wallet: string | null): boolean =>
  kind === 'all' || id === { agent, service, wallet }[kind];

/** Counted by the agent, since nobody knows which of its subjects would ask. */
const isUnsettled = (hold: OpenHold, { agent, service }: Asked): boolean =>
  hold.state === 'uncertain' && hold.agent === agent && hold.service === service;

const pauseCheck = (unsettled: number, most: number): DecisionCheck => ({
  check: 'unsettled',
  outcome: unsettled >= most ? 'failed' : 'passed',
  limit: String(most),
  held: String(unsettled),
});

/** The line that has no room, by the store's own rule; the store alone decides when it comes to it. */
function exceeded(lines: readonly LineState[], micros: bigint) {
  for (const [index, line] of lines.entries()) {
    const full = micros > line.limitMicros - line.settledMicros - line.heldMicros;
    const many = line.limitPayments !== null && line.payments + 1 > line.limitPayments;
    if (full || many) return { kind: 'exceeded', line: index, what: full ? 'amount' : 'payments' } as const;
  }
  return null;
}
