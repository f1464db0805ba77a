// What the evidence of a rail means for an uncertain purchase: how its payment is named on the rail, when it is looked
// for, and the outcome that is sealed. Pure, but for the outcome's step in the store.
import type { Abandoned, OpenHold, RailPayment } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';
import type { Receipt, ReceiptEntry, Sealed } from '../domain/receipt.ts';
import type { Evidence, ExposedProof } from '../rail/evidence.ts';
import type { Outcome } from './finisher.ts';
import type { Parts } from './parts.ts';

/** The receipts of one hold, in order. */
export type Story = readonly Receipt[];

/** The story of a hold from those of its exchange. */
export function storyOfHold(hold: string, exchange: readonly Sealed[]): Story {
  return exchange.map(({ receipt }) => receipt).filter((receipt) => receipt.hold?.id === hold);
}

/** The payment as its `intended` names it; undefined when no intent is sealed: then no proof was made. */
export function exposedProof(story: Story): ExposedProof | undefined {
  const intended = story.find(({ kind }) => kind === 'intended');
  if (!intended?.offer || !intended.proof) return undefined;
  const { offer, proof } = intended;
  return {
    network: offer.network,
    identity: proof.identity,
    payee: offer.payee,
    atoms: BigInt(offer.atoms),
    heldAt: Date.parse(intended.at),
    redeemableUntil: Date.parse(proof.redeemableUntil),
  };
}

/** The same of another gateway's hold, as the store keeps it. */
export function proofOfHold({ heldAt, redeemableUntil }: OpenHold, payment: RailPayment): ExposedProof {
  return { ...payment, heldAt, redeemableUntil };
}

/** The outcome that is sealed already, if any: evidence comes too late then. */
export function sealedOutcome(story: Story): Receipt | undefined {
  return story.findLast(({ kind }) => kind === 'settled' || kind === 'voided' || kind === 'resolved');
}

const LEAST_WAIT_MS = 500;
const MOST_BEFORE_END_MS = 60_000;
const MOST_AFTER_END_MS = 600_000;
/** Clocks are not equal to the millisecond, and the end itself still counts. */
const AFTER_END_MS = 250;

/**
 * When to look again; milliseconds since 1970. The wait grows with the time that has gone by, so that evidence is found
 * at most half as late again as it came to be: half the time since the hold was placed, at most a minute, and right
 * after the end of the proof's life; then half the time since that end, at most ten minutes. Needs no memory.
 */
export function nextLookAt({ heldAt, redeemableUntil }: OpenHold, nowMs: number): number {
  const ended = nowMs > redeemableUntil;
  const gone = nowMs - (ended ? redeemableUntil : heldAt);
  const wait = Math.max(LEAST_WAIT_MS, Math.min(gone / 2, ended ? MOST_AFTER_END_MS : MOST_BEFORE_END_MS));
  return ended ? nowMs + wait : Math.min(nowMs + wait, redeemableUntil + AFTER_END_MS);
}

/** The end that evidence gives a purchase; undefined while it shows none. Sealed first, then applied to the store. */
export function outcomeByEvidence(
  budget: Pick<Parts['budget'], 'settle' | 'void' | 'close'>,
  hold: OpenHold,
  story: Story,
  evidence: Evidence,
): Outcome | undefined {
  const last = story.findLast(({ kind }) => kind === 'uncertain' || kind === 'intended');
  if (evidence.verdict === 'unknown' || !last) return undefined;
  const settled = evidence.verdict === 'redeemed';
  const ending = { code: hold.ending?.code ?? null, upstreamStatus: hold.ending?.upstreamStatus ?? null };
  return {
    entry: entryOf(last, settled ? 'settled' : 'voided', evidence),
    apply: async (receipt) => {
      // The agent was told an end already, and its repeats are told this one: none of them may buy by it.
      await (settled ? budget.settle(hold.id) : budget.void(hold.id, 'kept'));
      await budget.close(hold.id, { ...ending, receipt }, false);
    },
  };
}

/**
 * The end of a purchase whose gateway is away, by evidence that shows one. Its receipts are in that gateway's log, so
 * ours is named after the hold alone, as when a person ends it here.
 */
export function abandonedOutcome(
  budget: Pick<Parts['budget'], 'settle' | 'void' | 'close'>,
  { hold, payment }: Abandoned,
  evidence: Evidence,
): Outcome {
  const settled = evidence.verdict === 'redeemed';
  const budgets = hold.lines.map(({ budget: id, scope, windowStart }) => ({ id, scope, window: instant(windowStart) }));
  const ending = { code: hold.ending?.code ?? null, upstreamStatus: hold.ending?.upstreamStatus ?? null };
  return {
    entry: {
      kind: 'resolved',
      exchange: hold.exchange,
      service: { id: hold.service },
      hold: {
        ...{ id: hold.id, wallet: hold.wallet, amount: formatMicros(hold.micros), fee: formatMicros(0n), budgets },
      },
      proof: { identity: payment.identity, redeemableUntil: instant(hold.redeemableUntil) },
      settlement: { evidence: 'rail', ...referenceOf(evidence) },
      change: {
        ...{ what: `resolved as ${settled ? 'settled' : 'voided'}`, outcome: 'applied', by: 'the books of its rail' },
        because: `${evidence.seen}; its own gateway is away`,
      },
    },
    apply: async (receipt) => {
      await (settled ? budget.settle(hold.id) : budget.void(hold.id, 'kept'));
      await budget.close(hold.id, { ...ending, receipt }, false);
    },
  };
}

const instant = (ms: number): string => new Date(ms).toISOString();

const MOST_REFERENCE = 256;

/** What the receipt of an outcome refers to. */
function referenceOf({ reference }: Evidence): { readonly reference?: string } {
  return reference === null ? {} : { reference: reference.slice(0, MOST_REFERENCE) };
}

/** The purchase in the words of its own receipts, with what the rail showed. */
function entryOf(last: Receipt, kind: 'settled' | 'voided', evidence: Evidence): ReceiptEntry {
  const { v: _v, log: _log, seq: _seq, prev: _prev, at: _at, id: _id, development: _development, ...entry } = last;
  return { ...entry, kind, settlement: { ...entry.settlement, evidence: 'rail', ...referenceOf(evidence) } };
}
