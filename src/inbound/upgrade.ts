// Requests to switch protocols (RFC 9110, section 7.8): which of them are taken as such, and how they are answered.
// What is not taken is an ordinary request, whose Upgrade is ignored.
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { headerValues } from './agent-request.ts';

/** The agent's end of what may become a tunnel. */
export interface Upgrade {
  /** As the agent wrote it, such as `websocket`. */
  readonly protocol: string;
  readonly socket: Socket;
  /** What came right behind the request's head. */
  readonly head: Buffer;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}(?:\/[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100})?$/;
/** In these the agent could send requests that nobody judges. */
const REQUESTS_INSIDE = /^(?:h2c?|h3|http|tls)(?:[/-]|$)/i;
const CLOSE_WITHIN_MS = 10_000;

/** The one protocol that a GET without a body asks for; null when it is none, several, or one that is ignored. */
export function upgradeProtocol(request: IncomingMessage): string | null {
  const { method, httpVersion, headers, rawHeaders, url } = request;
  if (method !== 'GET' || httpVersion !== '1.1' || headers.host === undefined) return null;
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') return null;
  if (url?.startsWith('/.well-known/')) return null;
  const [protocol, another] = headerValues(rawHeaders, 'upgrade');
  if (protocol === undefined || another !== undefined || !TOKEN.test(protocol)) return null;
  return REQUESTS_INSIDE.test(protocol) ? null : protocol;
}

/** The way to an ordinary answer on a connection that node:http has let go of; it closes after the answer. */
export function answerOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.on('error', () => socket.destroy());
  socket.on('drain', () => response.writableNeedDrain && response.emit('drain'));
  response.on('finish', () => {
    response.detachSocket(socket);
    socket.end();
    // What the agent sent too early is read and thrown away, so that it gets to read the answer.
    socket.resume();
    socket.setTimeout(CLOSE_WITHIN_MS, () => socket.destroy());
  });
  return response;
}
