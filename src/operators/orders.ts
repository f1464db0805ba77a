// What a person orders: stop, start, and how an uncertain hold ended. Every order is sealed with who gave it and why;
// an order that takes authority away works before it is sealed, one that gives it works only after.
import type { Clock } from '../domain/clock.ts';
import { GatewayFault } from '../domain/fault.ts';
import type { Ending, OpenHold, Stop } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';
import type { ReceiptEntry, Sealed } from '../domain/receipt.ts';
import type { Turns } from '../domain/turns.ts';
import type { ResolveOrder, RotateOrder, StartOrder, StopOrder } from './forms.ts';
import { type OperatorProblem, problem } from './problem.ts';
import { instantOf } from './views.ts';

/** What the orders need of the budget store. */
export interface OrderStore {
  openHolds(): Promise<OpenHold[]>;
  settle(hold: string): Promise<void>;
  void(hold: string, purchase: 'kept'): Promise<void>;
  close(hold: string, ending: Ending, whole: boolean): Promise<void>;
  stop(stop: Omit<Stop, 'at'>): Promise<void>;
  start(kind: Stop['kind'], id: string): Promise<boolean>;
  stops(): Promise<Stop[]>;
}

/** What the orders need of the receipt log. */
export interface OrderLedger {
  seal(entry: ReceiptEntry): Promise<Sealed>;
  ofExchange(exchange: string): Promise<Sealed[]>;
  /** The outcome sealed under this number has reached the store. */
  applied(seq: number): Promise<void>;
  /** Seals that a new key takes over; the one before it is destroyed. */
  rotateKey(rotation: { readonly by: string; readonly because: string }): Promise<Sealed>;
}

/** An order that was carried out, and the receipt of it. */
export interface Done {
  readonly kind: 'done';
  readonly receipt: string;
  /** Something the person should know about it, such as an id that nothing has. */
  readonly warning?: string;
}

/** The orders of operators; `by` is the name of the token that gave them. */
export interface Orders {
  /** Store first: whatever becomes of the receipt, no new payment is made. */
  stop(order: StopOrder, by: string): Promise<Done | OperatorProblem>;
  /** Receipt first: nobody gives authority back unrecorded. */
  start(order: StartOrder, by: string): Promise<Done | OperatorProblem>;
  /** Ends an uncertain hold; one at a time, and never against an outcome that is already sealed. */
  resolve(hold: string, order: ResolveOrder, by: string): Promise<Done | OperatorProblem>;
  /** Gives the log a new key; one at a time. */
  rotateKey(order: RotateOrder, by: string): Promise<Done>;
}

/** What the orders work on. */
export interface OrderParts {
  readonly budget: OrderStore;
  readonly ledger: OrderLedger;
  readonly clock: Clock;
  /** Does the configuration or the register have this id? */
  readonly knows: (kind: Exclude<Stop['kind'], 'all'>, id: string) => boolean;
  /** Is the end of this hold still its purchase's own to write? */
  readonly unwritten: (hold: string) => boolean;
  /** Whoever ends a hold takes its turn here. */
  readonly turns: Turns;
  /** What the books of its rail show now; null where nothing of it can be looked for. Ends within seconds. */
  readonly evidence: (hold: OpenHold) => Promise<RailEvidence | null>;
}

/** What was seen at a rail, as far as an order may contradict it. */
export interface RailEvidence {
  readonly verdict: 'redeemed' | 'dead' | 'unknown';
  readonly seen: string;
}

/** Throws GatewayFault('store_unavailable' | 'ledger_unavailable') where nothing was changed. */
export function createOrders(parts: OrderParts): Orders {
  return {
    // Not in turn: nothing delays a stop.
    stop: (order, by) => stop(parts, order, by),
    start: (order, by) => parts.turns.take('start', () => start(parts, order, by)),
    rotateKey: ({ because }, by) =>
      parts.turns.take('rotate', async () => done(await parts.ledger.rotateKey({ by, because }))),
    resolve: (hold, order, by) => parts.turns.take(hold, () => resolve(parts, hold, order, by)),
  };
}

async function stop(parts: OrderParts, order: StopOrder, by: string): Promise<Done | OperatorProblem> {
  const { budget, ledger } = parts;
  const { kind, id, because } = order;
  await budget.stop({ kind, id, because, by });
  const sealed = await sealOrLost(ledger, operatorEntry(`stop ${targetText(order)}`, 'applied', by, because));
  if (!sealed) {
    const detail = 'The stop is in force, but no receipt of it could be sealed. Give it again once the log works.';
    return problem('ledger_unavailable', detail);
  }
  const known = kind === 'all' || parts.knows(kind, id);
  return known
    ? done(sealed)
    : { ...done(sealed), warning: `This gateway knows no ${kind} "${id}": is it the right id?` };
}

async function start({ budget, ledger }: OrderParts, order: StartOrder, by: string): Promise<Done | OperatorProblem> {
  const what = `start ${targetText(order)}`;
  const stops = await budget.stops();
  if (!stops.some((stop) => stop.kind === order.kind && stop.id === order.id)) {
    return problem(
      'not_stopped',
      `Nothing to start: there is no stop for ${targetText(order)}. See "purser stop list".`,
    );
  }
  const sealed = await ledger.seal(operatorEntry(what, 'applied', by, order.because));
  try {
    await budget.start(order.kind, order.id);
  } catch (error) {
    if (!(error instanceof GatewayFault)) throw error;
    await sealOrLost(ledger, operatorEntry(what, 'rejected', by, 'the budget store did not answer'));
    return problem('store_unavailable', `The budget store did not answer: the stop may still be in force. Try again.`);
  }
  return done(sealed);
}

