// The state thread's own loop: takes all calls that wait, runs them as one batch, answers. It watches the disk and
// tries failed writes again each second.
import { statfsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { codeOf } from '../domain/operations.ts';
import { BatchRunner, type Rooms, refusals } from './batch.ts';
import { fileNow, openDatabase, refuseLostDatabase, rememberDatabase, takeLock } from './database.ts';
import type { Call, FromState, Health, Reply, ToState } from './message.ts';
import { tornTail } from './torn-tail.ts';

/** What the thread must know before it opens anything. */
export interface StateSettings {
  readonly dir: string;
  /** Below this much room on the disk no purchase starts; bytes. */
  readonly diskReserveBytes: number;
}

const WATCH_MS = 1_000;
const BATCH_MOST = 512;

const LOST = 'the disk did not confirm a write of the state database; start again, from what it holds';
const MOVED = 'the state database is no longer where it was opened; put that very file back, and nothing is lost';

/** Opens the state and serves it on the port until it is told to close; says `refused` when it cannot be opened. */
export function serveState(port: MessagePort, settings: StateSettings, rooms: Rooms): void {
  const send = (message: FromState): void => port.postMessage(message);
  const opened = open(settings, rooms, send);
  if (!opened) {
    port.close();
    return;
  }
  const { runner, unlock, torn } = opened;
  const file = fileNow(settings.dir);
  // A file that was removed still takes writes, which nobody will ever read.
  const inPlace = (): boolean => fileNow(settings.dir) === file;
  const healthNow = (): Health => ({ inPlace: inPlace(), writable: runner.writable, roomy: hasRoom(settings) });
  let health = healthNow();
  send({ kind: 'opened', health, torn });

  const report = (next: Health): void => {
    if (!isDeepStrictEqual(next, health)) send({ kind: 'health', health: next });
    health = next;
  };
  const watch = setInterval(() => {
    if (!runner.writable && inPlace()) runner.probe();
    report(healthNow());
    if (runner.lost) end(LOST);
  }, WATCH_MS);
  const end = (lost?: string): void => {
    if (lost !== undefined) send({ kind: 'lost', message: lost });
    clearInterval(watch);
    runner.close();
    unlock();
    port.close();
  };

  port.on('message', (first: ToState) => {
    let closing = false;
    for (let batch = take(port, first); batch; batch = take(port, receive(port))) {
      // Health goes first: whoever learns that a seal failed already sees that the log is not ready.
      const there = inPlace();
      const replies = there ? runCalls(runner, batch.calls) : refusals(batch.calls, MOVED);
      report({ ...health, writable: runner.writable, inPlace: there });
      send({ kind: 'replies', replies });
      closing ||= batch.closing;
    }
    if (runner.lost) end(LOST);
    else if (closing) end();
  });
}

function open(settings: StateSettings, rooms: Rooms, send: (message: FromState) => void) {
  let unlock = (): void => {};
  try {
    const lock = takeLock(settings.dir);
    unlock = () => lock.close();
    refuseLostDatabase(settings.dir, lock);
    const torn = tornTail(settings.dir);
    const runner = new BatchRunner(() => openDatabase(settings.dir), rooms);
    rememberDatabase(settings.dir, lock);
    return { runner, unlock, torn };
  } catch (error) {
    unlock();
    const message = error instanceof Error ? error.message : String(error);
    send({ kind: 'refused', code: codeOf(error) ?? 'state_unavailable', message });
    return undefined;
  }
}

const runCalls = (runner: BatchRunner, calls: readonly Call[]): Reply[] => (calls.length > 0 ? runner.run(calls) : []);

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

function hasRoom({ dir, diskReserveBytes }: StateSettings): boolean {
  try {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize >= diskReserveBytes;
  } catch {
    return false;
  }
}
