// The agents' port: node's HTTP server with strict limits. Whatever was read as a request is answered, also while
// draining; what cannot be read as one is answered 400 and closed.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { refuse } from '../domain/refusal.ts';
import { Connections } from './draining.ts';
import { rawRefusal } from './reply.ts';
import { answerOn, type Upgrade, upgradeProtocol } from './upgrade.ts';

/** Where the agents' port listens, and with which certificate. */
export interface InboundOptions {
  readonly host: string;
  readonly port: number;
  /** PEM texts, or null for plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** Handles a request to its end; never throws. `awaitsContinue`: the body is not sent before a 100. */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
    upgrade?: Upgrade | null,
  ): Promise<void>;
}

/** The listening port. */
export interface Inbound {
  /** Resolves with the base URL once connections are accepted. */
  listen(): Promise<string>;
  /** Resolves when no more connections are accepted; answers what comes on the others, and lets go of quiet ones. */
  drain(): Promise<void>;
  /** How many connections are open for requests. */
  connections(): number;
  /** Closes what is left. */
  close(): Promise<void>;
}

/** More header bytes than any client sends; beyond it 431. */
const MAX_HEADER_BYTES = 32 * 1024;
const MAX_HEADERS = 200;
const HEADERS_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 65_000;
/** What is left of a connection that asked for a tunnel is closed when it is silent for so long. */
const CLOSE_WITHIN_MS = 10_000;
/** So much of a refused request's body is read and thrown away, so that its sender gets to read the answer. */
const DISCARD_LIMIT_BYTES = 32 * 1024 * 1024;

/** Builds the port; nothing is open before `listen`. */
export function createInbound(options: InboundOptions): Inbound {
  const answering = new WeakMap<Socket, ServerResponse>();
  const unreadable = (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (!endsAfterAnswer(socket, answering.get(socket))) answerUnreadable(error, socket);
  };
  const handler =
    (awaitsContinue: boolean): RequestListener =>
    (request, response) => {
      if (draining) response.shouldKeepAlive = false;
      connections.begun(request.socket);
      response.once('close', () => connections.ended(request.socket));
      if (!isHttp1(request)) return unreadable(UNKNOWN_VERSION, request.socket);
      // Before 'finish': by then node:http has begun to throw the rest away without a bound.
      response.once('prefinish', () => discardRest(request));
      if (serveOwn(request, response)) return;
      const begin = () => {
        answering.set(request.socket, response);
        void options.handle(request, response, awaitsContinue);
      };
      // A pipelined request waits for its turn; when the connection closes before that, nothing was begun.
      if (response.socket) begin();
      else response.once('socket', begin);
    };
  // A pipelined one is an ordinary request: the answers before it are still on their way on the same connection.
  const mayUpgrade = (request: IncomingMessage): boolean =>
    (answering.get(request.socket)?.writableFinished ?? true) && upgradeProtocol(request) !== null;
  const server = open(options, handler(false), mayUpgrade);
  const connections = new Connections(server, options.tls ? 'secureConnection' : 'connection');
  let draining = false;
  server.on('checkContinue', handler(true));
  server.on('connect', (_request: IncomingMessage, socket: Socket) => {
    connections.forget(socket);
    // node:http has let go of this connection: an error that nobody listens for would end the process.
    socket.on('error', () => socket.destroy());
    socket.setTimeout(CLOSE_WITHIN_MS, () => socket.destroy());
    if (!endsAfterAnswer(socket, answering.get(socket))) socket.end(NO_TUNNEL);
  });
  const switching = new Set<Socket>();
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    connections.forget(socket);
    switching.add(socket);
    socket.once('close', () => switching.delete(socket));
    const protocol = upgradeProtocol(request) ?? '';
    void options.handle(request, answerOn(request, socket), false, { protocol, socket, head });
  });
  server.on('clientError', unreadable);
  return {
    listen: () => listen(server, options),
    drain: async () => {
      await connections.alone();
      draining = true;
      // Not that of node:http, which would cut off connections that carry a request at this very moment.
      NetServer.prototype.close.call(server);
      connections.letGo();
    },
    connections: () => connections.size,
    close: async () => {
      draining = true;
      connections.stop();
      server.close();
      server.closeAllConnections();
      for (const socket of switching) socket.destroySoon();
    },
  };
}

