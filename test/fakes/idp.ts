// A tiny identity provider: real keys of any algorithm, tokens with any header and claims (honest or forged), and a key
// set served over loopback http that counts how often it is fetched.
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** How the key set is served; see {@link Idp.serve}. */
export interface KeySetAnswer {
  /** Default 200. */
  readonly status?: number;
  /** Instead of the published keys. */
  readonly body?: string;
  readonly delayMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What to put into a token: merged over the defaults; undefined leaves a member out. */
export interface TokenParts {
  /** Which key signs; default the one made first. */
  readonly kid?: string;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** One key of the issuer. */
export interface IssuerKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

/** A running issuer. */
export interface Idp {
  readonly issuer: string;
  /** The key set's address. */
  readonly keysUrl: string;
  /** How often the key set was fetched. */
  fetches(): number;
  /** Makes a key and, unless `published` is false, serves it. */
  addKey(alg: string, kid?: string, published?: boolean): Promise<IssuerKey>;
  /** Serves this key no longer; it can still sign. */
  withdraw(kid: string): void;
  /** The published key set. */
  keySet(): { keys: JWK[] };
  /** From now on the key set is answered like this; `{}` returns to normal. */
  serve(answer: KeySetAnswer): void;
  /**
   * A signed token. By default: `typ` at+jwt, the key's `alg` and `kid`, `iss` this issuer, `aud` purser, `sub`
   * research-1, a fresh `jti`, `iat` now, `exp` in ten minutes.
   */
  token(parts?: TokenParts): Promise<string>;
  /** A token that no honest issuer makes: signed with HMAC-SHA-256 under `secret`, or unsigned without one. */
  forge(parts: Omit<TokenParts, 'kid'>, secret?: string | Uint8Array): string;
  close(): Promise<void>;
}

/** Starts an issuer with one key of `alg` (default EdDSA); `issuer` defaults to its own address. */
export async function startIdp(options: { alg?: string; issuer?: string; audience?: string } = {}): Promise<Idp> {
  const { alg = 'EdDSA', audience = 'purser' } = options;
  const keys = new Map<string, IssuerKey>();
  const published = new Set<string>();
  let answer: KeySetAnswer = {};
  let fetches = 0;

  const keySet = () => ({
    keys: [...keys.values()].filter(({ kid }) => published.has(kid)).map((key) => key.publicJwk),
  });
  const server = createServer(async (_, response) => {
    fetches += 1;
    const { status = 200, body = JSON.stringify(keySet()), delayMs = 0, headers = {} } = answer;
    await sleep(delayMs);
    response.writeHead(status, { 'content-type': 'application/jwk-set+json', ...headers }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the issuer listens on a port');
  const url = `http://127.0.0.1:${address.port}`;
  const issuer = options.issuer ?? url;

  const defaults = () => {
    const now = Math.floor(Date.now() / 1000);
    return { iss: issuer, aud: audience, sub: 'research-1', jti: randomUUID(), iat: now, exp: now + 600 };
  };

  async function addKey(keyAlg: string, kid = `${keyAlg}-${keys.size + 1}`, publish = true): Promise<IssuerKey> {
    const { privateKey, publicKey } = await generateKeyPair(keyAlg, { extractable: true });
    const key = { kid, alg: keyAlg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg: keyAlg } };
    keys.set(kid, key);
    if (publish) published.add(kid);
    return key;
  }

  await addKey(alg);
  return {
    issuer,
    keysUrl: `${url}/jwks.json`,
    fetches: () => fetches,
    addKey,
    withdraw: (kid) => void published.delete(kid),
    keySet,
    serve: (next) => {
      answer = next;
    },
    async token({ kid = [...keys.keys()][0] ?? '', header, claims } = {}) {
      const key = keys.get(kid);
      if (key === undefined) throw new Error(`there is no key ${kid}`);
      const protectedHeader = { alg: key.alg, kid, typ: 'at+jwt', ...header };
      return new SignJWT(present({ ...defaults(), ...claims }))
        .setProtectedHeader({ ...present(protectedHeader), alg: protectedHeader.alg })
        .sign(key.privateKey);
    },
    forge({ header, claims }, secret) {
      const fixed = { alg: secret === undefined ? 'none' : 'HS256', typ: 'at+jwt' };
      const parts = [present({ ...fixed, ...header }), present({ ...defaults(), ...claims })];
      const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
      const mac = secret === undefined ? '' : createHmac('sha256', secret).update(signed).digest('base64url');
      return `${signed}.${mac}`;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function present(parts: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
}
