// How long a report over a large log takes, and how much memory: the command as people run it, start-up included.
//   node test/bench/report.ts [RECEIPTS=1000000]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLog } from './report-log.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const ROUNDS = 3;

const receipts = Number(process.argv[2] ?? 1_000_000);
const folder = mkdtempSync(join(tmpdir(), 'purser-bench-'));
try {
  const { config } = makeLog(folder, receipts);
  const file = join(folder, 'export.jsonl');
  measure('live log', ['report', '--month', '2026-11', '--by', 'team,label.costCenter,service']);
  run(['receipts', 'export', '--out', file]);
  measure('export', ['report', '--month', '2026-11', '--by', 'team,label.costCenter,service', '--from', file]);

  function measure(what: string, args: readonly string[]): void {
    const seconds = Array.from({ length: ROUNDS }, () => run(args));
    console.log(`${what}: ${receipts} receipts in ${Math.min(...seconds).toFixed(1)} s (best of ${ROUNDS})`);
  }

  function run(args: readonly string[]): number {
    const begun = performance.now();
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args, '--config', config], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return (performance.now() - begun) / 1_000;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
