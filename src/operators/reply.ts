// How the operators' port answers: JSON, text, or a problem document (RFC 9457). Nothing is cached or sniffed.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MOST_BODY_BYTES } from './forms.ts';
import { OPERATOR_PROBLEMS, type OperatorProblem, problem } from './problem.ts';

const PLAIN = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, value: unknown, type = 'application/json'): void {
  const body = `${JSON.stringify(value)}\n`;
  response.writeHead(status, { ...PLAIN, 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body);
}

/** Answers with text of the given type. */
export function sendText(response: ServerResponse, text: string, type: string): void {
  response.writeHead(200, { ...PLAIN, 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text);
}

/** Answers with a problem document. */
export function sendProblem(response: ServerResponse, { code, detail }: OperatorProblem): void {
  const { status, title } = OPERATOR_PROBLEMS[code];
  if (status === 401) response.setHeader('www-authenticate', 'Bearer realm="purser-operators"');
  const document = { type: `urn:purser:problem:${code}`, title, status, detail, code };
  sendJson(response, status, document, 'application/problem+json');
}

/** The body of a request that must be JSON of at most 16 KiB. */
export async function receiveBody(request: IncomingMessage): Promise<Uint8Array | OperatorProblem> {
  if (!/^application\/json *(;|$)/i.test(request.headers['content-type'] ?? '')) {
    return problem('body_not_json', 'Send the order as application/json.');
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > MOST_BODY_BYTES) return problem('body_too_large', 'An order takes at most 16 KiB.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
