// Has the state thread move the oldest receipts into segments, a little at a time while it has other work. When it
// fails, nothing was moved: it is said once, and tried again later.
import { type Clock, sleep, type Timers } from '../domain/clock.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { errorFacts, type Log } from '../observe/log.ts';
import type { Status } from './settling.ts';

/** What the loop works with. */
export interface RollingParts {
  readonly ledger: Pick<Ledger, 'ready' | 'roll'>;
  readonly log: Log;
  readonly timers: Timers;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly status: Pick<Status, 'segmentsStuck'>;
}

/** How often it looks whether there is something to move, and how soon after a failure it tries again. */
const LOOK_MS = 1_000;
const AGAIN_LOOKS = 60;
/** Seals wait for one step at most, and of the state thread's time and the disk's the steps take a fifth. */
const PAUSE_TIMES = 4;

/** Starts the loop; `close` resolves when no step is under way. */
export function keepRolling({ ledger, log, timers, clock, status }: RollingParts): { close(): Promise<void> } {
  let closed = false;
  let told: string | undefined;
  let wait = 0;
  let under: Promise<void> | undefined;
  const round = async (): Promise<void> => {
    for (;;) {
      const from = clock.monotonic();
      const { more, failed } = await ledger.roll();
      if (failed !== undefined && failed !== told) {
        log.event('error', `receipts could not be moved into a segment, and stay where they are: ${failed}`);
      }
      if (failed !== undefined) wait = AGAIN_LOOKS;
      else if (told !== undefined) log.event('info', 'receipts are moved into segments again');
      told = failed;
      status.segmentsStuck = failed !== undefined;
      if (!more || closed || !ledger.ready()) return;
      await sleep(timers, Math.ceil(PAUSE_TIMES * (clock.monotonic() - from)));
    }
  };
  const timer = timers.every(LOOK_MS, () => {
    wait -= 1;
    if (under || wait > 0 || !ledger.ready()) return;
    under = round()
      .catch((error: unknown) => log.event('warn', 'no receipts could be moved', { error: errorFacts(error) }))
      .finally(() => {
        under = undefined;
      });
  });
  return {
    close: async () => {
      closed = true;
      timer.close();
      await under;
    },
  };
}
