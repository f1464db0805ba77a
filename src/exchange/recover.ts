// Finishes what a process that ended left open, from what is durable: before this gateway takes any work. It makes no
// proof and sends nothing.
import type { Receipt, ReceiptEntry, Sealed } from '../domain/receipt.ts';
import type { RefusalCode } from '../domain/refusal.ts';
import type { Parts } from './parts.ts';
import { isUncertainCode, type UncertainCode } from './uncertain.ts';

/** What recovery found and did, for the log. */
export interface Recovered {
  /** Outcomes that were sealed but perhaps not applied to the store. */
  readonly outcomes: number;
  /** Intents without an outcome: now sealed as uncertain, their holds stay exposed. */
  readonly uncertain: number;
  /** Holds without a sealed intent: nothing was paid, the money went back. */
  readonly released: number;
}

/** Recovers this gateway's own purchases; throws when store or log do not answer, and can then be run again. */
export async function recover(parts: Pick<Parts, 'budget' | 'ledger'>): Promise<Recovered> {
  const { intents, outcomes } = await parts.ledger.unfinished();
  await together(outcomes, async ({ receipt }) => {
    await applyOutcome(parts, receipt);
    await parts.ledger.applied(receipt.seq);
  });
  const released = new Set(await parts.budget.released(intents.map(({ receipt }) => receipt.hold?.id ?? '')));
  const unsent = intents.filter(({ receipt }) => released.has(receipt.hold?.id ?? ''));
  const open = intents.filter((intent) => !unsent.includes(intent));
  await together(unsent, (intent) => sealUnsent(parts, intent));
  await together(open, (intent) => sealUncertain(parts, intent));
  const orphans = await releaseOrphans(parts);
  return { outcomes: outcomes.length, uncertain: open.length, released: orphans + unsent.length };
}

/** So many at once: their seals share syncs, and their steps share round trips. */
const TOGETHER = 64;

async function together<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const iterator = all.values();
  const lane = async () => {
    for (const one of iterator) await work(one);
  };
  await Promise.all(Array.from({ length: Math.min(TOGETHER, all.length) }, lane));
}

/** Applies a sealed outcome to the store again; idempotent by hold id. */
export async function applyOutcome(parts: Pick<Parts, 'budget'>, receipt: Receipt): Promise<void> {
  const hold = receipt.hold?.id;
  if (hold === undefined) return;
  if (receipt.kind === 'settled') await parts.budget.settle(hold);
  if (receipt.kind === 'voided') {
    // What was never sent may be bought again; what evidence showed to be dead was told to its agent as uncertain.
    await parts.budget.void(hold, receipt.settlement?.evidence === 'rail' ? 'kept' : 'freed');
  }
  if (receipt.kind === 'resolved') {
    if (receipt.change?.what === 'resolved as settled') await parts.budget.settle(hold);
    else await parts.budget.void(hold, 'kept');
  }
  const ending = { code: null, upstreamStatus: receipt.settlement?.upstreamStatus ?? null, receipt: receipt.id };
  await parts.budget.close(hold, { ...ending, code: uncertainCode(receipt) }, false);
}

/** What the agent of an uncertain purchase was told, so that its repeats are told the same. */
function uncertainCode({ decision }: Receipt): UncertainCode | null {
  return isUncertainCode(decision?.code) ? decision.code : null;
}

/** An intent whose process ended before it learned the outcome: uncertain, and for its repeats not answered. */
async function sealUncertain(parts: Pick<Parts, 'budget' | 'ledger'>, intent: Sealed): Promise<void> {
  const { receipt } = intent;
  const hold = receipt.hold?.id;
  if (hold === undefined) return;
  const sealed = await parts.ledger.seal(againAs(receipt, 'uncertain', 'payment_uncertain'));
  await parts.budget.close(
    hold,
    { code: 'payment_uncertain', upstreamStatus: null, receipt: sealed.receipt.id },
    false,
  );
  await parts.ledger.applied(sealed.receipt.seq);
}

/**
 * An intent that became durable although its seal was answered with a failure: its hold was then released, and a hold
 * is released only where no proof will be made. What a person voided at another gateway is not that: a proof of it
 * may exist, and its end stands in the other one's log.
 */
async function sealUnsent(parts: Pick<Parts, 'budget' | 'ledger'>, { receipt }: Sealed): Promise<void> {
  const entry = againAs(receipt, 'voided', 'ledger_unavailable');
  const sealed = await parts.ledger.seal(entry);
  await parts.ledger.applied(sealed.receipt.seq);
}

function againAs(receipt: Receipt, kind: 'uncertain' | 'voided', code: RefusalCode): ReceiptEntry {
  const { v: _v, log: _log, seq: _seq, prev: _prev, at: _at, id: _id, development: _development, ...entry } = receipt;
  const decision = entry.decision === undefined ? {} : { decision: { ...entry.decision, code } };
  return { ...entry, ...decision, kind };
}

/** Our own holds for which no intent was sealed: no proof can exist. */
async function releaseOrphans(parts: Pick<Parts, 'budget' | 'ledger'>): Promise<number> {
  const open = await parts.budget.openHolds(parts.ledger.log);
  const intended = new Set(await parts.ledger.intended(open));
  const orphans = open.filter(({ id }) => !intended.has(id));
  await together(orphans, ({ id }) => parts.budget.release(id));
  return orphans.length;
}
