// Hands an answer to the agent with back-pressure, and tells honestly whether it arrived whole.
import type { ServerResponse } from 'node:http';
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
    let sawBody = false;
    source.readInto({
      chunk: (chunk) => {
        sawBody = true;
        bytes += gone ? 0 : chunk.length;
        keeping?.add(chunk);
        if (gone) return keeping?.fits() ?? false;
        return response.write(chunk);
      },
      end: () => {
        keeping?.keep(head);
        if (gone) return done('cut', true);
        response.once('close', () => done(response.writableFinished ? 'whole' : 'cut', true));
        response.end(() => setImmediate(() => done(stillThere(response, socket) ? 'whole' : 'cut', true)));
      },
      cut: () => {
        keeping?.drop();
        // The agent must not take a broken answer for a whole one: its connection is broken off too.
        response.destroy();
        done('cut', false);
      },
    });
    if (!sawBody && !gone && !response.writableEnded) response.flushHeaders();
  });
}

/** Was the connection still the agent's one turn after the last byte? One that we close ourselves says nothing. */
function stillThere(response: ServerResponse, socket: ServerResponse['socket']): boolean {
  if (socket === null) return false;
  return !(response.shouldKeepAlive && socket.destroyed) && socket.errored === null;
}
