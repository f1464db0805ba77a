// One bounded question to a gateway's operators' port over Node's own HTTP: loading a client library would take longer
// than most commands do.
import * as plain from 'node:http';
import * as secure from 'node:https';

/** What is asked; a body is sent as JSON. */
export interface Question {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly authorization?: string;
  readonly body?: unknown;
}

/** What came back; the value is undefined when the body was not JSON. */
export interface Reply {
  readonly status: number;
  readonly value: unknown;
}

/** Questions to one gateway. */
export interface Asker {
  /** Rejects when no whole answer came within the limits, with Node's code where it gave one. */
  ask(question: Question): Promise<Reply>;
  close(): void;
}

const CONNECT_WITHIN_MS = 3_000;
const ANSWER_WITHIN_MS = 30_000;
const MOST_ANSWER_BYTES = 256 * 1024 * 1024;

/** Connections are kept between questions; `cert` (PEM) is the one certificate that is trusted, null means any. */
export function openAsker(url: string, cert: string | null): Asker {
  const http = url.startsWith('https:') ? secure : plain;
  const agent = new http.Agent({ keepAlive: true, ...pinned(cert) });
  return {
    ask: (question) => send(question, (options) => http.request({ ...options, agent })),
    close: () => agent.destroy(),
  };
}

/** The listener shows the very certificate of this configuration, so its name and issuer prove nothing further. */
function pinned(cert: string | null) {
  return cert === null ? {} : { ca: cert, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
}

type Open = (options: plain.RequestOptions) => plain.ClientRequest;

function send({ url, method, authorization, body }: Question, open: Open): Promise<Reply> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    ...(authorization === undefined ? {} : { authorization }),
    ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
  };
  return new Promise((resolve, reject) => {
    const request = open({ ...partsOf(url), method, headers });
    const late = (what: string) => request.destroy(new Error(`no ${what} in time`));
    const connecting = setTimeout(() => late('connection'), CONNECT_WITHIN_MS);
    const answering = setTimeout(() => late('answer'), ANSWER_WITHIN_MS);
    const connected = () => clearTimeout(connecting);
    request.once('socket', (socket) => {
      if (socket.connecting) socket.once('connect', connected);
      else connected();
    });
    request.once('error', reject);
    request.once('close', () => {
      clearTimeout(connecting);
      clearTimeout(answering);
    });
    request.once('response', (response) => receive(response).then(resolve, reject));
    request.end(text);
  });
}

function partsOf(url: string): plain.RequestOptions {
  const { protocol, hostname, port, pathname, search } = new URL(url);
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return { protocol, host, ...(port === '' ? {} : { port }), path: `${pathname}${search}` };
}

async function receive(response: plain.IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > MOST_ANSWER_BYTES) throw new Error('the answer is too long to be a gateway’s');
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, value: readJsonOrNothing(Buffer.concat(chunks).toString('utf8')) };
}

function readJsonOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
