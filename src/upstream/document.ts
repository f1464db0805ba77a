// A bounded question to a pool of the door: one request, one small whole answer. Redirects are never followed.
import { createRequire } from 'node:module';
import type { Dispatcher } from 'undici';

/** What is asked. */
export interface DocumentQuestion {
  readonly method: 'GET' | 'POST';
  /** Path and query. */
  readonly path: string;
  /** JSON, for a POST. */
  readonly body?: string;
  readonly mostBytes: number;
  /** Ends the wait, whatever was read so far. */
  readonly signal: AbortSignal;
}

/** What is answered. */
export interface DocumentAnswer {
  readonly status: number;
  /** The answer's Date header, as it stands. */
  readonly date: string | null;
  readonly body: Uint8Array;
}

// undici's own entry loads much more, see door.ts.
const part = createRequire(import.meta.url);
type Request = (this: Dispatcher, options: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>;
const request: Request = part('undici/lib/api/api-request.js');

/** Asks; throws on anything but a whole answer within the limits. */
export async function askDocument(pool: Dispatcher, question: DocumentQuestion): Promise<DocumentAnswer> {
  const { method, path, body, mostBytes, signal } = question;
  const json = { 'content-type': 'application/json' };
  const answer = await request.call(pool, {
    method,
    path,
    signal,
    headers: { accept: 'application/json', ...(body === undefined ? {} : json) },
    body: body ?? null,
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('an answer comes in bytes');
    bytes += chunk.length;
    // Leaving the loop destroys the rest.
    if (bytes > mostBytes) throw new RangeError('the answer is too long');
    chunks.push(chunk);
  }
  const { date } = answer.headers;
  return {
    status: answer.statusCode,
    date: typeof date === 'string' ? date : null,
    body: Buffer.concat(chunks),
  };
}
