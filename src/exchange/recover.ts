// Finishes what a process that ended left open, from what is durable: before this gateway takes any work. It makes no
// proof and sends nothing.
import type { OpenHold } from '../domain/hold.ts';
import type { Receipt, ReceiptEntry, Sealed } from '../domain/receipt.ts';
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
export async function recover(parts: Pick<Parts, 'budget' | 'ledger' | 'watch'>): Promise<Recovered> {
  const { intents, outcomes } = await parts.ledger.unfinished();
  for (const outcome of outcomes) {
    await applyOutcome(parts, outcome.receipt);
    await parts.ledger.applied(outcome.receipt.seq);
  }
  for (const intent of intents) await sealUncertain(parts, intent);
  const released = await releaseOrphans(parts);
  return { outcomes: outcomes.length, uncertain: intents.length, released };
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
async function sealUncertain(parts: Pick<Parts, 'budget' | 'ledger' | 'watch'>, intent: Sealed): Promise<void> {
  const { receipt } = intent;
  const hold = receipt.hold?.id;
  if (hold === undefined) return;
  const sealed = await parts.ledger.seal(uncertainEntry(receipt));
  await parts.budget.close(
    hold,
    { code: 'payment_uncertain', upstreamStatus: null, receipt: sealed.receipt.id },
    false,
  );
  await parts.ledger.applied(sealed.receipt.seq);
}

function uncertainEntry(receipt: Receipt): ReceiptEntry {
  const { v: _v, log: _log, seq: _seq, prev: _prev, at: _at, id: _id, development: _development, ...entry } = receipt;
  const decision = entry.decision === undefined ? {} : { decision: { ...entry.decision, code: 'payment_uncertain' } };
  return { ...entry, ...decision, kind: 'uncertain' };
}

/** Our own holds for which no intent was sealed: no proof can exist. */
async function releaseOrphans(parts: Pick<Parts, 'budget' | 'ledger'>): Promise<number> {
  const open = await parts.budget.openHolds(parts.ledger.log);
  let released = 0;
  for (const hold of open) {
    if (await hasIntent(parts, hold)) continue;
    await parts.budget.release(hold.id);
    released += 1;
  }
  return released;
}

async function hasIntent(parts: Pick<Parts, 'ledger'>, hold: OpenHold): Promise<boolean> {
  const sealed = await parts.ledger.ofExchange(hold.exchange);
  return sealed.some(({ receipt }) => receipt.kind === 'intended' && receipt.hold?.id === hold.id);
}
