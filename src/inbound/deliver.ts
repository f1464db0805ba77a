// Hands an answer to the agent with back-pressure, and tells honestly whether it arrived whole.
import type { ServerResponse } from 'node:http';
import type { Timers } from '../domain/clock.ts';
import type { Keeping } from './kept-answers.ts';

/** An answer's body while it arrives from wherever it comes. */
export interface AnswerSource {
  readInto(sink: { chunk(bytes: Buffer): boolean; end(): void; cut(): void }): void;
  drained(): void;
  abort(): void;
}

/** The head an agent is shown; headers are a flat name, value list. */
export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly string[];
}

/** What reached the agent. `whole`: the last byte was handed over and the connection was still open a turn later. */
export interface Delivery {
  readonly outcome: 'whole' | 'cut';
  readonly bytes: number;
  /** The service sent its answer to the end. */
  readonly complete: boolean;
}

/**
 * Streams `source` to the agent. When the agent leaves, the rest is still read while `keeping` can hold it (a paid
 * answer is kept for the repeat), else the service is let go. Never throws.
 */
export function deliver(
  response: ServerResponse,
  timers: Timers,
  head: AnswerHead,
  source: AnswerSource,
  keeping: Keeping | null,
): Promise<Delivery> {
  return new Promise((resolve) => {
    const socket = response.socket;
    let bytes = 0;
    let gone = response.destroyed;
    const done = (outcome: 'whole' | 'cut', complete: boolean) => resolve({ outcome, bytes, complete });
    const left = () => {
      if (response.writableFinished) return;
      gone = true;
      if (keeping?.fits()) source.drained();
      else source.abort();
    };
    response.on('close', left);
    response.on('drain', () => source.drained());
    if (!gone) response.writeHead(head.status, head.reason, head.headers as string[]);
    else if (!keeping) source.abort();
    let sawBody = false;
    source.readInto({
      chunk: (chunk) => {
        sawBody = true;
        bytes += gone ? 0 : chunk.length;
        keeping?.add(chunk);
        if (!gone) return response.write(chunk);
        if (!keeping?.fits()) source.abort();
        return true;
      },
      end: () => {
        keeping?.keep(head);
        if (gone) return done('cut', true);
        response.once('close', () => done(response.writableFinished ? 'whole' : 'cut', true));
        response.end(() => timers.turn(() => done(stillThere(response, socket) ? 'whole' : 'cut', true)));
      },
      cut: () => {
        keeping?.drop();
        if (!gone) breakOff(response);
        done('cut', false);
      },
    });
    if (!sawBody && !gone && !response.writableEnded) response.flushHeaders();
  });
}

/**
 * Ends the agent's connection in the middle of an answer, so that it is not taken for a whole one, but never before its
 * head was written: clients send a request again on their own when a connection closes without a byte.
 */
function breakOff(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null) return void response.destroy();
  response.flushHeaders();
  // An answer to HTTP/1.0 ends with its connection: there only a reset says that something is missing.
  if (response.req.httpVersion === '1.0') socket.write('', () => socket.resetAndDestroy());
  else socket.destroySoon();
  socket.setTimeout(BREAK_OFF_WITHIN_MS, () => socket.destroy());
}

const BREAK_OFF_WITHIN_MS = 10_000;

/** Was the connection still the agent's one turn after the last byte? One that we close ourselves says nothing. */
function stillThere(response: ServerResponse, socket: ServerResponse['socket']): boolean {
  if (socket === null) return false;
  return !(response.shouldKeepAlive && socket.destroyed) && socket.errored === null;
}
