// A merchant that follows a script instead of the protocol. It keeps the books of every sandbox payment it was handed
// (a valid proof in its hands is money, whatever it answers) and the raw bytes of every request it read.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { judgePayload, type SandboxPayload } from '../../src/demo/sandbox-proof.ts';
import { sandboxChallenge } from './sandbox-challenge.ts';
import { demand, goods, type Script } from './script.ts';

/** A request as it came. */
export interface CapturedRequest {
  readonly method: string;
  /** The request target as it stood in the request line. */
  readonly target: string;
  /** Names and values as sent, in order. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  /** Everything that came for it, from the request line to the body's end (latin1 shows it best). */
  readonly raw: Buffer;
  /** Did it carry `Authorization: Payment`? */
  readonly paid: boolean;
}

/** A payment the merchant can redeem. */
export interface TakenPayment {
  readonly payer: string;
  readonly nonce: string;
  /** Unix seconds; no merchant takes it later. */
  readonly until: number;
  readonly challengeId: string;
  /** As signed: the decoded request of the challenge. */
  readonly request: unknown;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What it was handed. */
export interface Books {
  /** Each payment once. */
  readonly taken: TakenPayment[];
  /** How often one of those was handed over again. */
  replays: number;
  /** Why a credential is worth nothing, in order. */
  readonly worthless: string[];
}

const TOLD = '/.well-known/sandbox-payments/';

type Choose = (nth: number, request: CapturedRequest) => Script;

/** How it behaves; `nth` counts its unpaid or its paid requests from 1. */
export interface HostileOptions {
  /** Its `WWW-Authenticate` values; by default a fresh valid challenge each time. */
  readonly challenge?: string | readonly string[] | ((nth: number) => string | readonly string[]);
  /** Instead of a 402 with `challenge`. */
  readonly unpaid?: Script | Choose;
  /** After a payment credential; default: the goods. */
  readonly paid?: Script | Choose;
  /** The body of the page that tells what became of the payment of that nonce; undefined: there is none. */
  readonly told?: (nonce: string, books: Books) => string | undefined;
  /** False: acts as soon as the header section is there and captures what came until then. */
  readonly readBody?: boolean;
}

/** A running one. */
export interface HostileMerchant {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly books: Books;
  readonly requests: readonly CapturedRequest[];
  /** Resolves once it has read this many requests. */
  read(requests: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts one on a free loopback port. */
export async function hostileMerchant(options: HostileOptions = {}): Promise<HostileMerchant> {
  const books: Books = { taken: [], replays: 0, worthless: [] };
  const requests: CapturedRequest[] = [];
  const tapped = new WeakMap<Socket, Buffer[]>();
  let unpaid = 0;
  let paid = 0;

  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 }, async (message) => {
    const captured = await capture(message, tapped, options.readBody !== false).catch(() => undefined);
    if (captured === undefined) return;
    // What became of a payment (docs/sandbox-rail.md): being asked is no event of a script.
    if (captured.target.startsWith(TOLD)) {
      const page = options.told?.(captured.target.slice(TOLD.length), books);
      const head = `${page === undefined ? '404 Not Found' : '200 OK'}\r\nDate: ${new Date().toUTCString()}`;
      message.socket.write(`HTTP/1.1 ${head}\r\nContent-Length: ${page?.length ?? 0}\r\n\r\n${page ?? ''}`);
      return;
    }
    requests.push(captured);
    server.emit('read');
    if (captured.paid) {
      enter(books, captured);
      paid += 1;
      await play(message.socket, chosen(options.paid ?? goods, paid, captured));
    } else {
      unpaid += 1;
      await play(message.socket, chosen(options.unpaid ?? challengeOf(options, unpaid), unpaid, captured));
    }
  });
  server.on('connection', (socket: Socket) => {
    tapped.set(socket, []);
    socket.on('data', (bytes: Buffer) => tapped.get(socket)?.push(bytes));
    socket.on('error', () => socket.destroy());
  });
  server.on('clientError', (_, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('it listens on a port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    books,
    requests,
    async read(count) {
      while (requests.length < count) await once(server, 'read');
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function challengeOf({ challenge = () => sandboxChallenge() }: HostileOptions, nth: number): Script {
  return demand(typeof challenge === 'function' ? challenge(nth) : challenge);
}

function chosen(script: Script | Choose, nth: number, request: CapturedRequest): Script {
  return typeof script === 'function' ? script(nth, request) : script;
}

async function capture(
  message: IncomingMessage,
  tapped: WeakMap<Socket, Buffer[]>,
  readBody: boolean,
): Promise<CapturedRequest> {
  const body: Buffer[] = [];
  if (readBody) for await (const bytes of message) body.push(bytes);
  const headers = message.rawHeaders.flatMap((name, n, all) =>
    n % 2 === 0 ? [[name, all[n + 1] ?? ''] as const] : [],
  );
  const raw = Buffer.concat(tapped.get(message.socket) ?? []);
  tapped.set(message.socket, []);
  return {
    method: message.method ?? '',
    target: message.url ?? '',
    headers,
    body: Buffer.concat(body),
    raw,
    paid: credentialOf(headers) !== undefined,
  };
}

/** Plays on the bare socket: node:http only reads here. */
async function play(socket: Socket, script: Script): Promise<void> {
  for (const step of script) {
    if (socket.destroyed) return;
    if (step.do === 'write') socket.write(step.bytes);
    if (step.do === 'wait') await sleep(step.ms);
    if (step.do === 'close') socket.end();
    if (step.do === 'reset') socket.resetAndDestroy();
    if (step.do === 'hang') return;
  }
}

function credentialOf(headers: CapturedRequest['headers']): string | undefined {
  const values = headers.filter(([name]) => name.toLowerCase() === 'authorization').map(([, value]) => value);
  return values.map((value) => /^Payment +(\S+)$/i.exec(value)?.[1]).find((found) => found !== undefined);
}

function enter(books: Books, captured: CapturedRequest): void {
  const credential = decode(credentialOf(captured.headers) ?? '');
  if (!isCredential(credential)) {
    books.worthless.push('the credential cannot be read');
    return;
  }
  const { challenge, payload } = credential;
  const judged = judgePayload(payload, challenge, Date.now());
  if (judged !== true) {
    books.worthless.push(judged);
  } else if (books.taken.some(({ payer, nonce }) => payer === payload.key && nonce === payload.nonce)) {
    books.replays += 1;
  } else {
    const { key: payer, nonce, until } = payload;
    const request = decode(challenge.request);
    books.taken.push({ payer, nonce, until, challengeId: challenge.id, request, at: Date.now() });
  }
}

interface SandboxCredential {
  readonly challenge: { readonly id: string; readonly realm: string; readonly request: string };
  readonly payload: SandboxPayload;
}

function isCredential(value: unknown): value is SandboxCredential {
  if (!hasStrings(value, []) || !('challenge' in value) || !('payload' in value)) return false;
  if (!hasStrings(value.challenge, ['id', 'realm', 'request'])) return false;
  return hasStrings(value.payload, ['key', 'nonce', 'signature']) && 'until' in value.payload;
}

function hasStrings(value: unknown, names: readonly string[]): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const members = new Map<string, unknown>(Object.entries(value));
  return names.every((name) => typeof members.get(name) === 'string');
}

function decode(base64url: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64url, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
