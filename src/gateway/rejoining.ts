// Keeps a store that several gateways share in agreement with the receipts: notices at once when it has forgotten
// something, joins it again until it is open, and tells the others what this gateway spent.

import type { Rebuild, Standing } from '../budget/rebuild.ts';
import type { SharedBudget } from '../budget/redis-budget.ts';
import { spentText } from '../budget/statements.ts';
import { StoreRefuses } from '../budget/store-refuses.ts';
import { type Clock, sleep, type Timer, type Timers } from '../domain/clock.ts';
import { errorFacts, type Log } from '../observe/log.ts';

/** The loops that do it. */
export interface Rejoining {
  stop(): void;
}

const SETTLE_MS = 100;
const TELL_MS = 1_000;
/** A statement may take this much of the time; one that takes long is made less often. */
const TELL_SHARE = 0.05;

/** Starts them. */
export function keepJoined(
  { rebuild, onAstray, budget }: SharedBudget,
  {
    clock,
    timers,
    log,
    closed: tellClosed,
  }: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly log: Log;
    readonly closed: (why: string | null) => void;
  },
): Rejoining {
  let closed: string | null = budget.generation() === null ? 'is being rebuilt' : null;
  let told: Timer | undefined;
  let settling = false;
  let silent = false;
  let stopped = false;

  const say = (text: string | null, level: 'info' | 'warn' | 'error', message: string): void => {
    if (text === closed) return;
    closed = text;
    tellClosed(text);
    log.event(level, message);
  };
  const attempt = async (): Promise<void> => {
    try {
      const standing = await rebuild.settle();
      if (standing.kind !== 'open') {
        const text = waitingText(standing);
        say(text, 'warn', `the budget store ${text}${waitingFor(standing, rebuild)}`);
      } else if (budget.generation() !== null) {
        const away = closed === null ? [] : await budget.spokenFor();
        if (away.length > 0) {
          const said = 'what a gateway that is away last said counts as spent, until it is back with its state folder';
          log.event('warn', `${said}: ${away.map((one) => lastWord(one, rebuild)).join('; ')}`);
        }
        say(null, 'info', 'the budget store is in agreement with the receipts');
      }
    } catch (fault) {
      // A store that does not answer is told of by the heartbeat.
      if (fault instanceof StoreRefuses) say(fault.message, 'error', fault.message);
    }
  };
  const settle = async (): Promise<void> => {
    if (settling) return;
    settling = true;
    for (await attempt(); budget.generation() === null && !stopped; await attempt()) await sleep(timers, SETTLE_MS);
    settling = false;
  };
  const tell = async (): Promise<void> => {
    const began = clock.monotonic();
    try {
      await rebuild.tell(clock.now());
      silent = false;
    } catch (fault) {
      if (!silent) log.event('warn', 'nothing can be told to the other gateways', { error: errorFacts(fault) });
      silent = true;
    }
    const took = clock.monotonic() - began;
    if (!stopped) told = timers.after(Math.max(TELL_MS, took / TELL_SHARE), () => void tell());
  };

  onAstray((why) => {
    // The reason can name a scope, and what is said to everybody must not.
    const meanwhile = 'the budget store is being rebuilt from the receipts, and nothing is paid meanwhile';
    say('is being rebuilt', 'error', `${meanwhile}: ${why}`);
    void settle();
  });
  tellClosed(closed);
  if (closed !== null) void settle();
  void tell();
  return {
    stop: () => {
      stopped = true;
      told?.close();
    },
  };
}

function waitingText(standing: Exclude<Standing, { kind: 'open' }>): string {
  if (standing.kind === 'unsure') return 'was used by another process of this log a moment ago; looking again';
  if (standing.kind === 'unmet')
    return `waits until those that count there know of this gateway: ${standing.others.join(', ')}`;
  if (standing.missing.length === 0) return 'begins anew, and opens in a moment';
  const those = standing.missing.length > 1 ? 'those gateways' : 'the gateway';
  return `is being rebuilt, and waits for ${those} of ${standing.missing.join(', ')}`;
}

/** For the operator alone: whose money it is, and what becomes of it. */
function waitingFor(standing: Exclude<Standing, { kind: 'open' }>, rebuild: Rebuild): string {
  if (standing.kind !== 'waiting' || standing.missing.length === 0) return '';
  const words = standing.missing.map((log) => lastWord(log, rebuild)).join('; ');
  return `: start it on its state folder, or what it last said counts as spent once missingAfter is over (${words})`;
}

/** A gateway that is away, and what it said that it had spent. */
const lastWord = (log: string, { peers }: Rebuild): string =>
  `the gateway of ${log}: ${spentText(peers.get(log)?.statement ?? '[]')}`;
