// The one door out: every connection that leaves this process is made here, after its address was vetted. It never
// follows a redirect and never reads a proxy setting from the environment.
import { lookup } from 'node:dns';
import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createRequire } from 'node:module';
import { isIP, type LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import ipaddr from 'ipaddr.js';
import type { buildConnector, Pool } from 'undici';

/** Where a connection may go and how it is secured. */
export interface Route {
  /** `https://host[:port]` or `http://host[:port]`. */
  readonly origin: string;
  /** May the name resolve to loopback or private addresses? */
  readonly allowPrivateNetwork: boolean;
  /** PEM certificates to trust instead of the system's, or null. */
  readonly ca: string | null;
}

/** What a bounded GET of a small document answers. */
export interface FetchedDocument {
  readonly status: number;
  readonly body: Uint8Array;
}

const CONNECT_TIMEOUT_MS = 5_000;
const CONNECTIONS_PER_SERVICE = 1_024;
/** Silence between two parts of an answer's body; an event stream that is quiet for longer is cut. */
export const BODY_SILENCE_MS = 300_000;

/**
 * An idle connection is let go this long before the service would close it: a proof sent into a closing one is lost.
 */
const KEEP_ALIVE_MARGIN_MS = 2_000;

// undici's own entry also loads fetch, WebSocket and mocks: 15 MB more in a process that only ever uses its pool.
const part = createRequire(import.meta.url);
const ClientPool: typeof Pool = part('undici/lib/dispatcher/pool.js');
const newConnector: typeof buildConnector = part('undici/lib/core/connect.js');

/** An address that the guard does not let through; `code` is stable. */
class AddressForbidden extends Error {
  readonly code = 'ADDRESS_FORBIDDEN';
}

const PRIVATE_RANGES = new Set(['loopback', 'private', 'uniqueLocal', 'carrierGradeNat']);

/** May a socket be opened to this address? Link-local and other special ranges never; private ones when allowed. */
export function addressAllowed(address: string, allowPrivateNetwork: boolean): boolean {
  if (!ipaddr.isValid(address)) return false;
  const range = ipaddr.process(address).range();
  return range === 'unicast' || (allowPrivateNetwork && PRIVATE_RANGES.has(range));
}

/** A DNS lookup that fails when any of the answers is not allowed, so that a mixed answer cannot be raced. */
function guardedLookup(allowPrivateNetwork: boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const forbidden = addresses.find((entry) => !addressAllowed(entry.address, allowPrivateNetwork));
      if (forbidden) return callback(new AddressForbidden('the name resolves to an address that is not allowed'), []);
      const first = addresses[0];
      if (options.all || !first) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}

function guardedConnector(route: Route): buildConnector.connector {
  const connect = newConnector({
    timeout: CONNECT_TIMEOUT_MS,
    lookup: guardedLookup(route.allowPrivateNetwork),
    ...(route.ca === null ? {} : { ca: route.ca }),
  });
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !addressAllowed(host, route.allowPrivateNetwork)) {
      return callback(new AddressForbidden('the address is not allowed'), null);
    }
    return connect({ ...options, hostname: host }, callback);
  };
}

/** A pool of guarded connections to one service. Headers of an answer are limited to `maxHeaderBytes`. */
export function openPool(route: Route, maxHeaderBytes: number): Pool {
  return new ClientPool(route.origin, {
    connect: guardedConnector(route),
    connections: CONNECTIONS_PER_SERVICE,
    pipelining: 1,
    maxHeaderSize: maxHeaderBytes,
    bodyTimeout: BODY_SILENCE_MS,
    keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN_MS,
    allowH2: false,
  });
}

/** Guarded connections for node's own client, each used once. */
export function openAgent(route: Route): HttpAgent {
  const connect = guardedConnector(route);
  const { protocol, hostname, host, port } = new URL(route.origin);
  const to = { protocol, hostname, host, port, ...(isIP(hostname) === 0 ? { servername: hostname } : {}) };
  const agent = protocol === 'https:' ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false });
  agent.createConnection = (_options: ClientRequestArgs, callback?: (error: Error | null, socket: Duplex) => void) => {
    // Whatever the request says of where it goes: the route alone counts.
    connect(to, (...[error, socket]) =>
      (callback as (error: Error | null, socket: Duplex | null) => void)(error, socket),
    );
    return undefined;
  };
  return agent;
}

/** One bounded GET, for key sets and the like. Throws on anything but a whole answer within the limits. */
export async function fetchDocument(
  url: string,
  route: Omit<Route, 'origin'>,
  limits: { readonly maxBytes: number; readonly timeoutMs: number },
): Promise<FetchedDocument> {
  const { Agent, request } = await import('undici');
  const dispatcher = new Agent({
    connect: guardedConnector({ ...route, origin: url }),
    maxResponseSize: limits.maxBytes,
    headersTimeout: limits.timeoutMs,
    bodyTimeout: limits.timeoutMs,
  });
  try {
    const signal = AbortSignal.timeout(limits.timeoutMs);
    const answer = await request(url, { dispatcher, signal, headers: { accept: 'application/json' } });
    return { status: answer.statusCode, body: new Uint8Array(await answer.body.arrayBuffer()) };
  } finally {
    await dispatcher.destroy();
  }
}
