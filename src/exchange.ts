// THE STORY of one request, top to bottom: identify → locate → admit → forward → 402? → read, decide, hold, expose,
// intend, prove, send once, judge, settle → reply. Only this file sequences the steps; each step refuses by value.
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { sleep, type Timer } from './domain/clock.ts';
import { GatewayFault } from './domain/fault.ts';
import type { HoldOutcome, LineState, Purchase, PurchaseClaim } from './domain/hold.ts';
import { isRefusal, type Refusal, refuse } from './domain/refusal.ts';
import { exposureNow } from './exchange/exposure.ts';
import { Finisher } from './exchange/finisher.ts';
import { forwardAgain, forwardFirst, type LocatedVisit, relayFree, upstreamPath } from './exchange/forwarding.ts';
import { ownPage } from './exchange/own-pages.ts';
import type { Parts } from './exchange/parts.ts';
import { exposeOrder, payAndAnswer, sealIntended } from './exchange/payment.ts';
import type { Payment } from './exchange/payment-entry.ts';
import { fingerprintOf, type Order, readOrder } from './exchange/purchase.ts';
import { RefusalMeter } from './exchange/refusal-meter.ts';
import { answerRefusal, answerUnsealed, faultRefusal, type Judged } from './exchange/refusing.ts';
import { answerRepeat, MISMATCH } from './exchange/repeat.ts';
import { holdRefusal, lineChecks } from './exchange/store-answer.ts';
import { isUpgrading, openTunnel, TOO_MANY, Tunnels, type UpgradingVisit } from './exchange/upgrading.ts';
import { bodyEnd, during, ExchangeIds, openVisit, subjectOf, timed, type Visit } from './exchange/visit.ts';
import { findAgentPayment, findToken } from './identity/find-token.ts';
import { headerValues, readAgentAsks } from './inbound/agent-request.ts';
import { readTarget } from './inbound/target.ts';
import type { Upgrade } from './inbound/upgrade.ts';
import { type Admitted, admit, type Rejection } from './policy/decide.ts';
import type { Answer } from './upstream/answer.ts';

/** How often a service that hands out one challenge twice is asked for a fresh one, and how long is waited at most. */
const FRESH_CHALLENGE_WITHIN_MS = [200, 1_000, 5_000];

