// Sealing side by side, while no receipts are moved into segments and while they are: `node test/bench/rolling.ts`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SYSTEM_TIMERS } from '../../src/domain/clock.ts';
import { keepRolling } from '../../src/gateway/rolling.ts';
import { openLedger } from '../../src/ledger/sealed-ledger.ts';
import { openLog } from '../../src/observe/log.ts';
import { openState } from '../../src/state/thread.ts';
import { purchase } from '../ledger/log.ts';

const SEALERS = 8;
const SEGMENT = 3_000;
const TURNS = 6;
const TURN_MS = 5_000;

const dir = mkdtempSync(join(tmpdir(), 'purser-bench-'));
const worker = new URL('../../src/state-worker.ts', import.meta.url);
const data = { dir, diskReserveBytes: 0, development: false, embedded: null, segment: SEGMENT };
const state = await openState({ worker, data });
const ledger = await openLedger(state);
const clock = { monotonic: () => performance.now() };
let sealed = 0;

/** How long each seal took in one turn, in milliseconds. */
async function turn(): Promise<number[]> {
  const times: number[] = [];
  const until = performance.now() + TURN_MS;
  const sealer = async (): Promise<void> => {
    while (performance.now() < until) {
      const from = performance.now();
      sealed += 1;
      await ledger.seal(purchase(sealed % 2 ? 'intended' : 'settled', Math.ceil(sealed / 2)));
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: SEALERS }, sealer));
  return times;
}

function show(what: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
  const rate = ((sorted.length * 1_000) / (TURNS * TURN_MS)).toFixed(0);
  console.log(`${what}: ${rate} receipts/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

await turn();
const [still, moving]: [number[], number[]] = [[], []];
for (let n = 0; n < TURNS; n += 1) {
  still.push(...(await turn()));
  const rolling = keepRolling({
    ledger,
    log: openLog({ fd: 2 }),
    timers: SYSTEM_TIMERS,
    clock,
    status: { segmentsStuck: false },
  });
  moving.push(...(await turn()));
  await rolling.close();
}
show('nothing is moved', still);
show('receipts are moved', moving);
await state.close();
rmSync(dir, { recursive: true });
process.exit(0);
