// Counterparties for identity tests: issuers with real keys, a real HTTP server for their key sets, and a clock that
// the test moves.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWSHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose';
import type { Clock } from '../../src/domain/clock.ts';
import type { FetchDocument, IssuerOptions } from '../../src/identity/issuer.ts';

/** A clock that stands still until it is moved. */
export class MovedClock implements Clock {
  #ms: number;

  constructor(startMs = Date.now()) {
    this.#ms = startMs;
  }

  now(): number {
    return this.#ms;
  }

  monotonic(): number {
    return this.#ms;
  }

  forward(ms: number): void {
    this.#ms += ms;
  }

  /** Now, in whole seconds. */
  seconds(): number {
    return Math.floor(this.#ms / 1_000);
  }
}

/** A signing key and its public half as a key set member. */
export interface SigningKey {
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

/** Makes a key pair; the public half carries `kid`, `alg` and `use`. */
export async function makeKey(kid: string, alg = 'EdDSA'): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** Claims of a token that is in order at `clock` for {@link issuerOptions}. */
export function goodClaims(clock: MovedClock): JWTPayload {
  const iat = clock.seconds();
  return { iss: 'https://idp.test', aud: 'purser', sub: 'research-1', jti: 'token-1', iat, exp: iat + 900 };
}

/** Signs claims as they are, whatever they say; undefined ones are left out. */
export async function sign(
  key: SigningKey,
  claims: Readonly<Record<string, unknown>>,
  header: Partial<JWSHeaderParameters> = {},
): Promise<string> {
  const protectedHeader = { alg: key.alg, typ: 'agent+jwt', kid: String(key.jwk.kid), ...header };
  return new SignJWT(JSON.parse(JSON.stringify(claims))).setProtectedHeader(protectedHeader).sign(key.privateKey);
}

/** Signs a payload given as raw JSON text, for what JSON.stringify cannot say. */
export async function signRaw(key: SigningKey, json: string, headerJson?: string): Promise<string> {
  const header = headerJson ?? JSON.stringify({ alg: key.alg, typ: 'agent+jwt', kid: key.jwk.kid });
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(json).toString('base64url')}`;
  const signature = await crypto.subtle.sign(key.privateKey.algorithm.name, key.privateKey, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString('base64url')}`;
}

/** Options of an issuer with the documented defaults. */
export function issuerOptions(changes: Partial<IssuerOptions>): IssuerOptions {
  return {
    issuer: 'https://idp.test',
    audience: 'purser',
    keys: { kind: 'memory', jwks: { keys: [] } },
    algorithms: ['EdDSA', 'ES256', 'RS256'],
    types: ['at+jwt', 'agent+jwt'],
    maxAgeMs: 3_600_000,
    claims: { agent: 'sub', task: 'task' },
    ...changes,
  };
}

/** A key-set endpoint that counts its requests and answers as it is told. */
export interface KeyServer {
  readonly url: string;
  requests: number;
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  serve(...keys: readonly JWK[]): void;
  close(): Promise<void>;
}

/** Starts a key-set endpoint on loopback. */
export async function startKeyServer(...keys: readonly JWK[]): Promise<KeyServer> {
  const server: Server = createServer((request, response) => {
    keyServer.requests += 1;
    keyServer.answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const keyServer: KeyServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    requests: 0,
    answer: () => {},
    serve(...served) {
      keyServer.answer = (_, response) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ keys: served }));
      };
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  keyServer.serve(...keys);
  return keyServer;
}

/** A door like the gateway's own: no redirects, bounded in bytes and time. */
export const fetchPlainly: FetchDocument = async (url, limits) => {
  const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(limits.timeoutMs) });
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of answer.body ?? []) {
    length += part.byteLength;
    if (length > limits.maxBytes) throw new Error('too large');
    parts.push(part);
  }
  return { status: answer.status, body: Buffer.concat(parts) };
};
