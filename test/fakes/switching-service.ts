// A service that switches protocols: it answers an upgrade with what the test says, and echoes in a tunnel.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** What was asked, and the connection it came on. */
export interface Switching {
  readonly request: IncomingMessage;
  readonly socket: Socket;
}

/** The service. */
export interface SwitchingService {
  readonly url: string;
  readonly seen: Switching[];
  /** Requests that came without an upgrade. */
  readonly plain: IncomingMessage[];
  /** Raw bytes to answer an upgrade with; default: a 101 for what was asked, then every byte back. */
  answer: ((request: IncomingMessage) => string) | null;
  /** What it does in a tunnel; default: echo. */
  inside: (socket: Socket) => void;
  close(): Promise<void>;
}

/** Starts it on loopback. */
export async function switchingService(
  tls: { readonly cert: string; readonly key: string } | null = null,
): Promise<SwitchingService> {
  const server = tls ? createTlsServer(tls) : createServer();
  const service: SwitchingService = {
    url: '',
    seen: [],
    plain: [],
    answer: null,
    inside: (socket) => void socket.pipe(socket),
    close: async () => {
      for (const { socket } of service.seen) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  server.on('request', (request: IncomingMessage, response) => {
    service.plain.push(request);
    response.end('plain');
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    service.seen.push({ request, socket });
    socket.on('error', () => {});
    if (head.length > 0) socket.unshift(head);
    if (service.answer) return void socket.end(service.answer(request), 'latin1');
    socket.write(`HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n${MORE}\r\n`);
    service.inside(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return Object.assign(service, { url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}` });
}

const MORE =
  'Set-Cookie: a=b; Domain=example.com; Path=/\r\nPayment-Required: x\r\nPurser-Receipt: fake\r\nX-Own: 1\r\n';
