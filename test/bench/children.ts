// Processes of the bench: each server runs in one of its own, on a core that it shares with nothing it is compared
// with.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';

/** The core of the load and of what stands behind the measured server, and the core of the measured server. */
export const CORE = { load: 0, measured: 1 } as const;

/** A server that was started for the bench. */
export interface Child {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a file of this folder and resolves with the URL that it prints first. It ends when this process does. */
export async function startServer(file: string, core: number, args: readonly string[] = []): Promise<Child> {
  const path = new URL(file, import.meta.url).pathname;
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const pid = child.pid ?? 0;
  pin(pid, core);
  const [first] = (await Promise.race([once(child.stdout, 'data'), failed(child, file)])) as [Buffer];
  return {
    url: first.toString().trim(),
    pid,
    async stop() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

/** For a server's own file: says where it listens, and ends when the bench does. */
export function announce(url: string): void {
  console.log(url);
  process.stdin.on('end', () => process.exit(0)).resume();
}

/** Keeps a process and all its threads on one core. Answers false where that cannot be had. */
export function pin(pid: number, core: number): boolean {
  if (availableParallelism() <= core) return false;
  try {
    execFileSync('taskset', ['-a', '-c', '-p', `${core}`, `${pid}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Lets a process run on every core again, since it begins on those of whoever started it. */
export function unpin(pid: number): void {
  try {
    execFileSync('taskset', ['-a', '-c', '-p', `0-${cpus().length - 1}`, `${pid}`], { stdio: 'ignore' });
  } catch {
    // Where nothing can be bound nothing is.
  }
}

/** Resident memory of a process in MB (10⁶ bytes), from /proc. */
export function residentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (Number(kib) * 1_024) / 1e6;
}

/** Processor time that a process has used so far, in microseconds, from /proc (ticks of 10 ms). */
export function processorUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

async function failed(child: ChildProcess, file: string): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`${file} ended with exit code ${code}`);
}
