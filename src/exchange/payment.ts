// The purchase from the hold to its end: exposed, intended, proved, sent once, judged, sealed, settled, answered. From
// `intended` on it ends without the agent, and whatever cannot be known stays exposed.
import { createHash } from 'node:crypto';
import { HEARD_MS } from '../budget/store.ts';
import { mppAuthorization, readPaymentReceipt } from '../challenge/credential.ts';
import { sleep } from '../domain/clock.ts';
import type { Ending } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';
import type { ReceiptEntry } from '../domain/receipt.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { endOfToken } from '../identity/identify.ts';
import { type Delivery, deliver } from '../inbound/deliver.ts';
import { type ReceiptState, receiptHeader } from '../inbound/reply.ts';
import { standing } from '../policy/decide.ts';
import type { Answer } from '../upstream/answer.ts';
import type { Forwarded } from '../upstream/forward.ts';
import { exposureNow, stands } from './exposure.ts';
import type { Finisher, Outcome } from './finisher.ts';
import { forwardPaid, headersForAgent, type LocatedVisit } from './forwarding.ts';
import { judgeAnswer } from './judge.ts';
import type { Parts } from './parts.ts';
import { type Payment, paymentEntry } from './payment-entry.ts';
import { answerUnsealed } from './refusing.ts';
import { type UncertainCode, uncertainRefusal } from './uncertain.ts';
import { during, visitEntry } from './visit.ts';

/** How long beyond `paymentSettle` an exposed purchase counts as running. */
const RUN_MARGIN_MS = 10_000;

/**
 * Marks the hold exposed: refused when the agent has lost its standing or its token has expired, and when stopped or
 * lapsed. Never both ways.
 */
export async function exposeOrder(parts: Parts, payment: Payment): Promise<Refusal | undefined> {
  const { visit, order } = payment;
  markLeaving(parts, payment);
  const lost = lostStanding(parts, visit);
  if (lost) {
    await parts.budget.release(order.request.id);
    return lost;
  }
  const runMs = visit.service.paymentSettleMs + RUN_MARGIN_MS;
  payment.exposure = exposureNow(parts);
  const outcome = await during(visit, 'expose', () => parts.budget.expose(order.request.id, runMs));
  if (outcome.kind === 'stopped')
    return refuse(
      'stopped',
      'An operator stopped payments while this one was being decided. Wait until that is lifted, or ask them.',
    );
  if (outcome.kind === 'lapsed')
    return refuse(
      'store_unavailable',
      'The hold lapsed before the payment could begin; nothing was paid. Try again shortly.',
    );
  return undefined;
}

/** From the hold on an agent that leaves is marked at once, so that its next request finds this purchase. */
function markLeaving(parts: Parts, { visit, order }: Payment): void {
  const leave = () => void parts.budget.leave(order.request.id);
  if (visit.gone.aborted) leave();
  else visit.gone.add(leave);
}

/** Is the agent no longer what it was when it asked? Its request may have taken hours. */
function lostStanding(parts: Parts, { identity }: LocatedVisit): Refusal | undefined {
  if (!identity) throw new Error('a purchase needs an identity');
  const now = parts.clock.now();
  if (now < endOfToken(identity)) return standing(parts.policy(), identity, now);
  return refuse('token_expired', 'The identity token expired before the payment could begin; nothing was paid.');
}

/** Seals `intended`: durable before money can move. When that fails, or the agent has left, the hold is released. */
export async function sealIntended(parts: Parts, payment: Payment): Promise<'sealed' | 'left'> {
  const { visit, order } = payment;
  if (visit.gone.aborted) {
    await parts.budget.release(order.request.id);
    return 'left';
  }
  try {
    const entry = paymentEntry(parts, payment, 'intended', {});
    const sealed = await during(visit, 'seal', () => parts.ledger.seal(entry));
    payment.intended = sealed.receipt.id;
    return 'sealed';
  } catch (fault) {
    await parts.budget.release(order.request.id);
    throw fault;
  }
}

/**
 * Makes the proof, sends it once, and brings the purchase to its end. Never throws: after `intended` doubt is an end.
 */
