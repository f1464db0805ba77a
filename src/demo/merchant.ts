// A small shop whose payment side is the published `mppx` server; the demo sells with it and tests buy from it. It is a
// stranger to the gateway: it must never share code with the rooms that pay it.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Mppx } from 'mppx/server/core';
import { type BookEntry, sandboxMethod } from './sandbox-method.ts';

/**
 * Something the shop answers: a JSON body, a stream of server-sent events, (once it has been paid) nothing, or the
 * shop's own books as CSV.
 */
export type Goods =
  | { readonly kind: 'json'; readonly body: unknown }
  | { readonly kind: 'stream'; readonly events: readonly string[]; readonly everyMs: number }
  | { readonly kind: 'hang' }
  | { readonly kind: 'books' };

/** One thing on offer. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** Matched exactly, without the query. */
  readonly path: string;
  /** Atoms of the shop's currency; null: free. */
  readonly price: string | null;
  readonly goods: Goods;
  /** Who is paid; default: the shop's account. */
  readonly payee?: string;
  /** Rewrites the `WWW-Authenticate` value on its way out, as somebody between shop and buyer would. */
  readonly tamper?: (challenge: string) => string;
}

/** What the shop sells and where. */
export interface MerchantOptions {
  readonly routes: readonly Route[];
  /** The account that is paid; default `acme`. */
  readonly account?: string;
  /** Lower-case code; default `usd`. */
  readonly currency?: string;
  /** Default `shop.test`. */
  readonly realm?: string;
  /** Tells everybody which payments it took (docs/sandbox-rail.md); default false. */
  readonly tells?: boolean;
  /** The address it listens on; default 127.0.0.1. */
  readonly host?: string;
  /** Default: a free one. */
  readonly port?: number;
}

/** A shop that is open. */
export interface Merchant {
  /** `http://<host>:<port>` */
  readonly url: string;
  /** Every payment it took, in order. */
  readonly books: readonly BookEntry[];
  /** Every request for its goods, in order, as `GET /path`. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

/** Opens the shop; resolves once it listens. */
export async function sandboxMerchant(options: MerchantOptions): Promise<Merchant> {
  const { routes, account = 'acme', currency = 'usd', realm = 'shop.test' } = options;
  const { host = '127.0.0.1', port = 0, tells = false } = options;
  const books: BookEntry[] = [];
  const requests: string[] = [];
  const till = Mppx.create({
    methods: [sandboxMethod(books)],
    secretKey: randomBytes(32).toString('base64'),
    realm,
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0];
    const nonce = path?.startsWith(TOLD) ? path.slice(TOLD.length) : undefined;
    if (nonce !== undefined) return tells ? tell(response, books, nonce) : sendJson(response, 404, {});
    requests.push(`${request.method} ${path}`);
    const route = routes.find((each) => each.method === request.method && each.path === path);
    if (route === undefined) return sendJson(response, 404, { error: 'nothing is sold here' });
    if (route.price === null) return deliver(response, route.goods, books);
    const { price: amount, payee: recipient = account } = route;
    // The body is no part of what is paid for, and stays unread for the goods.
    const asked = new Request(`http://${realm}${path}`, { headers: headersOf(request) });
    const outcome = await till.charge({ amount, currency, recipient })(asked);
    if (outcome.status === 402) return demand(response, outcome.challenge, route.tamper);
    const paid = outcome.withReceipt(new Response(null));
    for (const [name, value] of paid.headers) response.setHeader(name, value);
    return deliver(response, route.goods, books);
  }

  const server = createServer((request, response) => {
    request.resume();
    serve(request, response).catch(() => response.destroy());
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the shop listens on a port');
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${address.port}`,
    books,
    requests,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const TOLD = '/.well-known/sandbox-payments/';

/** What became of a payment, by the shop's own books. */
function tell(response: ServerResponse, books: readonly BookEntry[], nonce: string): void {
  const isNonce = /^[\w-]{22}$/.test(nonce);
  sendJson(response, isNonce ? 200 : 404, isNonce ? { redeemed: books.some((entry) => entry.nonce === nonce) } : {});
}

async function demand(response: ServerResponse, challenge: Response, tamper = (value: string) => value): Promise<void> {
  const headers = Object.fromEntries(challenge.headers);
  const wanted = headers['www-authenticate'];
  if (wanted !== undefined) headers['www-authenticate'] = tamper(wanted);
  response.writeHead(402, headers).end(await challenge.text());
}

async function deliver(response: ServerResponse, goods: Goods, books: readonly BookEntry[]): Promise<void> {
  if (goods.kind === 'json') return sendJson(response, 200, goods.body);
  if (goods.kind === 'hang') return;
  if (goods.kind === 'books') return sendBooks(response, books);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of goods.events) {
    if (response.destroyed) return;
    response.write(`data: ${event}\n\n`);
    await sleep(goods.everyMs);
  }
  response.end();
}

/** What it took, in the columns that `purser audit --books` reads. */
function sendBooks(response: ServerResponse, books: readonly BookEntry[]): void {
  const rows = books.map(({ nonce, amount, currency, recipient, at }) =>
    [nonce, amount, currency, recipient, new Date(at).toISOString()].join(','),
  );
  response.writeHead(200, { 'content-type': 'text/csv' });
  response.end(['payment,amount,asset,payee,at', ...rows, ''].join('\n'));
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function headersOf(request: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return headers;
}
