// A witness's port. Everything about it is bounded: nobody has to say who they are, the checkpoint's signature counts.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ADD_CHECKPOINT, MOST_REQUEST_BYTES } from './request.ts';
import type { Answer, Witness } from './witness.ts';

/** A port that is open. */
export interface WitnessPort {
  readonly url: string;
  close(): Promise<void>;
}

const WITHIN_MS = 10_000;
const MOST_CONNECTIONS = 256;
const LATEST = /^\/([0-9a-f]{64})\/checkpoint$/;

/** Opens the port; `fault` is told of what should not happen. Rejects when it cannot listen. */
export async function openWitnessPort(
  witness: Pick<Witness, 'add' | 'latest'>,
  listen: { readonly host: string; readonly port: number },
  fault: (error: unknown) => void,
): Promise<WitnessPort> {
  const limits = { requestTimeout: WITHIN_MS, headersTimeout: WITHIN_MS, maxHeaderSize: 8 * 1024 };
  const server = createServer(limits, (request, response) => {
    answer(witness, request).then(
      (answered) => send(response, answered),
      (error: unknown) => {
        fault(error);
        send(response, { status: 500, type: 'text/plain', body: 'unexpected error\n' });
      },
    );
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return {
    url: `http://${host}:${port}`,
    close: async () => {
      server.close();
      server.closeIdleConnections();
      await once(server, 'close');
    },
  };
}

async function answer(witness: Pick<Witness, 'add' | 'latest'>, request: IncomingMessage): Promise<Answer> {
  const path = request.url ?? '';
  const latest = LATEST.exec(path)?.[1];
  if (latest !== undefined && request.method === 'GET') return witness.latest(latest);
  if (path !== ADD_CHECKPOINT) return { status: 404, type: 'text/plain', body: 'not found\n' };
  if (request.method !== 'POST') return { status: 405, type: 'text/plain', body: 'POST a checkpoint\n' };
  const body = await read(request);
  if (body === undefined) return { status: 413, type: 'text/plain', body: 'too long\n' };
  return witness.add(body);
}

/** Undefined when it is too long. What is not UTF-8 is no request; the reader finds it is none. */
async function read(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > MOST_REQUEST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body);
}
