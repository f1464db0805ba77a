// The operators' port: health, readiness, metrics and keys for whoever asks, and the API for who shows a token. It
// answers from what the gateway hands in and must never be reachable from a web page of another origin.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayFault } from '../domain/fault.ts';
import { type ApiParts, answerApi } from './api.ts';
import { judgeHost, judgeOrigin, judgeToken, type OperatorToken } from './guard.ts';
import { type Listener, openListener, type Place } from './listener.ts';
import { PAGES, type PageParts } from './pages.ts';
import { isProblem, type OperatorProblem, problem } from './problem.ts';
import { sendJson, sendProblem } from './reply.ts';

/** Everything the port needs; nothing is reached for. */
export interface OperatorsOptions extends ApiParts, PageParts, Place {
  /** Something in front ends TLS, and names hosts as it likes. */
  readonly tlsAhead: boolean;
  readonly tokens: readonly OperatorToken[];
  /** Told of errors nobody foresaw. */
  readonly unexpected: (error: unknown) => void;
}

/** Builds the server; nothing listens before `listen`. */
export function createOperators(options: OperatorsOptions): Listener {
  return openListener(options, (request, response) => {
    answer(options, request, response).catch((error: unknown) => fail(options, response, error));
  });
}

async function answer(options: OperatorsOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { path, query } = splitTarget(request.url ?? '');
  const strangeHost = options.tlsAhead ? undefined : judgeHost(request.headers, options.listen.host);
  const foreign = strangeHost ?? judgeOrigin(request.headers);
  if (foreign) return sendProblem(response, foreign);
  if (path.startsWith('/api/')) return answerAuthorised(options, request, response, { path, query });
  const page = PAGES.get(path);
  if (!page)
    return sendProblem(response, problem('not_found', 'Choose one of /healthz, /readyz, /metrics, /keys, /api/….'));
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return sendProblem(response, problem('method_not_allowed', 'This takes GET.'));
  }
  return page(options, response);
}

async function answerAuthorised(
  options: OperatorsOptions,
  request: IncomingMessage,
  response: ServerResponse,
  target: { path: string; query: string },
): Promise<void> {
  const method = request.method ?? '';
  const { authorization } = request.headers;
  const by = judgeToken(options.tokens, { method, authorization, from: request.socket.remoteAddress ?? '' });
  if (isProblem(by)) return sendProblem(response, by);
  const path = decodePath(target.path.slice('/api/'.length));
  if (path === undefined)
    return sendProblem(
      response,
      problem(
        'not_found',
        'Its parts must be ids: up to 200 letters, digits, dots, colons, tildes, hyphens and underscores.',
      ),
    );
  const result = await answerApi(options, { method, path, query: target.query, body: request, by });
  return isProblem(result) ? sendProblem(response, result) : sendJson(response, 200, result.value);
}

function fail(options: OperatorsOptions, response: ServerResponse, error: unknown): void {
  const known = faultProblem(error);
  if (!known) options.unexpected(error);
  if (response.headersSent || response.destroyed) response.destroy();
  else sendProblem(response, known ?? problem('internal', 'The gateway met an error it did not foresee; see its log.'));
}

function faultProblem(error: unknown): OperatorProblem | undefined {
  if (!(error instanceof GatewayFault)) return undefined;
  if (error.code === 'ledger_unavailable') {
    return problem('ledger_unavailable', 'The receipt log does not work now. Try again; an order may be given twice.');
  }
  return problem('store_unavailable', 'The budget store does not answer now. Try again; an order may be given twice.');
}

function splitTarget(url: string): { path: string; query: string } {
  const at = url.indexOf('?');
  return at < 0 ? { path: url, query: '' } : { path: url.slice(0, at), query: url.slice(at + 1) };
}

/**
 * One decoding, segment by segment; a segment that decodes to a slash or to what cannot be an id is no path of ours.
 */
function decodePath(path: string): string | undefined {
  try {
    const segments = path.split('/').map(decodeURIComponent);
    return segments.some((segment) => !/^[\w.:~-]{1,200}$/.test(segment)) ? undefined : segments.join('/');
  } catch {
    return undefined;
  }
}
