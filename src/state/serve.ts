// The state thread's own loop: takes all calls that wait, runs them as one batch, answers. It watches the disk and
// tries failed writes again each second.
import { statfsSync } from 'node:fs';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { codeOf } from '../domain/operations.ts';
import { BatchRunner, type Rooms } from './batch.ts';
import { openDatabase, takeLock } from './database.ts';
import type { Call, FromState, Health, Reply, ToState } from './message.ts';

/** What the thread must know before it opens anything. */
export interface StateSettings {
  readonly dir: string;
  /** Below this much room on the disk no purchase starts; bytes. */
  readonly diskReserveBytes: number;
}

const WATCH_MS = 1_000;
const BATCH_MOST = 512;

/** Opens the state and serves it on the port until it is told to close; says `refused` when it cannot be opened. */
export function serveState(port: MessagePort, settings: StateSettings, rooms: Rooms): void {
  const send = (message: FromState): void => port.postMessage(message);
  const opened = open(settings, rooms, send);
  if (!opened) {
    port.close();
    return;
  }
  const { runner, unlock } = opened;
  let health = healthOf(runner, settings);
  send({ kind: 'opened', health });

  const report = (next: Health): void => {
    if (next.writable !== health.writable || next.roomy !== health.roomy) send({ kind: 'health', health: next });
    health = next;
  };
  const watch = setInterval(() => {
    if (!runner.writable) runner.probe();
    report(healthOf(runner, settings));
  }, WATCH_MS);

  port.on('message', (first: ToState) => {
    let closing = false;
    for (let batch = take(port, first); batch; batch = take(port, receive(port))) {
      // Health goes first: whoever learns that a seal failed already sees that the log is not ready.
      const replies: Reply[] = batch.calls.length > 0 ? runner.run(batch.calls) : [];
      report({ ...health, writable: runner.writable });
      send({ kind: 'replies', replies });
      closing ||= batch.closing;
    }
    if (!closing) return;
    clearInterval(watch);
    runner.close();
    unlock();
    port.close();
  });
}

function open(settings: StateSettings, rooms: Rooms, send: (message: FromState) => void) {
  let unlock = (): void => {};
  try {
    const lock = takeLock(settings.dir);
    unlock = () => lock.close();
    return { runner: new BatchRunner(() => openDatabase(settings.dir), rooms), unlock };
  } catch (error) {
    unlock();
    const message = error instanceof Error ? error.message : String(error);
    send({ kind: 'refused', code: codeOf(error) ?? 'state_unavailable', message });
    return undefined;
  }
}

function receive(port: MessagePort): ToState | undefined {
  return receiveMessageOnPort(port)?.message;
}

/** The next batch: `first` and what waits behind it, up to a close; undefined when there is nothing. */
function take(port: MessagePort, first: ToState | undefined): { calls: Call[]; closing: boolean } | undefined {
  if (first === undefined) return undefined;
  const calls: Call[] = [];
  for (let message: ToState | undefined = first; message !== undefined; message = receive(port)) {
    if (message === 'close') return { calls, closing: true };
    calls.push(message);
    if (calls.length >= BATCH_MOST) break;
  }
  return { calls, closing: false };
}

function healthOf(runner: BatchRunner, settings: StateSettings): Health {
  return { writable: runner.writable, roomy: hasRoom(settings) };
}

function hasRoom({ dir, diskReserveBytes }: StateSettings): boolean {
  try {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize >= diskReserveBytes;
  } catch {
    return false;
  }
}
