// Says no: seals the refusal first, then answers it. Where no receipt can be written the answer says that instead.

import { GatewayFault } from '../domain/fault.ts';
import type { ReceiptEntry } from '../domain/receipt.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { sendRefusal } from '../inbound/reply.ts';
import type { Parts } from './parts.ts';
import type { RefusalMeter } from './refusal-meter.ts';
import { isUncertainCode } from './uncertain.ts';
import { during, subjectOf, type Visit, visitEntry } from './visit.ts';

/** What a receipt of a refusal can say beside who, where and the code. */
export type Judged = Pick<ReceiptEntry, 'challenge' | 'offer' | 'hold' | 'claim'> & {
  /** The version of the set that judged; the one in force when absent. */
  readonly policy?: string;
  readonly entitlement?: string;
  readonly checks?: NonNullable<ReceiptEntry['decision']>['checks'];
};

/** Seals and answers a refusal of this visit. Never throws. */
export async function answerRefusal(
  parts: Parts,
  meter: RefusalMeter,
  visit: Visit,
  refusal: Refusal,
  judged: Judged = {},
): Promise<void> {
  const sealed = await sealRefusal(parts, meter, visit, refusal, judged);
  answerUnsealed(parts, visit, sealed.refusal, sealed.receipt);
}

/** Answers a refusal that seals nothing (or was sealed already); `receipt` is the one it names. */
export function answerUnsealed(parts: Parts, visit: Visit, refusal: Refusal, receipt: string | null): void {
  visit.code = refusal.code;
  visit.outcome = isUncertainCode(refusal.code) ? 'uncertain' : 'refused';
  parts.watch.refused(refusal.code);
  sendRefusal(visit.response, refusal, receipt);
}

/** The answer to a fault that was thrown before any proof was made. */
export function faultRefusal(fault: unknown): Refusal {
  const code = fault instanceof GatewayFault ? fault.code : 'store_unavailable';
  return refuse(code, FAULT_DETAIL[code]);
}

const FAULT_DETAIL: Record<GatewayFault['code'], string> = {
  store_unavailable:
    'No payment can be decided: the budget store does not answer, or a witness of the log has not yet. ' +
    'Nothing was paid. Try again shortly.',
  ledger_unavailable:
    'The receipt log cannot be written, so no decision can be made; nothing was paid. Try again shortly.',
  upstream_unreachable: 'The service cannot be reached; nothing was paid. Try again shortly.',
  upstream_timeout: 'The service did not answer in time; nothing was paid. Try again shortly.',
  rail_unavailable: 'The wallet could not make a payment proof; nothing was paid. Ask the gateway’s operator.',
};

async function sealRefusal(
  parts: Parts,
  meter: RefusalMeter,
  visit: Visit,
  refusal: Refusal,
  judged: Judged,
): Promise<{ refusal: Refusal; receipt: string | null }> {
  if (!visit.identity) {
    meter.count(refusal.code, null);
    return { refusal, receipt: null };
  }
  if (refusal.code === 'ledger_unavailable') {
    // What room is left on the disk is for outcomes.
    meter.count(refusal.code, visit.agent?.id ?? null);
    return { refusal, receipt: null };
  }
  if (!meter.admits(subjectOf(visit.identity))) {
    meter.count(refusal.code, visit.agent?.id ?? null);
    const detail = 'This agent had too many requests refused in this minute. Wait, and look at why they are refused.';
    return { refusal: refuse('slow_down', detail), receipt: null };
  }
  try {
    const seal = () => parts.ledger.seal(refusedEntry(parts, visit, refusal, judged));
    const sealed = await during(visit, 'seal', seal);
    return { refusal, receipt: sealed.receipt.id };
  } catch (fault) {
    parts.watch.fault('ledger', fault);
    return {
      refusal: faultRefusal(new GatewayFault('ledger_unavailable', 'untouched', 'a refusal could not be sealed')),
      receipt: null,
    };
  }
}

function refusedEntry(parts: Parts, visit: Visit, refusal: Refusal, judged: Judged): ReceiptEntry {
  const { policy, entitlement, checks, ...rest } = judged;
  return {
    kind: 'refused',
    ...visitEntry(parts, visit),
    ...rest,
    decision: {
      policy: policy ?? parts.policy().version,
      ...(entitlement === undefined ? {} : { entitlement }),
      outcome: 'refused',
      code: refusal.code,
      detail: refusal.detail,
      checks: checks ?? [],
    },
  };
}
