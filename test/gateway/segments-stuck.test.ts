// A folder that takes no segments: it is said once, shows in the status that the metric reads, costs no receipt, and is
// over when the folder takes them again.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { SYSTEM_TIMERS } from '../../src/domain/clock.ts';
import { keepRolling } from '../../src/gateway/rolling.ts';
import { openLedger } from '../../src/ledger/sealed-ledger.ts';
import type { Log } from '../../src/observe/log.ts';
import { openState } from '../../src/state/thread.ts';
import { freshDir, purchase } from '../ledger/log.ts';

/** Minutes go by as moments. */
const hurried = { ...SYSTEM_TIMERS, every: (ms: number, look: () => void) => SYSTEM_TIMERS.every(ms / 100, look) };

test('receipts that cannot be moved are a log line and a metric, until they can', async () => {
  const dir = freshDir();
  const worker = new URL('../../src/state-worker.ts', import.meta.url);
  const data = { dir, diskReserveBytes: 0, development: false, embedded: null, segment: 10 };
  const state = await openState({ worker, data });
  const ledger = await openLedger(state);
  for (let n = 1; n <= 25; n += 1) await ledger.seal(purchase('refused', n));
  writeFileSync(join(dir, 'segments'), 'in the way');
  const said: string[] = [];
  const status = { segmentsStuck: false };
  const log: Log = { access() {}, receipt() {}, flush() {}, event: (_level, line) => void said.push(line) };
  const clock = { monotonic: () => performance.now() };
  const rolling = keepRolling({ ledger, log, timers: hurried, clock, status });
  try {
    await vi.waitUntil(() => status.segmentsStuck, { timeout: 10_000 });
    expect((await ledger.list({ ascending: true, limit: 100 })).map(({ receipt }) => receipt.seq)).toHaveLength(25);
    rmSync(join(dir, 'segments'));
    await vi.waitUntil(() => !status.segmentsStuck, { timeout: 10_000 });
    await vi.waitUntil(() => existsSync(join(dir, 'segments', 'receipts-1.sqlite')), { timeout: 10_000 });
    expect(said.filter((line) => line.includes('could not be moved'))).toHaveLength(1);
    expect(await ledger.list({ ascending: true, limit: 100 })).toHaveLength(25);
  } finally {
    await rolling.close();
    await state.close();
  }
});
