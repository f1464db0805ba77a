// The gateway's end of the state thread: starts it, sends it calls, gives back answers. It never touches the database.
import { Worker } from 'node:worker_threads';
import { codedError, type StateAccess } from '../domain/operations.ts';
import { prepareFolder } from './folder.ts';
import type { FromState, Health, Reply, ToState } from './message.ts';
import type { StateSettings } from './serve.ts';

/** A running state thread. */
export interface StateThread extends StateAccess {
  /** Bytes of a write that did not reach its end, which were left out at the opening; 0 without one. */
  readonly torn: number;
  /** Answers what was asked before, closes the database, lets go of the folder. */
  close(): Promise<void>;
  /** Calls back once when the state is lost without having been closed; every open call has been rejected by then. */
  onExit(callback: (reason: string) => void): void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * Makes or checks the folder, then starts `worker` (the thread's composition root) on it with `data`. Rejects with an
 * Error whose message names the folder and the fix, and whose `code` is `state_unsafe`, `state_locked`, `state_newer`,
 * `state_damaged`, `state_unavailable` or one of a room's own.
 */
export async function openState<T extends StateSettings>(options: { worker: URL; data: T }): Promise<StateThread> {
  prepareFolder(options.data.dir);
  const worker = new Worker(options.worker, { workerData: options.data, name: 'purser-state' });
  const thread = new Thread(worker);
  await thread.opened;
  return thread;
}

class Thread implements StateThread {
  readonly opened: Promise<void>;
  torn = 0;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #settleOpening: Waiting | undefined;
  #health: Health = { inPlace: true, writable: false, roomy: false };
  #last = 0;
  #closing = false;
  #lost: string | undefined;
  #onExit: ((reason: string) => void) | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpening = { resolve: () => resolve(), reject };
    });
    worker.on('message', (message: FromState) => this.#receive(message));
    worker.on('error', (error) => this.#lose(`the state thread failed: ${error.message}`));
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#lose('the state thread has ended');
        resolve();
      });
    });
  }

  call<T>(operation: string, argument: unknown): Promise<T> {
    if (this.#lost !== undefined || this.#closing) {
      return Promise.reject(codedError('state_unavailable', this.#lost ?? 'the state is closed'));
    }
    const id = ++this.#last;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      try {
        this.#send({ id, operation, argument });
      } catch (error) {
        this.#waiting.delete(id);
        reject(error);
      }
    });
  }

  ready(): boolean {
    return this.trouble() === null;
  }

  trouble(): string | null {
    if (this.#lost !== undefined || this.#closing) return 'is closed';
    if (!this.#health.inPlace) return 'is not where it was opened; put that very file back';
    if (!this.#health.writable) return 'cannot be written; see the disk of state.dir';
    return this.#health.roomy ? null : 'has less room on its disk than limits.diskReserve; make room';
  }

  async close(): Promise<void> {
    if (!this.#closing && this.#lost === undefined) this.#send('close');
    this.#closing = true;
    await this.#exited;
  }

  onExit(callback: (reason: string) => void): void {
    this.#onExit = callback;
    if (this.#lost !== undefined && !this.#closing) callback(this.#lost);
  }

  #send(message: ToState): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromState): void {
    if (message.kind === 'replies') {
      for (const reply of message.replies) this.#answer(reply);
    } else if (message.kind === 'refused') {
      this.#settleOpening?.reject(codedError(message.code, message.message));
    } else if (message.kind === 'lost') {
      this.#lose(message.message);
    } else {
      this.#health = message.health;
      if (message.kind !== 'opened') return;
      this.torn = message.torn;
      this.#settleOpening?.resolve(undefined);
    }
  }

  #answer(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.value);
    else waiting?.reject(codedError(reply.code, reply.message));
  }

  #lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = reason;
    this.#settleOpening?.reject(codedError('state_unavailable', reason));
    for (const waiting of this.#waiting.values()) waiting.reject(codedError('state_unavailable', reason));
    this.#waiting.clear();
    if (!this.#closing) this.#onExit?.(reason);
  }
}
