// A port that operators or their machines call: node's HTTP server with strict limits, with TLS or without.
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Where a port listens, and with which certificate. */
export interface Place {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: { readonly cert: string | Buffer; readonly key: string | Buffer } | null;
}

/** A port. */
export interface Listener {
  /** Resolves with the port's base URL; rejects when the address cannot be had. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const CLOSE_WITHIN_MS = 2_000;

/** Builds the server; nothing listens before `listen`. */
export function openListener(place: Place, listener: RequestListener): Listener {
  const limits = {
    maxHeaderSize: 16 * 1024,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
  };
  const server = place.tls
    ? createTlsServer({ ...limits, cert: place.tls.cert, key: place.tls.key, minVersion: 'TLSv1.2' }, listener)
    : createServer(limits, listener);
  return { listen: () => listen(server, place), close: () => close(server) };
}

async function listen(server: Server, { listen, tls }: Place): Promise<string> {
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
