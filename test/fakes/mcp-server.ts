// A real MCP server with one tool, over streamable HTTP and without sessions. That a call of the tool costs money is
// the business of the shop it stands in.
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import * as streamable from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { z } from 'zod';
import type { ShopRequest } from './paid-shop.ts';

/** Where it stands. */
export const MCP_PATH = '/mcp';

/** What anybody may ask of it unpaid: everything but a call of its tool. */
export const isFreeOfMcp = ({ target, body }: ShopRequest): boolean =>
  target === MCP_PATH && (body === '' || JSON.parse(body).method !== 'tools/call');

/** Answers one request; its tool says `text`. */
export async function answerMcp(response: ServerResponse, request: ShopRequest, text: string): Promise<void> {
  // It has nothing to say unasked, so it offers no stream.
  if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end();
  const server = new McpServer({ name: 'models', version: '1.0.0' });
  server.registerTool('ask', { description: 'Asks sky-1.', inputSchema: { question: z.string() } }, async () => ({
    content: [{ type: 'text', text }],
  }));
  const transport = new streamable.WebStandardStreamableHTTPServerTransport({});
  await server.connect(transport);
  const headers = new Headers(
    Object.entries(request.headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
  const answer = await transport.handleRequest(
    new Request(`http://shop.test${MCP_PATH}`, { method: 'POST', headers, body: request.body }),
  );
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  response.writeHead(answer.status);
  if (!answer.body) return void response.end();
  await pipeline(Readable.fromWeb(answer.body as ReadableStream), response);
}
