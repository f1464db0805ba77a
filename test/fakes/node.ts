// A node of the local chain as a real HTTP server: JSON-RPC that a test may alter, hold back or take away.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Certificates } from './certificates.ts';
import type { Chain } from './chain.ts';

/** One call and what the chain answers to it. */
export interface NodeCall {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly result: unknown;
}

/** Answers in the node's place: another result, or `lost` (it hangs up) or `silence` (it never answers). */
export type Alter = (call: NodeCall) => Altered | Promise<Altered>;
type Altered = { readonly result: unknown } | 'lost' | 'silence' | undefined;

/** A running one. */
export interface FakeNode {
  /** `http://127.0.0.1:<port>/v1/<key>`, or `https:` */
  readonly url: string;
  /** The methods it was asked, in order. */
  readonly asked: readonly string[];
  /** From now on; undefined: honest. */
  alter(how: Alter | undefined): void;
  close(): Promise<void>;
}

/** Starts one on a free loopback port, behind TLS where it has a certificate; honest until it is told otherwise. */
export async function startNode(chain: Pick<Chain, 'call'>, tls?: Certificates): Promise<FakeNode> {
  let alter: Alter | undefined;
  const asked: string[] = [];

  async function answer(body: string, response: ServerResponse): Promise<void> {
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] };
    asked.push(method);
    const told = await chain.call(method, params).then(
      (result) => ({ result }),
      () => ({ error: { code: -32_000, message: 'a secret of the node' } }),
    );
    const altered = 'result' in told ? await alter?.({ method, params, result: told.result }) : undefined;
    if (altered === 'silence') return;
    if (altered === 'lost') return void response.destroy();
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(altered ?? told) }));
  }

  const answerTo = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request) body += chunk;
    await answer(body, response).catch(() => response.destroy());
  };
  const server = tls ? createTlsServer({ cert: tls.cert, key: tls.key }, answerTo) : createServer(answerTo);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('it listens on a port');
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${address.port}/v1/a-secret-key`,
    asked,
    alter: (how) => {
      alter = how;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