/** The exchange of this gateway: handles requests until it is closed. */
export class Exchange {
  readonly #parts: Parts;
  readonly #meter: RefusalMeter;
  /** Writes outcomes, also those that are found later. */
  readonly finisher: Finisher;
  readonly #ids: ExchangeIds;
  readonly #tunnels: Tunnels;
  readonly #summaries: Timer;
  #active = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#meter = new RefusalMeter(parts.clock, parts.limits.refusals);
    this.finisher = new Finisher(parts);
    this.#ids = new ExchangeIds(parts.ledger.log, parts.random);
    this.#tunnels = new Tunnels(parts);
    this.#summaries = parts.timers.every(SUMMARIES_EVERY_MS, () => void this.#sealSummaries('over'));
    this.#summaries.unref();
  }

  /** Handles one request, or tunnel, to its end. Never throws. `awaitsContinue`: its body comes only after a 100. */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
    upgrade: Upgrade | null = null,
  ): Promise<void> {
    const visit = openVisit(this.#parts, this.#ids.next(), request, response, awaitsContinue, upgrade);
    this.#active += 1;
    try {
      await this.#tell(visit);
    } catch (fault) {
      await this.#no(visit, this.#told(fault));
    } finally {
      this.#active -= 1;
      this.#report(visit);
    }
  }

  /** Requests under way, and outcomes that still have to be written. */
  underWay(): number {
    return this.#active + this.finisher.pending;
  }

  /** Does its purchase run, or wait for its outcome to be written? */
  unwritten(hold: string): boolean {
    return this.finisher.holds(hold);
  }

  /** Ends the tunnels and seals what is left to seal. */
  async close(): Promise<void> {
    this.#summaries.close();
    await this.#tunnels.close();
    await this.#sealSummaries('all');
    await this.finisher.close();
  }

  /** Who asks, for what, and may it at all? Everything here is judged before anything goes upstream. */
  async #tell(visit: Visit): Promise<void> {
    const unknown = await during(visit, 'identify', () => this.#identify(visit));
    if (unknown) return this.#no(visit, unknown);
    const unclear = this.#readRequest(visit);
    if (unclear) return this.#no(visit, unclear);
    if (visit.target?.service === OWN_PAGES) {
      return ownPage(this.#parts, visit, visit.target, (refusal) => this.#no(visit, refusal));
    }
    const admitted = timed(visit, 'admit', () => this.#locateAndAdmit(visit));
    if (isRefusal(admitted)) return this.#no(visit, admitted, { checks: admitted.checks ?? [] });
    await this.#forward(visit as LocatedVisit, admitted);
  }

  async #identify(visit: Visit): Promise<Refusal | undefined> {
    const found = findToken(visit.request.rawHeaders, this.#parts.issuers);
    if (isRefusal(found)) return found;
    const identity = await this.#parts.identify(found.token);
    if (isRefusal(identity)) return identity;
    visit.identity = identity;
    visit.agent = this.#parts.policy().findAgent(identity.issuer, identity.subject)?.agent ?? null;
    visit.consumed = new Set(found.consumed);
    visit.serviceAuthorization = found.serviceAuthorization;
    return undefined;
  }

  #readRequest(visit: Visit): Refusal | undefined {
    const target = readTarget(visit.request.url ?? '', headerValues(visit.request.rawHeaders, 'host'));
    if (isRefusal(target)) return target;
    visit.target = target;
    const asks = readAgentAsks(visit.request.rawHeaders);
    if (isRefusal(asks)) return asks;
    visit.asks = asks;
    return findAgentPayment(visit.request.rawHeaders);
  }

  #locateAndAdmit(visit: Visit): Admitted | Rejection {
    const { target, identity, asks } = visit;
    assert(target && identity, 'a request is located after it was identified');
    const service = this.#parts.services.get(target.service);
    if (!service) return UNKNOWN_SERVICE;
    visit.service = service;
    const path = upstreamPath(service, target.path);
    const method = visit.request.method ?? 'GET';
    const request = {
      service: service.id,
      method,
      path,
      nowMs: this.#parts.clock.now(),
      taskClaimed: asks?.taskClaimed ?? null,
    };
    const admitted = admit(this.#parts.policy(), identity, request);
    visit.agent = admitted.agent ?? null;
    return admitted;
  }

  /** Forwards, unless its key already stands for a purchase; a 402 becomes a purchase. */
  async #forward(visit: LocatedVisit, admitted: Admitted): Promise<void> {
    if (visit.asks?.idempotencyKey && (await this.#repeatsByKey(visit))) return;
    if (isUpgrading(visit)) return this.#upgrade(visit, admitted);
    const answer = await forwardFirst(this.#parts, visit);
    if (isRefusal(answer)) return this.#noUnlessLeft(visit, answer);
    if (answer.status === 402) return this.#buy(visit, admitted, answer);
    return this.#relay(visit, answer);
  }

  /** Another protocol: a tunnel that lives while its agent may, or an answer like any other. Nothing is paid for it. */
  async #upgrade(visit: UpgradingVisit, admitted: Admitted): Promise<void> {
    if (!this.#tunnels.room(admitted)) return answerUnsealed(this.#parts, visit, TOO_MANY, null);
    const opened = await openTunnel(this.#parts, visit);
    if (isRefusal(opened)) return this.#noUnlessLeft(visit, opened);
    if ('status' in opened) return this.#relay(visit, opened);
    visit.outcome = 'relayed';
    // A drain does not wait for tunnels: it ends them.
    this.#active -= 1;
    await this.#tunnels.keep(opened, visit, admitted);
    this.#active += 1;
  }

  async #relay(visit: LocatedVisit, answer: Answer): Promise<void> {
    const delivery = await relayFree(this.#parts, visit, answer);
    if (isRefusal(delivery)) return this.#no(visit, delivery);
    visit.outcome = delivery.outcome === 'whole' ? 'relayed' : 'cut';
  }

  /** A claimed key never goes upstream again. */
  async #repeatsByKey(visit: LocatedVisit): Promise<boolean> {
    const { budget } = this.#parts;
    const probe = await budget.lookUp(claimOf(visit, ''));
    if (!probe) return false;
    const end = await bodyEnd(visit);
    if (end === 'gone') return true;
    const purchase = end === 'kept' ? await budget.lookUp(claimOf(visit, fingerprintOf(visit))) : probe;
    if (!purchase) return false;
    if (purchase.sameRequest) await answerRepeat(this.#parts, this.finisher, visit, purchase);
    else await this.#no(visit, MISMATCH);
    return true;
  }

  /** Sets the money aside for one of the offers; a challenge that is taken is exchanged for a fresh one. */
  async #buy(visit: LocatedVisit, admitted: Admitted, first: Answer): Promise<void> {
    let answer = first;
    for (let attempt = 0; ; attempt += 1) {
      const order = await readOrder(this.#parts, visit, admitted, answer, attempt);
      if ('refusal' in order) return this.#noUnlessLeft(visit, order.refusal, order.judged);
      if (!this.#parts.ledger.ready()) return this.#no(visit, faultRefusal(NO_LEDGER), order.judged);
      if (!this.#parts.ready()) return this.#no(visit, faultRefusal(NO_STORE), order.judged);
      const hold = () => this.#parts.budget.hold(order.request).catch((fault) => this.#told(fault));
      const outcome = await during(visit, 'hold', hold);
      if (outcome.kind === 'refused') return this.#no(visit, outcome, order.judged);
      if (outcome.kind === 'held') return this.#pay(visit, order, outcome.lines);
      if (outcome.kind === 'repeat') return this.#repeat(visit, order, outcome.purchase);
      const refusal = holdRefusal(outcome, order, this.#parts.clock.now());
      if (refusal) return this.#no(visit, refusal, judgedByStore(order, outcome));
      const within = FRESH_CHALLENGE_WITHIN_MS[attempt];
      if (within === undefined) return this.#no(visit, REUSED, order.judged);
      await this.#pause(within);
      const fresh = await forwardAgain(this.#parts, visit);
      if (isRefusal(fresh)) return this.#noUnlessLeft(visit, fresh);
      if (fresh.status !== 402) return this.#relay(visit, fresh);
      answer = fresh;
    }
  }

  #repeat(visit: LocatedVisit, order: Order, purchase: Purchase): Promise<void> {
    if (!purchase.sameRequest) return this.#no(visit, MISMATCH, order.judged);
    return answerRepeat(this.#parts, this.finisher, visit, purchase);
  }

  /** held → exposed → intended → proof → outcome. Up to `intended` every way out releases the hold. */
  async #pay(visit: LocatedVisit, held: Order, lines: readonly LineState[]): Promise<void> {
    const checks = [...(held.judged.checks ?? []), ...lineChecks(lines, held, null)];
    const order = { ...held, judged: { ...held.judged, checks } };
    const payment: Payment = { visit, order, lines, intended: '', exposure: exposureNow(this.#parts), proofHash: null };
    const refused = await exposeOrder(this.#parts, payment).catch((fault) => this.#told(fault));
    if (refused) return this.#no(visit, refused, order.judged);
    const intended = await sealIntended(this.#parts, payment).catch((fault) => this.#told(fault));
    if (isRefusal(intended)) return this.#no(visit, intended, order.judged);
    if (intended === 'left') return;
    await payAndAnswer(this.#parts, this.finisher, payment);
  }

  /** A fault before `intended` is a refusal, once it was reported. */
  #told(fault: unknown): Refusal {
    this.#parts.watch.fault('exchange', fault);
    return faultRefusal(fault);
  }

  #no(visit: Visit, refusal: Refusal, judged?: Judged): Promise<void> {
    return answerRefusal(this.#parts, this.#meter, visit, refusal, judged);
  }

  /** An agent that left before anything was decided is told nothing. */
  async #noUnlessLeft(visit: Visit, refusal: Refusal, judged?: Judged): Promise<void> {
    if (!visit.gone.aborted) await this.#no(visit, refusal, judged);
  }

  async #pause(withinMs: number): Promise<void> {
    const random = Buffer.from(this.#parts.random.bytes(4)).readUInt32BE() / 2 ** 32;
    await sleep(this.#parts.timers, 1 + random * withinMs);
  }

  async #sealSummaries(which: 'over' | 'all'): Promise<void> {
    for (const entry of this.#meter.takeSummaries(which)) await this.finisher.finish({ entry, apply: async () => {} });
  }

  #report(visit: Visit): void {
    visit.watched.ended({
      exchange: visit.exchange,
      method: visit.request.method ?? '',
      service: visit.service?.id ?? null,
      agent: visit.agent?.id ?? null,
      status: visit.response.headersSent ? visit.response.statusCode : visit.switched ? 101 : 0,
      code: visit.code,
      outcome: visit.gone.aborted && visit.outcome !== 'paid' ? 'cut' : visit.outcome,
      ms: this.#parts.clock.monotonic() - visit.startedAt,
      trace: visit.watched.trace?.id ?? null,
    });
  }
}

function claimOf(visit: LocatedVisit, fingerprint: string): PurchaseClaim {
  assert(visit.identity, 'a claim needs an identity');
  return { subject: subjectOf(visit.identity), key: visit.asks?.idempotencyKey ?? null, fingerprint, saysRetry: false };
}

function judgedByStore(order: Order, outcome: HoldOutcome): Judged {
  if (outcome.kind !== 'exceeded') return order.judged;
  const lines = lineChecks(outcome.lines, order, outcome.line);
  return { ...order.judged, checks: [...(order.judged.checks ?? []), ...lines] };
}

const OWN_PAGES = '.purser';
const SUMMARIES_EVERY_MS = 5_000;

const NO_LEDGER = new GatewayFault('ledger_unavailable', 'untouched', 'the outcome of a purchase could not be sealed');
const NO_STORE = new GatewayFault('store_unavailable', 'untouched', 'the store was not yet compared and recovered');

const UNKNOWN_SERVICE = refuse(
  'service_unknown',
  'This gateway has no service of that name; GET /.purser/services lists what this agent may reach.',
);

const REUSED = refuse(
  'challenge_reused',
  'The service hands out a challenge that another purchase already answers, also when asked for fresh ones. ' +
    'Nothing was paid; ask again later.',
);
