// What the store's answer to a hold means: for the agent a refusal, for the receipt the numbers of every line.
import type { HoldOutcome, HoldRequest, LineState } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';
import type { DecisionCheck } from '../domain/receipt.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';

/** What was asked of the store, as far as its answer is told with it. */
export interface AskedAmount {
  readonly request: Pick<HoldRequest, 'micros'>;
}

/** What a hold's step that set nothing aside means for the agent; null when a fresh challenge may help. */
export function holdRefusal(
  outcome: Exclude<HoldOutcome, { kind: 'held' | 'repeat' }>,
  order: AskedAmount,
  nowMs: number,
): Refusal | null {
  switch (outcome.kind) {
    case 'challenge_taken':
    case 'identity_taken':
      return null;
    case 'exceeded':
      return exceeded(outcome, order, nowMs);
    case 'paused': {
      const open = `Purchases of this agent at this service whose outcome is unknown: ${outcome.unsettled}`;
      return refuse('service_paused', `${open}. An operator has to resolve them first.`);
    }
    case 'stopped': {
      const { stop } = outcome;
      return refuse(
        'stopped',
        `An operator stopped payments for ${stop.kind === 'all' ? 'everybody' : `this ${stop.kind}`}. ` +
          'Wait until that is lifted, or ask them.',
      );
    }
  }
}

function exceeded(outcome: Extract<HoldOutcome, { kind: 'exceeded' }>, order: AskedAmount, nowMs: number): Refusal {
  const line = outcome.lines[outcome.line];
  if (!line) throw new Error('the store names a line that was not asked');
  const counts = outcome.what === 'payments';
  const resetsAt = line.resetsAt === null ? null : new Date(line.resetsAt).toISOString();
  const numbers = counts
    ? { asked: '1', limit: String(line.limitPayments), settled: String(line.payments), held: '0' }
    : {
        asked: formatMicros(order.request.micros),
        limit: formatMicros(line.limitMicros),
        settled: formatMicros(line.settledMicros),
        held: formatMicros(line.heldMicros),
      };
  const next = `${resetsAt === null ? 'Ask' : `Wait until ${resetsAt}, or ask`} the agent's owner for more`;
  const what = counts ? 'number of payments' : 'amount';
  const room = `of a limit of ${numbers.limit} with ${numbers.settled} settled and ${numbers.held} held`;
  return refuse(
    'budget_exceeded',
    `Budget ${line.budget} has no room: the ${what} asked is ${numbers.asked}, ${room}. ${next}.`,
    {
      numbers: { budget: line.budget, ...numbers, resetsAt },
      ...(line.resetsAt === null ? {} : { retryAfter: Math.max(1, Math.ceil((line.resetsAt - nowMs) / 1_000)) }),
    },
  );
}

/** The store's answer about each line, as checks of the receipt. */
export function lineChecks(lines: readonly LineState[], order: AskedAmount, failed: number | null): DecisionCheck[] {
  return lines.map((line, index) => ({
    check: `budget ${line.budget}`,
    outcome: index === failed ? 'failed' : 'passed',
    limit: formatMicros(line.limitMicros),
    settled: formatMicros(line.settledMicros),
    held: formatMicros(line.heldMicros),
    asked: formatMicros(order.request.micros),
  }));
}