async function listen(server: Server, { host, port, tls }: InboundOptions): Promise<string> {
  server.listen(port, host);
  await once(server, 'listening');
  const bound = server.address() as AddressInfo;
  const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return `${tls ? 'https' : 'http'}://${name}:${bound.port}`;
}

function open(
  options: InboundOptions,
  listener: RequestListener,
  shouldUpgradeCallback: (request: IncomingMessage) => boolean,
): Server {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    requireHostHeader: false,
    insecureHTTPParser: false,
    noDelay: true,
    shouldUpgradeCallback,
  };
  const server = options.tls
    ? createTlsServer({ ...limits, ...options.tls, minVersion: 'TLSv1.2' }, listener)
    : createServer(limits, listener);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.keepAliveTimeout = IDLE_TIMEOUT_MS;
  // A model client streams its request for as long as it likes; what it may not do is send its head slowly.
  server.requestTimeout = 0;
  server.maxHeadersCount = MAX_HEADERS;
  return server;
}

/** node:http takes other versions too, and would answer a missing Host itself, without a document. */
function isHttp1({ httpVersion, headers }: IncomingMessage): boolean {
  return httpVersion === '1.0' || (httpVersion === '1.1' && headers.host !== undefined);
}

/** Answers that need no agent: the well-known paths are nobody's service, and TRACE would echo the token. */
function serveOwn(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method === 'TRACE') {
    response.writeHead(405, { allow: METHODS, 'content-length': 0, 'x-should-retry': 'false' }).end();
    return true;
  }
  if (!request.url?.startsWith('/.well-known/')) return false;
  response.writeHead(404, { 'content-type': 'text/plain', 'cache-control': 'no-store', 'x-should-retry': 'false' });
  response.end('Not found\n');
  return true;
}

function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  let seen = 0;
  request.on('data', (chunk: Buffer) => {
    seen += chunk.length;
    if (seen > DISCARD_LIMIT_BYTES) request.destroy();
  });
  request.read(0);
  request.resume();
}

/**
 * Is an answer under way on this connection? What cannot be read after a whole request waits for that answer's end;
 * what spoils the request itself breaks off an answer that has begun, and nothing is ever written in between.
 */
function endsAfterAnswer(socket: Socket, current: ServerResponse | undefined): boolean {
  if (!current || current.writableFinished || !socket.writable) return false;
  if (current.req.complete) {
    current.shouldKeepAlive = false;
    if (current.listenerCount('finish', endConnection) === 0) current.once('finish', endConnection);
    return true;
  }
  if (current.headersSent) socket.destroy();
  return current.headersSent;
}

function endConnection(this: ServerResponse): void {
  this.req.socket.destroySoon();
}

function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return void socket.end(rawAnswer('431 Request Header Fields Too Large', 'The request headers are too large.'));
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return void socket.end(rawAnswer('408 Request Timeout', 'The request head did not arrive in time.'));
  }
  socket.end(UNREADABLE);
}

function rawAnswer(status: string, detail: string, more = ''): string {
  const body = JSON.stringify({
    type: 'about:blank',
    title: status.slice(4),
    status: Number(status.slice(0, 3)),
    detail,
  });
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n`;
  const end = `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
  return `${head}X-Should-Retry: false\r\n${more}${end}`;
}

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
const NO_TUNNEL = rawAnswer(
  '405 Method Not Allowed',
  'This gateway is called by its base URL; it does not tunnel.',
  `Allow: ${METHODS}\r\n`,
);
const UNKNOWN_VERSION = new Error('not HTTP/1.0, and not HTTP/1.1 with a Host');
const UNREADABLE = rawRefusal(
  refuse(
    'target_forbidden',
    'The request was refused: it cannot be read, or not in one way only. Send it as RFC 9112 writes it.',
  ),
);
