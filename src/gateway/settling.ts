// Keeps the gateway fit to pay: recovers what an earlier process left open, compares the budgets with the store's
// record, and tells the store that this gateway lives. What fails is tried again until it works; until then nothing is
// bought.
import type { SharedBudget } from '../budget/redis-budget.ts';
import { GatewayFault } from '../domain/fault.ts';
import { formatMicros } from '../domain/money.ts';
import { codeOf } from '../domain/operations.ts';
import type { Parts } from '../exchange/parts.ts';
import { nothingRecovered, type Recovered, recover, type Sum } from '../exchange/recover.ts';
import { errorFacts, type Log } from '../observe/log.ts';
import type { Authority } from './authority.ts';
import { keepJoined } from './rejoining.ts';

/** How the gateway stands; read by the exchange, the metrics and /readyz. */
export interface Status {
  draining: boolean;
  recovered: boolean;
  /** What recovery waits for since it failed, for people; null before, and once it has ended. */
  recoveryWaits: string | null;
  storeAnswers: boolean;
  /** A witness has said that it knows no more of this log than there is here, or none is configured. */
  witnessed: boolean;
  /** The last move of receipts into a segment failed: the database grows. */
  segmentsStuck: boolean;
  /** Why a store that is shared is closed to this gateway, for people; null while it is open. */
  storeClosed: string | null;
}

/** The loops, and the first try. */
export interface Settling {
  /** Resolves after the first try; rejects when the store was reached and records other budgets than these. */
  readonly first: Promise<void>;
  stop(): void;
}

const HEARTBEAT_MS = 500;
const RETRY_MS = 1_000;

/** Starts the loops; with a store that is shared also those that keep it in agreement with the receipts. */
export function keepSettled(
  parts: Pick<Parts, 'budget' | 'ledger' | 'watch' | 'timers' | 'clock'>,
  authority: Pick<Authority, 'agreed' | 'agree'>,
  shared: SharedBudget | null,
  status: Status,
  log: Log,
): Settling {
  const rejoining =
    shared &&
    keepJoined(shared, {
      ...parts,
      log,
      closed: (why) => {
        status.storeClosed = why;
      },
    });
  const beat = () =>
    parts.budget.heartbeat().then(
      () => heard(status, log, true),
      (fault: unknown) => heard(status, log, false, fault),
    );
  const found = nothingRecovered();
  const settle = async (): Promise<void> => {
    if (!authority.agreed()) {
      const wrong = await authority.agree();
      if (wrong.length > 0) throw new TermsDiffer(wrong);
    }
    if (status.recovered) return;
    await recover(parts, found).catch((fault: unknown) => {
      status.recoveryWaits = waitedFor(fault);
      throw fault;
    });
    status.recovered = true;
    status.recoveryWaits = null;
    const { outcomes, uncertain, released } = found;
    if (outcomes + uncertain.purchases + released.purchases > 0) log.event('info', recoveredText(found));
  };
  // One at a time: a recovery that ran on after another had ended would take holds from purchases under way.
  let underWay: Promise<void> | undefined;
  const settleAlone = (): Promise<void> => {
    underWay ??= settle().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
  const again = () =>
    settleAlone().catch((fault: unknown) => {
      if (fault instanceof TermsDiffer) log.event('error', fault.message, { problems: fault.wrong });
    });
  const heartbeat = parts.timers.every(HEARTBEAT_MS, () => void beat());
  const retry = parts.timers.every(RETRY_MS, () => void again());
  return {
    first: beat()
      .then(settleAlone)
      .catch((fault: unknown) => {
        if (fault instanceof TermsDiffer) throw fault;
        log.event('warn', `${waitedFor(fault)}; until then nothing is bought`, { error: errorFacts(fault) });
      }),
    stop: () => {
      heartbeat.close();
      retry.close();
      rejoining?.stop();
    },
  };
}

const recoveredText = ({ outcomes, uncertain, released }: Recovered): string =>
  `recovered: ${outcomes} outcomes; ${told(uncertain)} are uncertain and stay counted, ` +
  `${told(released)} were given back`;

const told = ({ purchases, micros }: Sum): string => `${purchases} purchases of ${formatMicros(micros)}`;

/** What recovery waits for, for people. */
function waitedFor(fault: unknown): string {
  if (!(fault instanceof GatewayFault) || fault.code !== 'ledger_unavailable') return 'the store does not answer yet';
  const { cause } = fault;
  if (cause instanceof Error && codeOf(cause) === 'state_damaged') return cause.message;
  return 'the receipt log does not take writes yet';
}

/** The store counts these budgets in another way: a new id is needed. */
export class TermsDiffer extends Error {
  readonly wrong: readonly string[];

  constructor(wrong: readonly string[]) {
    super(`the budget store was used with other terms: ${wrong.join('; ')}`);
    this.wrong = wrong;
  }
}

function heard(status: Status, log: Log, answers: boolean, fault?: unknown): void {
  if (status.storeAnswers === answers) return;
  status.storeAnswers = answers;
  if (answers) log.event('info', 'the budget store answers again');
  else log.event('error', 'the budget store does not answer', { error: errorFacts(fault) });
}
