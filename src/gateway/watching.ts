// Turns what the exchange reports into log lines and metrics. Nothing depends on it.
import type { Micros } from '../domain/money.ts';
import type { Receipt } from '../domain/receipt.ts';
import type { Watch } from '../exchange/parts.ts';
import { errorFacts, type Log } from '../observe/log.ts';
import type { Metrics, PaymentState } from '../observe/metrics.ts';

/** At most one line a second about each kind of fault; a store that is down would fill the disk. */
const FAULT_EVERY_MS = 1_000;

/** The watch of a gateway's exchange. */
export function createWatch(log: Log, metrics: Metrics): Watch {
  const lastFault = new Map<string, number>();
  return {
    ended: (end) => {
      metrics.request(end.service, end.outcome);
      log.access(end);
    },
    refused: (code) => metrics.refusal(code),
    stage: (name, ms) => metrics.stage(name, ms / 1_000),
    fault: (what, cause) => {
      const now = Date.now();
      if (now - (lastFault.get(what) ?? 0) < FAULT_EVERY_MS) return;
      lastFault.set(what, now);
      log.event('error', FAULT_MESSAGE[what], { error: errorFacts(cause) });
    },
  };
}

/** Logs and counts every receipt, whoever sealed it; `railOf` names a wallet's rail. */
export function watchReceipts(log: Log, metrics: Metrics, railOf: (wallet: string) => string) {
  return (receipt: Receipt): void => {
    log.receipt(receipt);
    count(metrics, receipt, railOf);
  };
}

const FAULT_MESSAGE = {
  store: 'the budget store does not answer',
  ledger: 'the receipt log cannot be written',
  exchange: 'a request ended in a fault',
} as const;

const PAYMENT_STATES: ReadonlySet<string> = new Set(['intended', 'settled', 'uncertain', 'voided']);

function count(metrics: Metrics, receipt: Receipt, railOf: (wallet: string) => string): void {
  const { kind, hold, service } = receipt;
  if (!hold || !service || !PAYMENT_STATES.has(kind)) return;
  metrics.payment(service.id, railOf(hold.wallet), kind as PaymentState);
  if (kind === 'settled') metrics.spend(receipt.agent?.team ?? null, service.id, microsOf(hold.amount));
}

/** The micro-units of an amount as receipts write it, with exactly six decimals. */
function microsOf(amount: string): Micros {
  return BigInt(amount.replace('.', ''));
}
