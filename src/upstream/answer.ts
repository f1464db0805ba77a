// A service's answer while it arrives. What came before somebody wants it is kept (bounded); its body is then handed on
// with back-pressure, or thrown away.
import type { Dispatcher } from 'undici';

/** Takes an answer's body part by part; false asks for a pause until `drained` is called. */
export interface BodySink {
  chunk(bytes: Buffer): boolean;
  end(): void;
  /** The service broke off. */
  cut(): void;
}

/** How an answer's body is held back or broken off. */
export type BodyControl = Pick<Dispatcher.DispatchController, 'pause' | 'resume' | 'abort'>;

const EARLY_LIMIT_BYTES = 64 * 1024;

/** The head of a final answer, and the way to its body. */
export class Answer {
  readonly status: number;
  readonly reason: string;
  /** Flat name, value list in latin1, as on the wire. */
  readonly headers: readonly string[];
  #controller: BodyControl | null;
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #state: 'open' | 'ended' | 'cut' = 'open';
  #sink: BodySink | null = null;

  constructor(status: number, reason: string, headers: readonly string[], controller: BodyControl) {
    this.status = status;
    this.reason = reason;
    this.headers = headers;
    this.#controller = controller;
  }

  /** Is the whole body here already, so that nothing will come later? */
  get complete(): boolean {
    return this.#state === 'ended';
  }

  /** The values of a header, in order. */
  values(lowerName: string): string[] {
    const found: string[] = [];
    for (let i = 0; i + 1 < this.headers.length; i += 2) {
      if (this.headers[i]?.toLowerCase() === lowerName) found.push(this.headers[i + 1] as string);
    }
    return found;
  }

  /** From now on the body goes to `sink`, first what came already. Call once. */
  readInto(sink: BodySink): void {
    if (this.#state === 'open') this.#sink = sink;
    let open = true;
    for (const chunk of this.#early) open = sink.chunk(chunk);
    this.#early = [];
    if (this.#state === 'ended') sink.end();
    else if (this.#state === 'cut') sink.cut();
    else if (open) this.#controller?.resume();
    else this.#controller?.pause();
  }

  /** The sink can take more. */
  drained(): void {
    if (this.#state === 'open') this.#controller?.resume();
  }

  /** Throws the body away: reads at most `limitBytes` so that the connection can be used again, else closes it. */
  discard(limitBytes: number): void {
    let seen = 0;
    this.readInto({
      chunk: (bytes) => {
        seen += bytes.length;
        if (seen > limitBytes) this.abort();
        return true;
      },
      end: () => {},
      cut: () => {},
    });
  }

  /** Closes the connection to the service. */
  abort(): void {
    if (this.#state === 'open') this.#controller?.abort(new Error('no longer wanted'));
  }

  /** For the dispatcher's handler alone: a part of the body came. */
  take(chunk: Buffer): void {
    if (this.#sink) {
      if (!this.#sink.chunk(chunk)) this.#controller?.pause();
      return;
    }
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > EARLY_LIMIT_BYTES) this.#controller?.pause();
  }

  /** For the dispatcher's handler alone: the body is over. */
  finish(state: 'ended' | 'cut'): void {
    if (this.#state !== 'open') return;
    this.#state = state;
    const sink = this.#sink;
    // The pool's own objects outlive the request by a while; they must not keep the whole exchange with them.
    this.#sink = null;
    this.#controller = null;
    if (state === 'ended') sink?.end();
    else sink?.cut();
  }
}
