// Answers a request that is an earlier purchase over again. Nothing is paid, nothing goes upstream.
import type { Purchase } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { deliver } from '../inbound/deliver.ts';
import type { KeptAnswer } from '../inbound/kept-answers.ts';
import type { Finisher } from './finisher.ts';
import type { Parts } from './parts.ts';
import { answerUnsealed } from './refusing.ts';
import { isUncertainCode, uncertainRefusal, voidedRefusal } from './uncertain.ts';
import { type Visit, visitEntry } from './visit.ts';

/** The refusal of a key that stands for another request; this one is sealed like any other. */
export const MISMATCH = refuse(
  'idempotency_mismatch',
  'This Idempotency-Key was used for another request. Use a new key for a new purchase.',
);

/** Answers from what is known: still running, the kept answer, or how it ended. Never throws. */
export async function answerRepeat(parts: Parts, finisher: Finisher, visit: Visit, purchase: Purchase): Promise<void> {
  const kept = purchase.running ? undefined : parts.kept.find(purchase.hold);
  if (kept) return replay(parts, finisher, visit, purchase, kept);
  answerUnsealed(parts, visit, repeatRefusal(purchase), await latestReceipt(parts, purchase));
}

function repeatRefusal(purchase: Purchase): Refusal {
  if (purchase.running) return refuse('in_flight', 'This purchase is still running; ask again in a moment.');
  const amount = formatMicros(purchase.micros);
  const { code, upstreamStatus = null } = purchase.ending ?? {};
  if (purchase.state === 'settled') {
    const answer = isUncertainCode(code) ? 'its answer never came' : 'its answer is no longer kept';
    const detail = `This purchase was paid for already, and ${answer}. A new Idempotency-Key buys again.`;
    return refuse('already_paid', detail, { members: { amount, state: 'settled' } });
  }
  const own = isUncertainCode(code) ? code : 'payment_uncertain';
  const tell = purchase.state === 'voided' ? voidedRefusal : uncertainRefusal;
  return tell(own, upstreamStatus, amount, purchase.redeemableUntil);
}

async function latestReceipt(parts: Parts, purchase: Purchase): Promise<string | null> {
  if (purchase.ending) return purchase.ending.receipt;
  const sealed = await parts.ledger.ofExchange(purchase.exchange).catch(() => []);
  return sealed.at(-1)?.receipt.id ?? null;
}

async function replay(
  parts: Parts,
  finisher: Finisher,
  visit: Visit,
  purchase: Purchase,
  kept: KeptAnswer,
): Promise<void> {
  const headers = kept.headers.map((part, i) =>
    kept.headers[i - 1] === 'Purser-Receipt' && i % 2 === 1 ? `${part};replayed` : part,
  );
  const source = {
    readInto: (sink: { chunk(bytes: Buffer): boolean; end(): void }) => {
      for (const chunk of kept.body) sink.chunk(chunk);
      sink.end();
    },
    drained: () => {},
    abort: () => {},
  };
  visit.outcome = 'paid';
  const head = { status: kept.status, reason: kept.reason, headers };
  const delivery = await deliver(visit.response, parts.timers, head, source, null);
  const receipt = (await latestReceipt(parts, purchase)) ?? '';
  const ending = { code: null, upstreamStatus: kept.status, receipt };
  const close = () => parts.budget.close(purchase.hold, ending, delivery.outcome === 'whole');
  // At once, so that an equal request from now on is a new purchase; and again after the seal, should this have failed.
  await close().catch((fault: unknown) => parts.watch.fault('store', fault));
  await finisher.finish({
    entry: {
      kind: 'delivered',
      ...visitEntry(parts, visit),
      exchange: purchase.exchange,
      delivery: { outcome: 'replayed', bytes: delivery.bytes },
    },
    apply: close,
  });
}
