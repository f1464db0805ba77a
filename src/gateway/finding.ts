// Puts together what looks for evidence in a running gateway, and what operators see and order of it.
import type { Config } from '../config/config.ts';
import { Turns } from '../domain/turns.ts';
import type { Finisher } from '../exchange/finisher.ts';
import type { Parts } from '../exchange/parts.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { OrderParts } from '../operators/orders.ts';
import type { OperatorsOptions } from '../operators/server.ts';
import { LookingAfterOthers } from './abandoned.ts';
import { openEvidence } from './evidence.ts';
import { Looking, lookerAt } from './looking.ts';
import { watchEvidence } from './watching.ts';

/** What looks for evidence. */
export interface Found {
  readonly shown: Pick<OrderParts, 'turns' | 'evidence'> & Pick<OperatorsOptions, 'sight'>;
  /** Ends what is under way and begins nothing more; operators may still ask. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

const TICK_MS = 250;

/** Looks as long as `ready` says so. */
export function lookForEvidence(
  config: Config,
  parts: Parts,
  { finisher, log, metrics, ready }: { finisher: Finisher; log: Log; metrics: Metrics; ready: () => boolean },
): Found {
  const { budget, ledger, clock, timers, services, watch } = parts;
  const turns = new Turns();
  const evidences = openEvidence(config, services, clock);
  const work = {
    ...{ budget, ledger, finisher, evidences, turns, clock, timers },
    seen: watchEvidence(log, metrics),
    fault: (fault: unknown) => watch.fault('store', fault),
  };
  const looking = new Looking(work);
  const shared = config.budgets.store === 'redis' ? config.budgets : null;
  const others = shared && new LookingAfterOthers({ ...work, afterMs: shared.missingAfterMs });
  const timer = timers.every(TICK_MS, () => {
    if (!ready()) return;
    void looking.tick();
    others?.tick();
  });
  const sight = (hold: string) => looking.sight(hold) ?? others?.sight(hold) ?? null;
  return {
    shown: { turns, evidence: lookerAt({ ledger, evidences, timers }), sight },
    stop: async () => {
      timer.close();
      await Promise.all([looking.stop(), others?.stop()]);
    },
    close: () => evidences.close(),
  };
}
