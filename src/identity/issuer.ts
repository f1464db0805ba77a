// What is configured about one issuer of identity tokens, and the signature algorithms that identity knows at all.
import type { JSONWebKeySet } from 'jose';

/** The `iss` of every token of the development issuer. */
export const DEVELOPMENT_ISSUER = 'purser-development';

/** Asymmetric signature algorithms (RFC 7518, RFC 8037, RFC 9864); there is no other for an identity token. */
export const ALGORITHMS: readonly string[] = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
];

/**
 * One GET through the gateway's one door out. It must not follow redirects and must keep both limits; it rejects when
 * it cannot. `maxBytes` bounds the body, `timeoutMs` the whole exchange.
 */
export type FetchDocument = (
  url: string,
  limits: { readonly maxBytes: number; readonly timeoutMs: number },
) => Promise<{ readonly status: number; readonly body: Uint8Array }>;

/** Where an issuer's public keys are read. */
export type KeySource =
  | { readonly kind: 'url'; readonly url: string; readonly fetch: FetchDocument }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'memory'; readonly jwks: JSONWebKeySet };

/** One issuer whose tokens are accepted. */
export interface IssuerOptions {
  /** Exactly the token's `iss`. */
  readonly issuer: string;
  /** The token's one and only audience. */
  readonly audience: string;
  readonly keys: KeySource;
  /** Of {@link ALGORITHMS}; others never match. */
  readonly algorithms: readonly string[];
  /** Accepted `typ` headers, with or without `application/`; `absent` accepts a token that has none. */
  readonly types: readonly string[];
  /** The longest lifetime (`exp` − `iat`) and the greatest age of a token, in milliseconds; whole seconds count. */
  readonly maxAgeMs: number;
  /** Dotted paths of the claims that name the agent and its task. */
  readonly claims: { readonly agent: string; readonly task: string };
}
