// The operators' port: health, readiness, metrics and keys for whoever asks, and the API for who shows a token. It
// answers from what the gateway hands in and must never be reachable from a web page of another origin.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { GatewayFault } from '../domain/fault.ts';
import { type ApiParts, answerApi } from './api.ts';
import { judgeHost, judgeOrigin, judgeToken, type OperatorToken } from './guard.ts';
import { isProblem, type OperatorProblem, problem } from './problem.ts';
import { sendJson, sendProblem, sendText } from './reply.ts';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const CLOSE_WITHIN_MS = 2_000;

/**
 * What each part of the gateway says of itself. A lost store does not make it unready: a fleet would leave together.
 */
export interface Readiness {
  readonly draining: boolean;
  readonly ledger: boolean;
  readonly policy: boolean;
  readonly store: boolean;
  readonly development: boolean;
}

/** Everything the port needs; nothing is reached for. */
export interface OperatorsOptions extends ApiParts {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: { readonly cert: string | Buffer; readonly key: string | Buffer } | null;
  /** Something in front ends TLS, and names hosts as it likes. */
  readonly tlsAhead: boolean;
  readonly tokens: readonly OperatorToken[];
  readonly readiness: () => Readiness;
  /** The text of a Prometheus scrape. */
  readonly metrics: () => Promise<string>;
  /** The public log keys as a JWKS. */
  readonly keys: () => { readonly keys: readonly Record<string, unknown>[] };
  /** Told of errors nobody foresaw. */
  readonly unexpected: (error: unknown) => void;
}

/** The operators' port. */
export interface Operators {
  /** Resolves with the port's base URL; rejects when the address cannot be had. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** Builds the server; nothing listens before `listen`. */
export function createOperators(options: OperatorsOptions): Operators {
  const listener: RequestListener = (request, response) => {
    answer(options, request, response).catch((error: unknown) => fail(options, response, error));
  };
  const limits = {
    maxHeaderSize: 16 * 1024,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
  };
  const server = options.tls
    ? createTlsServer({ ...limits, cert: options.tls.cert, key: options.tls.key, minVersion: 'TLSv1.2' }, listener)
    : createServer(limits, listener);
  return { listen: () => listen(server, options), close: () => close(server) };
}

async function answer(options: OperatorsOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { path, query } = splitTarget(request.url ?? '');
  const strangeHost = options.tlsAhead ? undefined : judgeHost(request.headers, options.listen.host);
  const foreign = strangeHost ?? judgeOrigin(request.headers);
  if (foreign) return sendProblem(response, foreign);
  if (path.startsWith('/api/')) return answerAuthorised(options, request, response, { path, query });
  const page = PAGES.get(path);
  if (!page)
    return sendProblem(response, problem('not_found', 'There is: /healthz, /readyz, /metrics, /keys, /api/….'));
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
  if (path === undefined) return sendProblem(response, problem('not_found', 'The path cannot be read.'));
  const result = await answerApi(options, { method, path, query: target.query, body: request, by });
  return isProblem(result) ? sendProblem(response, result) : sendJson(response, 200, result.value);
}

type Page = (options: OperatorsOptions, response: ServerResponse) => void | Promise<void>;

const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/healthz', (_options, response) => sendJson(response, 200, { status: 'alive' })],
  ['/readyz', sendReadiness],
  ['/keys', (options, response) => sendJson(response, 200, options.keys(), 'application/jwk-set+json')],
  ['/metrics', async (options, response) => sendText(response, await options.metrics(), METRICS_TYPE)],
]);

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

function sendReadiness(options: OperatorsOptions, response: ServerResponse): void {
  const { draining, ledger, policy, store, development } = options.readiness();
  const ready = !draining && ledger && policy;
  const word = (good: boolean): string => (good ? 'ok' : 'unavailable');
  sendJson(response, ready ? 200 : 503, {
    ready,
    gateway: draining ? 'draining' : 'serving',
    ledger: word(ledger),
    policy: word(policy),
    store: word(store),
    ...(development ? { development } : {}),
  });
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

async function listen(server: Server, { listen, tls }: OperatorsOptions): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: listen.host, port: listen.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound: AddressInfo | string | null = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return `${tls ? 'https' : 'http'}://${host}:${port}`;
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const deadline = setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS);
  await closed;
  clearTimeout(deadline);
}
