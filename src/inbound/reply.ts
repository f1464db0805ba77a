// Whatever the gateway answers by itself: problem documents (RFC 9457) and the Purser-Receipt header (RFC 8941).
import type { ServerResponse } from 'node:http';
import { formatMicros, type Micros } from '../domain/money.ts';
import { type Refusal, refusalRow } from '../domain/refusal.ts';

/** The state a Purser-Receipt header names. */
export type ReceiptState = 'settled' | 'exposed' | 'pending' | 'refused';

/** `"<id>";state=…` for an answer of the service that was paid for. */
export function receiptHeader(id: string, state: ReceiptState, micros: Micros, currency: string): string {
  return `"${id}";state=${state};amount="${formatMicros(micros)}";currency="${currency}"`;
}

/** Answers a refusal. `receipt` is absent where none was sealed. Does nothing when the agent has gone. */
export function sendRefusal(response: ServerResponse, refusal: Refusal, receipt: string | null): void {
  if (response.headersSent || response.destroyed) return;
  const row = refusalRow(refusal.code);
  const retryAfter = refusal.retryAfter ?? row.retryAfter;
  const body = Buffer.from(JSON.stringify(problem(refusal, receipt)));
  const headers = [
    'Content-Type',
    'application/problem+json',
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
  ];
  if (receipt !== null) headers.push('Purser-Receipt', `"${receipt}";state=refused;code="${refusal.code}"`);
  if (retryAfter !== undefined) headers.push('Retry-After', String(retryAfter));
  if (row.retryAfter === undefined) headers.push('X-Should-Retry', 'false');
  if (row.status === 401) headers.push('WWW-Authenticate', 'Bearer realm="purser"');
  response.writeHead(row.status, row.title, headers);
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** A whole answer for a connection whose request cannot be read, and which closes after it. */
export function rawRefusal(refusal: Refusal): string {
  const { status, title } = refusalRow(refusal.code);
  const body = JSON.stringify(problem(refusal, null));
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'Content-Type: application/problem+json',
    'Cache-Control: no-store',
    'X-Should-Retry: false',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** The members of the problem document; `error` is what model clients show to people. */
function problem(refusal: Refusal, receipt: string | null): Record<string, unknown> {
  const row = refusalRow(refusal.code);
  return {
    type: `urn:purser:problem:${refusal.code}`,
    title: row.title,
    status: row.status,
    detail: refusal.detail,
    code: refusal.code,
    ...(receipt === null ? {} : { receipt }),
    ...refusal.numbers,
    ...refusal.members,
    error: { message: refusal.detail, type: 'purser_refusal', code: refusal.code },
  };
}

/** Answers JSON of our own, for an agent's own pages. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
  ]);
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** Answers that an agent's own page has nothing of that name; `members` say more. */
export function sendNotFound(
  response: ServerResponse,
  detail: string,
  members: Readonly<Record<string, string>>,
): void {
  const code = 'not_found';
  const error = { message: detail, type: 'purser_refusal', code };
  const problem = {
    type: `urn:purser:problem:${code}`,
    title: 'Not found',
    status: 404,
    detail,
    code,
    ...members,
    error,
  };
  const body = Buffer.from(JSON.stringify(problem));
  const headers = ['Content-Type', 'application/problem+json', 'Content-Length', String(body.length)];
  response.writeHead(404, 'Not found', [...headers, 'Cache-Control', 'no-store', 'X-Should-Retry', 'false']);
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