export async function payAndAnswer(parts: Parts, finisher: Finisher, payment: Payment): Promise<void> {
  await finisher.running(payment.order.request.id, async () => {
    try {
      await pay(parts, finisher, payment);
    } catch (fault) {
      parts.watch.fault('exchange', fault);
      await uncertain(parts, finisher, payment, 'payment_uncertain', null);
    }
  });
}

async function pay(parts: Parts, finisher: Finisher, payment: Payment): Promise<void> {
  const forwarded = await sendProof(parts, payment);
  switch (forwarded.kind) {
    case 'answered':
      return answered(parts, finisher, payment, forwarded.answer);
    case 'switched':
      return uncertain(parts, finisher, payment, 'paid_not_delivered', 101);
    case 'lost':
      return uncertain(parts, finisher, payment, 'payment_uncertain', null);
    case 'unsent':
      return neverSent(parts, finisher, payment, forwarded.why);
  }
}

async function sendProof(parts: Parts, payment: Payment): Promise<Forwarded> {
  const { visit, order } = payment;
  const { offer, planned } = order;
  let authorization: string;
  if (!stands(parts, payment.exposure)) return { kind: 'unsent', why: 'unreachable' };
  try {
    const proof = await during(visit, 'prove', () => order.wallet.prove(planned, order.asset));
    authorization = mppAuthorization(offer.challenge, proof.payload, proof.source);
  } catch (fault) {
    parts.watch.fault('exchange', fault);
    return { kind: 'unsent', why: 'unreachable' };
  }
  const inTime = () => parts.clock.now() < planned.redeemableUntil && stands(parts, payment.exposure);
  payment.proofHash = createHash('sha256').update(authorization).digest('hex');
  return forwardPaid(parts, visit, authorization, inTime);
}

async function answered(parts: Parts, finisher: Finisher, payment: Payment, answer: Answer): Promise<void> {
  const { headers, elsewhere } = headersForAgent(payment.visit, answer);
  const verdict = judgeAnswer(answer.status, elsewhere !== null);
  if (verdict === 'settled') return settled(parts, finisher, payment, answer, headers);
  if (verdict === 'passed') return passed(parts, finisher, payment, answer, headers);
  answer.discard(parts.limits.challengeBytes);
  const code = verdict === 'rejected' ? 'payment_rejected' : 'paid_not_delivered';
  return uncertain(parts, finisher, payment, code, answer.status);
}

/** A final 2xx or 304: paid. The outcome is sealed and settled before the agent sees its head. */
async function settled(
  parts: Parts,
  finisher: Finisher,
  payment: Payment,
  answer: Answer,
  headers: string[],
): Promise<void> {
  const { order } = payment;
  const claim = readPaymentReceipt(answer.values('payment-receipt')[0] ?? '');
  const settlement = {
    evidence: 'answered' as const,
    ...(claim?.reference === undefined ? {} : { reference: claim.reference }),
    ...(claim ? { receiptHash: claim.hash } : {}),
    upstreamStatus: answer.status,
  };
  const entry = paymentEntry(parts, payment, 'settled', { settlement });
  const receipt = await finish(finisher, payment, { entry, apply: () => parts.budget.settle(order.request.id) });
  const shown = withReceipt(parts, payment, headers, receipt, receipt === null ? 'pending' : 'settled');
  await handOver(parts, finisher, payment, answer, shown, receipt ?? payment.intended);
}

/** Another 3xx or 4xx: the service answered, but nothing says that it took the money. */
async function passed(
  parts: Parts,
  finisher: Finisher,
  payment: Payment,
  answer: Answer,
  headers: string[],
): Promise<void> {
  const entry = paymentEntry(parts, payment, 'uncertain', { settlement: { upstreamStatus: answer.status } });
  const receipt = await finish(finisher, payment, { entry, apply: async () => {} });
  const shown = withReceipt(parts, payment, headers, receipt, receipt === null ? 'pending' : 'exposed');
  await handOver(parts, finisher, payment, answer, shown, receipt ?? payment.intended);
}

const finish = (finisher: Finisher, { visit }: Payment, outcome: Outcome): Promise<string | null> =>
  during(visit, 'seal', () => finisher.finish(outcome));

