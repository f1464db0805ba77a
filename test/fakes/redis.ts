// A real Redis or Valkey server of one's own on a free loopback port, for tests. It must never reach for a server that
// was already running.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './port.ts';

/** A running server. */
export interface RedisServer {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** SIGKILL, and the folder removed. Also called for whatever still runs when the test process exits. */
  stop(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void;
  /** SIGCONT after {@link pause}. */
  resume(): void;
}

/** Where and how to start it; by default a free port and nothing written to disk. */
export interface RedisOptions {
  readonly port?: number;
  /** Further command-line arguments, such as `['--appendonly', 'yes']`. */
  readonly args?: readonly string[];
  /** The data folder; it is then the caller's to remove. By default a fresh one that `stop` removes. */
  readonly dir?: string;
}

/** The server that all tests start: `redis-server`, or what PURSER_TEST_REDIS_SERVER names, such as `valkey-server`. */
export const REDIS_PROGRAM = process.env.PURSER_TEST_REDIS_SERVER || 'redis-server';

const found = hasRedis();
if (!found && process.env.PURSER_TEST_REDIS === 'required') {
  throw new Error(
    `PURSER_TEST_REDIS=required, and there is no ${REDIS_PROGRAM} on the PATH: install Debian’s package of it`,
  );
}

/**
 * Is there such a server on the PATH? For `describe.skipIf(!redisAvailable)`. Importing this file throws instead of
 * letting tests be skipped when PURSER_TEST_REDIS is `required`.
 */
export const redisAvailable = found;

/** Starts a server and resolves once it answers PING; throws within 10 s when it does not. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'purser-redis-'));
  const fixed = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--maxmemory-policy', 'noeviction'];
  const quiet = ['--save', '', '--appendonly', 'no', '--daemonize', 'no', '--loglevel', 'warning'];
  const folder = options.dir === undefined ? dir : null;
  return launch([...fixed, ...quiet, ...(options.args ?? [])], port, folder);
}

/** Starts the program with these arguments alone; removes `folder` when it is stopped. */
export async function launch(args: readonly string[], port: number, folder: string | null): Promise<RedisServer> {
  const child = spawn(REDIS_PROGRAM, args, { stdio: 'ignore' });
  const killed = () => child.kill('SIGKILL');
  process.once('exit', killed);
  await answering(child, port);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      process.off('exit', killed);
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        killed();
        await ended;
      }
      if (folder !== null) rmSync(folder, { recursive: true, force: true });
    },
  };
}

function hasRedis(): boolean {
  try {
    execFileSync(REDIS_PROGRAM, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function answering(child: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`${REDIS_PROGRAM} ended with exit code ${child.exitCode}`);
    if (await pings(port)) return;
    await sleep(20);
  }
  child.kill('SIGKILL');
  throw new Error(`${REDIS_PROGRAM} did not answer within 10 s`);
}

function pings(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.setTimeout(500, () => socket.destroy());
    socket.once('data', (data) => {
      resolve(/^(\+PONG|-NOAUTH)/.test(data.toString()));
      socket.destroy();
    });
    socket.once('error', () => socket.destroy());
    socket.once('close', () => resolve(false));
  });
}
