// Relays a switch of protocols through http-proxy. Of its work only the copying between two sockets is used: where the
// connection goes, what is sent, and what of the answer the agent sees are decided here, for it would send the agent's
// own headers, and hand on whatever is answered.
import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { Answer } from './answer.ts';
import type { GiveUp } from './forward.ts';

/** A request to switch protocols as it goes on the wire, and the agent's end. */
export interface UpgradeRequest {
  /** Makes the connection, through the guard. */
  readonly agent: HttpAgent;
  readonly origin: string;
  /** Path and query, exactly as judged. */
  readonly target: string;
  /** Flat; without Connection and Upgrade. */
  readonly headers: readonly string[];
  readonly protocol: string;
  /** Until the head of an answer; milliseconds. */
  readonly timeoutMs: number;
  readonly near: Socket;
  readonly head: Buffer;
  /** The head of a 101 as the agent gets it, without Connection and Upgrade; flat in, flat out. */
  agentHeaders(raw: readonly string[]): readonly string[];
}

/** Two connections joined. */
export interface Tunnel {
  /** Resolves when both ends are closed. */
  readonly ended: Promise<void>;
  /** Ends both; what was received is still handed on. */
  close(): void;
}

/** What became of it. */
export type Upgraded =
  | { readonly kind: 'open'; readonly tunnel: Tunnel }
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'lost'; readonly why: 'unreachable' | 'timeout' };

/** A tunnel in which nothing moves for so long is closed, as an event stream is. */
const SILENCE_MS = 300_000;
const CLOSE_WITHIN_MS = 10_000;

/** As much of the package as is used here; it brings no types. */
interface HttpProxy {
  createProxyServer(options: object): {
    on(event: 'proxyReqWs', listener: (request: ClientRequest) => void): void;
    on(event: 'error', listener: () => void): void;
    ws(request: object, socket: Socket, head: Buffer, options: object): void;
  };
}

/** Sends the request; `giveUp` ends the wait when the agent has gone. Never throws. */
export function forwardUpgrade(request: UpgradeRequest, giveUp: GiveUp): Promise<Upgraded> {
  return new Promise((resolve) => {
    const { outgoing, join } = startProxy(request);
    let why: 'unreachable' | 'timeout' = 'unreachable';
    const stop = (): void => void outgoing.destroy();
    const deadline = setTimeout(() => {
      why = 'timeout';
      stop();
    }, request.timeoutMs);
    const settle = (upgraded: Upgraded): void => {
      clearTimeout(deadline);
      giveUp.remove(stop);
      resolve(upgraded);
    };
    giveUp.add(stop);
    if (giveUp.aborted) stop();
    outgoing.on('error', () => settle({ kind: 'lost', why }));
    outgoing.on('close', () => settle({ kind: 'lost', why }));
    outgoing.on('response', (response) => {
      // A 101 that names no protocol comes here too.
      if (response.statusCode === 101) return stop();
      settle({ kind: 'answered', answer: answerOf(response) });
    });
    outgoing.on('upgrade', (response, far, farHead) => {
      const agreed =
        response.statusCode === 101 && response.headers.upgrade?.toLowerCase() === request.protocol.toLowerCase();
      if (agreed) return settle({ kind: 'open', tunnel: join(response, far, farHead) });
      far.destroy();
      settle({ kind: 'lost', why });
    });
  });
}

type Joining = (response: IncomingMessage, far: Socket, farHead: Buffer) => void;

/** Lets http-proxy begin, with our request in place of its own, and takes from it all it would do with an answer. */
function startProxy(request: UpgradeRequest): {
  outgoing: ClientRequest;
  join(response: IncomingMessage, far: Socket, farHead: Buffer): Tunnel;
} {
  const { near, agent, origin } = request;
  const { protocol, hostname, port } = new URL(origin);
  const proxy = quietly(() => loaded().createProxyServer({}));
  let outgoing: ClientRequest | undefined;
  // Without a listener it throws what befalls a connection, and the process would end.
  proxy.on('error', () => {});
  proxy.on('proxyReqWs', (made) => {
    outgoing = made;
    rewrite(made, request);
  });
  const target = { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port, path: '/' };
  quietly(() => proxy.ws(STAND_IN, near, request.head, { target, agent, ignorePath: true }));
  if (!outgoing) throw new Error('http-proxy made no request');
  const [copyBoth] = outgoing.listeners('upgrade') as Joining[];
  if (!copyBoth) throw new Error('http-proxy does not wait for a switch');
  for (const event of ['error', 'response', 'upgrade']) outgoing.removeAllListeners(event);
  return {
    outgoing,
    join: (response, far, farHead) => {
      response.headers = headersOf([
        ...request.agentHeaders(response.rawHeaders),
        ...['Connection', 'Upgrade', 'Upgrade', request.protocol],
      ]);
      near.setDefaultEncoding('latin1');
      copyBoth(response, far, farHead);
      return tunnelOf(near, far);
    },
  };
}

/** What http-proxy is shown in place of the agent's request; it takes no other protocol, and would change the path. */
const STAND_IN = { method: 'GET', url: '/', headers: { upgrade: 'websocket' } };

function rewrite(outgoing: ClientRequest, request: UpgradeRequest): void {
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
  outgoing.path = request.target;
  const own = ['Connection', 'Upgrade', 'Upgrade', request.protocol];
  for (const [name, values] of Object.entries(headersOf([...request.headers, ...own])))
    outgoing.setHeader(name, values);
}

/** By name, in the order of the first of each. */
function headersOf(flat: readonly string[]): Record<string, string[]> {
  const named: Record<string, string[]> = Object.create(null);
  const spelled = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = flat[i] as string;
    const first = spelled.get(name.toLowerCase()) ?? name;
    spelled.set(name.toLowerCase(), first);
    named[first] = [...(named[first] ?? []), flat[i + 1] as string];
  }
  return named;
}

function answerOf(response: IncomingMessage): Answer {
  const answer = new Answer(response.statusCode ?? 0, response.statusMessage ?? '', response.rawHeaders, {
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    abort: () => void response.destroy(),
  });
  response.on('data', (chunk: Buffer) => answer.take(chunk));
  response.on('end', () => answer.finish('ended'));
  response.on('error', () => answer.finish('cut'));
  response.on('close', () => answer.finish('cut'));
  return answer;
}

/** http-proxy copies; that the end of one is the end of the other, within a bound, is seen to here. */
function tunnelOf(near: Socket, far: Socket): Tunnel {
  const close = (): void => {
    for (const socket of [near, far]) {
      socket.resume();
      socket.destroySoon();
      socket.setTimeout(CLOSE_WITHIN_MS, () => socket.destroy());
    }
  };
  far.on('error', () => far.destroy());
  near.setTimeout(SILENCE_MS, close);
  const closed = [near, far].map(
    (socket) => new Promise<void>((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve()))),
  );
  void Promise.race(closed).then(close);
  return { ended: Promise.all(closed).then(() => undefined), close };
}

let httpProxy: HttpProxy | undefined;

/** Loaded at the first upgrade. */
function loaded(): HttpProxy {
  httpProxy ??= createRequire(import.meta.url)('http-proxy') as HttpProxy;
  return httpProxy;
}

/** It calls a function that node has deprecated; nobody who runs a gateway can do anything about that. */
function quietly<T>(work: () => T): T {
  const before = process.noDeprecation ?? false;
  process.noDeprecation = true;
  try {
    return work();
  } finally {
    process.noDeprecation = before;
  }
}