/** Streams the answer, and closes the purchase by what really reached the agent. */
async function handOver(
  parts: Parts,
  finisher: Finisher,
  payment: Payment,
  answer: Answer,
  headers: string[],
  receipt: string,
): Promise<void> {
  const { visit, order } = payment;
  const hold = order.request.id;
  visit.outcome = 'paid';
  const keeping = answer.status < 300 ? parts.kept.begin(hold) : null;
  const head = { status: answer.status, reason: answer.reason, headers };
  const broken = (fault: unknown): Delivery => {
    // The outcome is sealed: what goes wrong now is the delivery's, and never makes the payment uncertain.
    parts.watch.fault('exchange', fault);
    answer.abort();
    visit.response.destroy();
    return { outcome: 'cut', bytes: 0, complete: false };
  };
  const delivery = await deliver(visit.response, parts.timers, head, answer, keeping).catch(broken);
  const whole = delivery.outcome === 'whole';
  if (whole && order.request.claim.key === null) keeping?.drop();
  const ending: Ending = { code: null, upstreamStatus: answer.status, receipt };
  const entry: ReceiptEntry = {
    kind: 'delivered',
    ...visitEntry(parts, visit),
    delivery: { outcome: delivery.outcome, bytes: delivery.bytes },
  };
  await finisher.finish({ entry, apply: () => parts.budget.close(hold, ending, whole) });
}

/** Nobody can say whether the proof was redeemed: the hold stays exposed and the agent is told so. */
async function uncertain(
  parts: Parts,
  finisher: Finisher,
  payment: Payment,
  code: UncertainCode,
  upstreamStatus: number | null,
): Promise<void> {
  const { id: hold, micros, redeemableUntil, claim } = payment.order.request;
  const refusal = uncertainRefusal(code, upstreamStatus, formatMicros(micros), redeemableUntil);
  const settlement = upstreamStatus === null ? {} : { upstreamStatus };
  const entry = paymentEntry(parts, payment, 'uncertain', { settlement, code });
  const receipt = await finish(finisher, payment, {
    entry,
    apply: (id) => parts.budget.close(hold, { code, upstreamStatus, receipt: id }, false),
  });
  // Whoever is told may ask again at once, elsewhere, without a key: it has to be found there, or this gateway be gone.
  const unknown = receipt === null && claim.key === null && !(await parts.budget.leave(hold));
  if (unknown) await sleep(parts.timers, HEARD_MS);
  answerUnsealed(parts, payment.visit, refusal, receipt ?? payment.intended);
}

/** No byte of the proof left this process: it is destroyed, the money returns, and the agent may try again. */
async function neverSent(
  parts: Parts,
  finisher: Finisher,
  payment: Payment,
  why: 'unreachable' | 'timeout',
): Promise<void> {
  const fenced = !stands(parts, payment.exposure);
  const code = fenced ? 'store_unavailable' : why === 'timeout' ? 'upstream_timeout' : 'upstream_unreachable';
  const entry = paymentEntry(parts, payment, 'voided', { settlement: {}, code });
  const release = () => parts.budget.void(payment.order.request.id, 'freed');
  const receipt = await finish(finisher, payment, { entry, apply: release });
  const detail = fenced
    ? 'The budget store had to be rebuilt, or this gateway was away, before the payment could begin; nothing was paid.'
    : 'The payment proof was made but never left the gateway, and was destroyed; nothing was paid. Ask again.';
  answerUnsealed(parts, payment.visit, refuse(code, detail), receipt ?? payment.intended);
}

/** The service's headers with ours: the receipt, and no shared cache. */
function withReceipt(
  parts: Parts,
  payment: Payment,
  headers: string[],
  receipt: string | null,
  state: ReceiptState,
): string[] {
  const shown: string[] = [];
  let noStore = false;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const [name = '', value = ''] = headers.slice(i, i + 2);
    if (name.toLowerCase() === 'cache-control') noStore ||= /no-store/i.test(value);
    else shown.push(name, value);
  }
  const { micros } = payment.order.request;
  shown.push('Cache-Control', noStore ? 'private, no-store' : 'private');
  shown.push('Purser-Receipt', receiptHeader(receipt ?? payment.intended, state, micros, parts.currency));
  return shown;
}
