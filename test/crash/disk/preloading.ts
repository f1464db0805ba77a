// A disk that fails when told to: compiles faults.c and gives the orders.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Is there a compiler, and a loader that preloads? */
export const canFailDisks = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;

/** What the disk does wrong, as faults.c says. */
export type DiskOrder = 'sync' | 'full' | 'rofs' | 'eio';

/** The disk of one gateway. */
export interface FailingDisk {
  readonly env: Readonly<Record<string, string>>;
  /** From now on, or once; `after` so many writes where the disk is to be full. */
  order(order: DiskOrder, after?: number): void;
  /** Takes an order back. */
  withdraw(order: DiskOrder): void;
  close(): void;
}

/** Compiles it; a second or so. */
export function failingDisk(): FailingDisk {
  const folder = mkdtempSync(join(tmpdir(), 'purser-disk-'));
  const library = join(folder, 'faults.so');
  const source = new URL('./faults.c', import.meta.url).pathname;
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
  return {
    env: { LD_PRELOAD: library, PURSER_TEST_DISK: folder },
    order: (order, after = 0) => writeFileSync(join(folder, order), `${after}`),
    withdraw: (order) => rmSync(join(folder, order), { force: true }),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
