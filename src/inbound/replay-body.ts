// A request's body while it streams to the service, with a copy kept for the paid request up to a limit. The copy
// survives the stream: when the service answers before the body's end, the rest is still read from the agent.
import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

/** What became of a body: all of it is here, it was longer than the limit, or the agent left before its end. */
export type BodyEnd = 'kept' | 'too_large' | 'gone';

const EMPTY_SHA256 = createHash('sha256').digest('hex');

/** A body read once from the agent and replayable. */
export class ReplayBody {
  readonly #request: IncomingMessage;
  readonly #limitBytes: number;
  readonly #hash: Hash = createHash('sha256');
  readonly #ended: Promise<BodyEnd>;
  #kept: Buffer[] = [];
  #bytes = 0;
  #digest: string | null = null;
  #stream: Readable | null = null;
  #started = false;
  #over = false;
  #settle: (end: BodyEnd) => void = () => {};

  constructor(request: IncomingMessage, limitBytes: number) {
    this.#request = request;
    this.#limitBytes = limitBytes;
    this.#ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Does the request carry a body at all (RFC 9112, section 6.3)? */
  static present(request: IncomingMessage): boolean {
    const length = request.headers['content-length'];
    return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
  }

  /** The body for the first, unpaid request, with back-pressure to the agent. */
  stream(): Readable {
    // It was read to its end before: for a purchase that was looked up by its key and is gone since.
    if (this.#over) return Readable.from([this.bytes]).on('error', () => {});
    const stream = new Readable({ read: () => this.#request.resume() });
    stream.on('error', () => {});
    stream.on('close', () => {
      if (this.#stream !== stream) return;
      this.#stream = null;
      this.#request.resume();
    });
    this.#stream = stream;
    this.#start();
    return stream;
  }

  /** Resolves when the agent's part is over; reads on without a stream too. */
  whole(): Promise<BodyEnd> {
    this.#start();
    if (this.#stream === null) this.#request.resume();
    return this.#ended;
  }

  /** SHA-256 in hex over the whole body; only after {@link whole} answered other than `gone`. */
  get sha256(): string {
    this.#digest ??= this.#hash.digest('hex');
    return this.#digest;
  }

  /** The whole body; only after {@link whole} answered `kept`. */
  get bytes(): Buffer {
    if (this.#kept.length !== 1) this.#kept = [Buffer.concat(this.#kept)];
    return this.#kept[0] ?? Buffer.alloc(0);
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    // Its events are over: nobody would ever say that the agent has left.
    if (this.#request.destroyed) this.#settle('gone');
    this.#request.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#request.on('end', () => {
      this.#over = true;
      this.#stream?.push(null);
      this.#settle(this.#bytes > this.#limitBytes ? 'too_large' : 'kept');
    });
    this.#request.on('close', () => {
      if (!this.#request.complete) this.#stream?.destroy(new Error('the agent left'));
      this.#settle('gone');
    });
  }

  #take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#hash.update(chunk);
    if (this.#bytes <= this.#limitBytes) this.#kept.push(chunk);
    else this.#kept = [];
    const stream = this.#stream;
    if (stream && !stream.push(chunk)) this.#request.pause();
    // Nobody wants the rest of a body that cannot be paid for: it is read only up to the bound, then left.
    if (!stream && this.#bytes > this.#limitBytes) this.#settle('too_large');
  }
}

/** The body of a request that has none. */
export const NO_BODY = {
  whole: async (): Promise<BodyEnd> => 'kept',
  sha256: EMPTY_SHA256,
  bytes: Buffer.alloc(0),
} as const;
