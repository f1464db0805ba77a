// The receipts of a payment: every kind names the same purchase in the same words.
import type { LineState } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';
import type { ReceiptEntry } from '../domain/receipt.ts';
import type { RefusalCode } from '../domain/refusal.ts';
import type { Exposure } from './exposure.ts';
import type { LocatedVisit } from './forwarding.ts';
import type { Parts } from './parts.ts';
import type { Order } from './purchase.ts';
import { visitEntry } from './visit.ts';

/** A held order on its way to a proof. */
export interface Payment {
  readonly visit: LocatedVisit;
  readonly order: Order;
  readonly lines: readonly LineState[];
  /** The id of the `intended` receipt; empty until it is sealed. */
  intended: string;
  /** Taken when the hold is exposed. */
  exposure: Exposure;
  /** SHA-256 in hex of the proof; null until it is made. */
  proofHash: string | null;
}

/** A receipt of this payment. `code` stands on those that tell the agent no. */
export function paymentEntry(
  parts: Parts,
  payment: Payment,
  kind: 'intended' | 'settled' | 'uncertain' | 'voided',
  more: { settlement?: NonNullable<ReceiptEntry['settlement']>; code?: RefusalCode },
): ReceiptEntry {
  const { visit, order, lines } = payment;
  const { request, planned, judged } = order;
  const { policy, entitlement, checks, ...demand } = judged;
  const base = visitEntry(parts, visit);
  const hashes = parts.budget.hashes(request.claim);
  return {
    kind,
    ...base,
    ...(base.request ? { request: { ...base.request, bodyHash: parts.ledger.mask(`body:${visit.body.sha256}`) } } : {}),
    ...demand,
    decision: {
      policy: policy ?? parts.policy().version,
      ...(entitlement === undefined ? {} : { entitlement }),
      outcome: 'allowed',
      ...(more.code === undefined ? {} : { code: more.code }),
      checks: checks ?? [],
    },
    hold: {
      id: request.id,
      wallet: request.wallet,
      amount: formatMicros(request.micros),
      fee: formatMicros(0n),
      budgets: lines.map((line) => ({
        id: line.budget,
        scope: line.scope,
        window: new Date(line.windowStart).toISOString(),
      })),
    },
    claim: {
      ...(hashes.key === null ? {} : { key: hashes.key }),
      repeat: hashes.repeat,
    },
    proof: {
      identity: planned.identity,
      ...(payment.proofHash ? { hash: payment.proofHash } : {}),
      redeemableUntil: new Date(planned.redeemableUntil).toISOString(),
    },
    ...(more.settlement && Object.keys(more.settlement).length > 0 ? { settlement: more.settlement } : {}),
  };
}
