// Finishes what a process that ended left open, from what is durable: before this gateway takes any work. It makes no
// proof and sends nothing.
import { type Micros, readMicros } from '../domain/money.ts';
import type { Receipt, Sealed } from '../domain/receipt.ts';
import type { OpenIntent } from '../ledger/ledger.ts';
import type { Parts } from './parts.ts';
import { isUncertainCode, type UncertainCode } from './uncertain.ts';

/** What recovery found and did, for the log; a try that fails leaves in it what it did. */
export interface Recovered {
  /** Outcomes that were sealed but perhaps not applied to the store. */
  outcomes: number;
  /** Intents without an outcome: now sealed as uncertain, their holds stay exposed. */
  readonly uncertain: Sum;
  /** Holds without a sealed intent: nothing was paid, the money went back. */
  readonly released: Sum;
}

/** Purchases, and what they come to. */
export interface Sum {
  purchases: number;
  micros: Micros;
}

/** What stands before the first try. */
export const nothingRecovered = (): Recovered => ({
  outcomes: 0,
  uncertain: { purchases: 0, micros: 0n },
  released: { purchases: 0, micros: 0n },
});

/**
 * Recovers this gateway's own purchases, and adds what it did to `found`; throws when store or log do not answer, and
 * can then be run again.
 */
export async function recover(parts: Pick<Parts, 'budget' | 'ledger'>, found: Recovered): Promise<void> {
  const { intents, outcomes } = await parts.ledger.unfinished();
  await together(TOGETHER, outcomes, async ({ receipt }) => {
    await applyOutcome(parts, receipt);
    await parts.ledger.applied(receipt.seq);
    found.outcomes += 1;
  });
  const released = new Set(await parts.budget.released(intents.map(({ hold }) => hold)));
  const unsent = intents.filter(({ hold }) => released.has(hold));
  const open = intents.filter(({ hold }) => !released.has(hold));
  await together(PAGES_TOGETHER, pagesOf(unsent), (page) => sealUnsent(parts, page, found));
  await together(PAGES_TOGETHER, pagesOf(open), (page) => sealUncertain(parts, page, found));
  await releaseOrphans(parts, new Set(intents.map(({ hold }) => hold)), found);
}

/** So many at once: their steps share round trips. */
const TOGETHER = 64;
/** Intents that are ended by one step of the log; the next page is sealed while the store takes the last one. */
const PAGE = 1_000;
const PAGES_TOGETHER = 2;

/** After a failure nothing more is begun, and it is told when what is under way has ended. */
async function together<T>(lanes: number, all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...all].reverse();
  const lane = async (): Promise<void> => {
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      await work(one).catch((fault: unknown) => {
        waiting.length = 0;
        throw fault;
      });
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(lanes, all.length) }, lane));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}

function add(sum: Sum, ...amounts: readonly Micros[]): void {
  sum.purchases += amounts.length;
  for (const micros of amounts) sum.micros += micros;
}

const amountsOf = (sealed: readonly Sealed[]): Micros[] =>
  sealed.map(({ receipt }) => readMicros(receipt.hold?.amount ?? '0.000000'));

function pagesOf(intents: readonly OpenIntent[]): number[][] {
  return Array.from({ length: Math.ceil(intents.length / PAGE) }, (_, page) =>
    intents.slice(page * PAGE, (page + 1) * PAGE).map(({ seq }) => seq),
  );
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

/** Intents whose process ended before it learned the outcome: uncertain, and for their repeats not answered. */
async function sealUncertain(
  parts: Pick<Parts, 'budget' | 'ledger'>,
  seqs: readonly number[],
  { uncertain }: Recovered,
): Promise<void> {
  const code = 'payment_uncertain';
  const sealed = await parts.ledger.endIntents({ seqs, kind: 'uncertain', code });
  add(uncertain, ...amountsOf(sealed));
  const closings = sealed.map(({ receipt }) => ({
    hold: receipt.hold?.id ?? '',
    ending: { code, upstreamStatus: null, receipt: receipt.id } as const,
    whole: false,
  }));
  await parts.budget.closeAll(closings);
  await parts.ledger.applied(...sealed.map(({ receipt }) => receipt.seq));
}

/**
 * Intents that became durable although their seal was answered with a failure: their holds were then released, and a
 * hold is released only where no proof will be made. What a person voided at another gateway is not that: a proof of
 * it may exist, and its end stands in the other one's log.
 */
async function sealUnsent(
  parts: Pick<Parts, 'ledger'>,
  seqs: readonly number[],
  { released }: Recovered,
): Promise<void> {
  const sealed = await parts.ledger.endIntents({ seqs, kind: 'voided', code: 'ledger_unavailable' });
  add(released, ...amountsOf(sealed));
  await parts.ledger.applied(...sealed.map(({ receipt }) => receipt.seq));
}

/** Our own holds for which no intent was sealed, none of `known`: no proof can exist. */
async function releaseOrphans(
  parts: Pick<Parts, 'budget' | 'ledger'>,
  known: ReadonlySet<string>,
  { released }: Recovered,
): Promise<void> {
  const open = await parts.budget.openHolds(parts.ledger.log, known);
  const intended = new Set(await parts.ledger.intended(open));
  const orphans = open.filter(({ id }) => !intended.has(id));
  await together(TOGETHER, orphans, async ({ id, micros }) => {
    await parts.budget.release(id);
    add(released, micros);
  });
}
