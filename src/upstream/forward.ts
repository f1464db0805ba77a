// Sends one request to a service and waits for the head of its final answer. Says whether a byte can have reached the
// service, because for a payment proof that decides between "not paid" and "unknown".
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Timer, Timers } from '../domain/clock.ts';
import { Answer } from './answer.ts';
import { BODY_SILENCE_MS } from './door.ts';

/** A request as it goes on the wire. */
export interface OutgoingRequest {
  readonly method: string;
  /** Path and query, exactly as judged. */
  readonly target: string;
  readonly headers: string[];
  readonly body: Readable | Buffer | null;
  /** Until the head of a final answer; milliseconds. */
  readonly timeoutMs: number;
  /** Asked right before the first byte is written; false sends nothing. */
  mayStart?(): boolean;
}

/**
 * What became of a request: answered; answered with 101; lost after its first byte was written; or never sent, so that
 * no byte can have reached the service.
 */
export type Forwarded =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'switched' }
  | { readonly kind: 'lost' | 'unsent'; readonly why: 'unreachable' | 'timeout' };

/** Says when an answer is no longer wanted. */
export interface GiveUp {
  readonly aborted: boolean;
  add(listener: () => void): void;
  remove(listener: () => void): void;
}

/** Sends the request over the pool; `giveUp` ends the wait when the agent has gone. Never throws. */
export function forward(
  pool: Dispatcher,
  timers: Timers,
  request: OutgoingRequest,
  giveUp: GiveUp | null,
): Promise<Forwarded> {
  return new Promise((resolve) => {
    const handler = new ForwardHandler(request, timers, resolve, giveUp);
    try {
      pool.dispatch(
        {
          path: request.target,
          method: request.method as Dispatcher.HttpMethod,
          headers: request.headers,
          body: request.body,
          // Ours ends the wait; with one length for both of its timers the pool need not make new ones each time.
          headersTimeout: Math.max(request.timeoutMs, BODY_SILENCE_MS),
        },
        handler,
      );
    } catch (error) {
      handler.onResponseError(null, error as Error);
    }
  });
}

class ForwardHandler implements Dispatcher.DispatchHandler {
  readonly #request: OutgoingRequest;
  readonly #resolve: (forwarded: Forwarded) => void;
  readonly #giveUp: GiveUp | null;
  readonly #onGiveUp: () => void;
  readonly #deadline: Timer;
  #controller: Dispatcher.DispatchController | null = null;
  #answer: Answer | null = null;
  #sent = false;
  #why: 'unreachable' | 'timeout' = 'unreachable';

  constructor(
    request: OutgoingRequest,
    timers: Timers,
    resolve: (forwarded: Forwarded) => void,
    giveUp: GiveUp | null,
  ) {
    this.#request = request;
    this.#resolve = resolve;
    this.#giveUp = giveUp;
    this.#onGiveUp = () => this.#stop('unreachable');
    giveUp?.add(this.#onGiveUp);
    // The pool's own timer starts when the request is written; this one also covers waiting for a connection.
    this.#deadline = timers.after(request.timeoutMs, () => this.#stop('timeout'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    const fault = this.#startFault();
    if (fault !== undefined) controller.abort(new Error(fault));
    else this.#sent = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, reason?: string): void {
    if (status < 200 || this.#answer) return;
    this.#answer = new Answer(status, readable(reason), flatHeaders(controller.rawHeaders), controller);
    // These have no body, whatever length they state; undici would call it cut short (RFC 9110, section 8.6).
    if (status === 204 || status === 304) this.#answer.finish('ended');
    this.#settle({ kind: 'answered', answer: this.#answer });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#answer?.take(chunk);
  }

  onResponseEnd(): void {
    this.#answer?.finish('ended');
    this.#letGo();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const code = (error as { code?: string }).code;
    if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_CONNECT_TIMEOUT') this.#why = 'timeout';
    if (this.#answer) this.#answer.finish('cut');
    else if (this.#sent && error.message === 'bad upgrade') this.#settle({ kind: 'switched' });
    else this.#settle(this.#sent ? { kind: 'lost', why: this.#why } : { kind: 'unsent', why: this.#why });
  }

  /** The pool may call again for a request it could not write; a proof must not be written twice. */
  #startFault(): string | undefined {
    if (this.#sent) return 'a request is written once';
    if (this.#giveUp?.aborted || this.#why === 'timeout') return 'no longer wanted';
    if (this.#request.mayStart === undefined || this.#request.mayStart()) return undefined;
    return 'too late to start';
  }

  #stop(why: 'unreachable' | 'timeout'): void {
    this.#why = why;
    if (this.#controller) this.#controller.abort(new Error('no longer wanted'));
    else this.#settle({ kind: 'unsent', why });
  }

  /** What the pool keeps of a request that is over should be small. */
  #letGo(): void {
    this.#answer = null;
    this.#controller = null;
  }

  #settle(forwarded: Forwarded): void {
    this.#deadline.close();
    this.#giveUp?.remove(this.#onGiveUp);
    this.#resolve(forwarded);
  }
}

/** A reason phrase as it may be written again: the parser lets anything through but an end of line. */
function readable(reason = ''): string {
  return reason.replace(/[^ -~]/g, '?');
}

function flatHeaders(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
}
