// The commands that read, as whole processes over a million receipts: wall time and processor time, and how much of it
// keeping compiled code saves. `--quick` has 20,000 receipts, and no goal of it says anything of a million.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { openReadOnly } from '../../src/state/database.ts';
import { CORE, pin } from './children.ts';
import { interleaved, quantile, row, verdict } from './figures.ts';
import { makeLog } from './report-log.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
/** Says at the end of a process how much processor time all its threads had, in milliseconds. */
const TELLS = `import { writeSync } from 'node:fs';
process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  writeSync(2, 'cpu ' + (user + system) / 1e3);
});`;
const POLICY = 'agents:\n  - { id: a, owner: o }\n';

interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Fills a log, runs each command several times, and answers which goals hold. */
export async function benchCommands({ quick }: { readonly quick: boolean }): Promise<boolean[]> {
  const receipts = quick ? 20_000 : 1_000_000;
  const folder = mkdtempSync(join(tmpdir(), 'purser-bench-'));
  try {
    console.log(`\nCommands over ${receipts.toLocaleString('en-GB')} receipts`);
    return await measured(folder, receipts, quick ? 3 : 5);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measured(folder: string, receipts: number, rounds: number): Promise<boolean[]> {
  const { config, state } = makeLog(folder, receipts);
  mkdirSync(join(folder, 'policies'));
  writeFileSync(join(folder, 'policies', 'policy.yaml'), POLICY);
  const reader = new LedgerReader(openReadOnly(state));
  const id = `${reader.log}.${Math.ceil(receipts / 2)}`;
  reader.close();
  const exported = join(folder, 'export.jsonl');
  const cached = { XDG_CACHE_HOME: mkdtempSync(join(folder, 'cache-')) };
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = cached) =>
    spent([...args, '--config', config], env);
  await run(['receipts', 'export', '--out', exported]);
  const short = [
    ['purser explain ID', ['explain', id]],
    ['purser receipts list, two filters', ['receipts', 'list', '--agent', 'agent-7', '--kind', 'settled']],
  ] as const;
  const long = [
    ['purser report', ['report', '--month', '2026-11']],
    ['purser report --from', ['report', '--month', '2026-11', '--from', exported]],
  ] as const;
  const held: boolean[] = [];
  for (const [name, args] of short) {
    await run(args);
    held.push(await shown(name, { rounds, atMost: 1_000, kept: () => run(args), bare: () => run(args, WITHOUT) }));
  }
  for (const [name, args] of long) {
    held.push(await shown(name, { rounds: 3, atMost: 10_000, kept: () => run(args), bare: () => run(args, WITHOUT) }));
  }
  return held;
}

const WITHOUT = { NODE_DISABLE_COMPILE_CACHE: '1' };

interface Measure {
  readonly rounds: number;
  /** Milliseconds. */
  readonly atMost: number;
  readonly kept: () => Promise<Spent>;
  readonly bare: () => Promise<Spent>;
}

/** The goal is held against wall time; processor time tells it apart from a busy machine. */
async function shown(name: string, { rounds, atMost, kept, bare }: Measure): Promise<boolean> {
  const cpu = { kept: [] as number[], bare: [] as number[] };
  const wall = await interleaved(rounds, {
    kept: async () => noted(await kept(), cpu.kept),
    bare: async () => noted(await bare(), cpu.bare),
  });
  const inTheWay = `processor time is ${quantile(cpu.kept, 0).toFixed(0)} ms at least; the rest is waiting for a core.`;
  const held = verdict({ name, rounds: wall.kept, goal: { atMost }, unit: 'ms', inTheWay });
  row('  processor time', cpu.kept, 'ms');
  row('  processor time, nothing compiled was kept', cpu.bare, 'ms');
  return held;
}

function noted({ wallMs, cpuMs }: Spent, cpu: number[]): number {
  cpu.push(cpuMs);
  return wallMs;
}

async function spent(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Spent> {
  const began = performance.now();
  const tells = `data:text/javascript,${encodeURIComponent(TELLS)}`;
  const child = spawn(process.execPath, ['--import', tells, MAIN, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  pin(child.pid ?? 0, CORE.measured);
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const [code] = await once(child, 'close');
  const cpu = /cpu ([0-9.]+)$/.exec(said)?.[1];
  if (code !== 0 || cpu === undefined) throw new Error(`purser ${args.join(' ')} ended with ${code}: ${said}`);
  return { wallMs: performance.now() - began, cpuMs: Number(cpu) };
}