async function resolve(
  parts: OrderParts,
  id: string,
  order: ResolveOrder,
  by: string,
): Promise<Done | OperatorProblem> {
  const { budget, ledger, clock, unwritten } = parts;
  const hold = (await budget.openHolds()).find((open) => open.id === id);
  if (!hold) {
    return problem('hold_unknown', 'It may have ended since: see "purser receipts list".');
  }
  if (unwritten(id)) {
    const detail = 'Its purchase still runs, or its outcome is about to be written. Look again in a moment.';
    return problem('hold_running', detail);
  }
  const story = (await ledger.ofExchange(hold.exchange)).filter(({ receipt }) => receipt.hold?.id === id);
  const outcome = story.findLast(({ receipt }) => ['settled', 'voided', 'resolved'].includes(receipt.kind));
  const no = mayResolve(hold, order, outcome, clock.now());
  if (no) return no;
  const against = outcome ? null : contradicted(order, await parts.evidence(hold));
  if (against !== null && order.againstEvidence !== true) return contradiction(order, against);
  const sealed = outcome ?? (await ledger.seal(resolvedEntry(hold, story, order, { by, against })));
  await (order.as === 'settled' ? budget.settle(id) : budget.void(id, 'kept'));
  const { code = null, upstreamStatus = null } = hold.ending ?? {};
  await budget.close(id, { code, upstreamStatus, receipt: sealed.receipt.id }, false);
  await ledger.applied(sealed.receipt.seq);
  return done(sealed);
}

/** What was seen at the rail that says the opposite; null when nothing does. */
function contradicted({ as }: ResolveOrder, evidence: RailEvidence | null): string | null {
  const opposite = as === 'settled' ? 'dead' : 'redeemed';
  return evidence?.verdict === opposite ? evidence.seen : null;
}

function contradiction({ as }: ResolveOrder, seen: string): OperatorProblem {
  const detail =
    `The books of its rail say the opposite of ${as}: ${seen}. Purser ends the hold by them within moments. ` +
    'If you know better, order it again with --against-evidence; that is sealed too.';
  return problem('evidence_contradicts', detail);
}

/** Undefined when the hold may end as ordered; a sealed outcome that says the same may be applied once more. */
function mayResolve(
  hold: OpenHold,
  order: ResolveOrder,
  outcome: Sealed | undefined,
  nowMs: number,
): OperatorProblem | undefined {
  if (hold.state !== 'uncertain') {
    return problem('hold_running', 'Its request has not ended; a hold is resolved by a person once it is uncertain.');
  }
  if (outcome) {
    const said = outcome.receipt.kind === 'resolved' ? outcome.receipt.change?.what : outcome.receipt.kind;
    if (said === order.as || said === resolvedAs(order)) return undefined;
    return problem('outcome_sealed', `Receipt ${outcome.receipt.id} already says ${said}; the store will follow it.`);
  }
  if (order.as === 'voided' && nowMs < hold.redeemableUntil) {
    return problem(
      'proof_redeemable',
      `Its proof can be redeemed until ${instantOf(hold.redeemableUntil)}; only then may it be voided.`,
    );
  }
  return undefined;
}

const resolvedAs = (order: ResolveOrder): string => `resolved as ${order.as}`;

/**
 * Who and what stand as in the purchase's own receipts; a hold of another gateway's log has only what the store knows.
 */
function resolvedEntry(
  hold: OpenHold,
  story: readonly Sealed[],
  order: ResolveOrder,
  { by, against }: { readonly by: string; readonly against: string | null },
): ReceiptEntry {
  const intended = story.find(({ receipt }) => receipt.kind === 'intended')?.receipt;
  const told = story.findLast(({ receipt }) => receipt.kind === 'uncertain')?.receipt.decision;
  const known = {
    id: hold.id,
    wallet: hold.wallet,
    amount: formatMicros(hold.micros),
    fee: formatMicros(0n),
    budgets: hold.lines.map((line) => ({ id: line.budget, scope: line.scope, window: instantOf(line.windowStart) })),
  };
  return {
    kind: 'resolved',
    exchange: hold.exchange,
    ...(intended?.trace ? { trace: intended.trace } : {}),
    ...(intended?.agent ? { agent: intended.agent } : {}),
    service: intended?.service ?? { id: hold.service },
    ...(intended?.offer ? { offer: intended.offer } : {}),
    ...(told ? { decision: told } : {}),
    hold: intended?.hold ?? known,
    ...(intended?.proof ? { proof: intended.proof } : {}),
    settlement: { evidence: 'person' },
    change: {
      ...{ what: resolvedAs(order), outcome: 'applied', by, because: order.because },
      ...(against === null ? {} : { against }),
    },
  };
}

function operatorEntry(
  what: string,
  outcome: 'applied' | 'rejected',
  by: string,
  because: string | undefined,
): ReceiptEntry {
  return { kind: 'operator', change: { what, outcome, by, ...(because === undefined ? {} : { because }) } };
}

async function sealOrLost(ledger: OrderLedger, entry: ReceiptEntry): Promise<Sealed | undefined> {
  try {
    return await ledger.seal(entry);
  } catch (error) {
    if (error instanceof GatewayFault) return undefined;
    throw error;
  }
}

const targetText = ({ kind, id }: { kind: Stop['kind']; id: string }): string =>
  kind === 'all' ? 'all' : `${kind} ${id}`;

const done = (sealed: Sealed): Done => ({ kind: 'done', receipt: sealed.receipt.id });
