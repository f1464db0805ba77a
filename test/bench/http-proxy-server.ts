// The proxy that most people would take: http-proxy with a keep-alive agent, and nothing around it.
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { announce } from './children.ts';

/** As much of the package as is used here; it brings no types. */
interface HttpProxy {
  createProxyServer(options: { target: string; agent: Agent }): {
    web(request: IncomingMessage, response: ServerResponse): void;
    on(event: 'error', listener: (error: Error, request: IncomingMessage, response: ServerResponse) => void): void;
  };
}

const httpProxy: HttpProxy = createRequire(import.meta.url)('http-proxy');
const agent = new Agent({ keepAlive: true, maxSockets: 1_024 });
const proxy = httpProxy.createProxyServer({ target: process.argv[2] ?? '', agent });
proxy.on('error', (_error, _request, response) => response.writeHead(502).end());

const server = createServer({ noDelay: true }, (request, response) => proxy.web(request, response));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address && typeof address === 'object') announce(`http://127.0.0.1:${address.port}`);
});
