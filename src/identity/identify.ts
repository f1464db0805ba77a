// Who sends a request: verifies an identity token against the issuer it names, and remembers the verdict. It must never
// take a key, an address or an algorithm from the token itself. Revocation is judged elsewhere, on each request.
import assert from 'node:assert/strict';
import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { Identity } from '../domain/agent.ts';
import type { Clock } from '../domain/clock.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { invalid, judgeClaims, judgeHeader, quoted } from './claims.ts';
import { type CompactJws, MAX_TOKEN_LENGTH, readCompactJws } from './compact-jws.ts';
import type { IssuerOptions } from './issuer.ts';
import { type FoundKey, type KeySet, type KeySetLimits, openKeySet } from './key-set.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/** How far an issuer's clock and ours may be apart, in seconds. */
const CLOCK_TOLERANCE_S = 5;
const CACHE_CAPACITY = 10_000;

/** Judges identity tokens. */
export interface Identifier {
  /** The names of the configured issuers, for finding the token. */
  readonly issuers: ReadonlySet<string>;
  /**
   * Whose token this is, or `token_invalid` / `token_expired`. Answers at once, without a promise, for a token that was
   * verified before. Never throws for what a token holds.
   */
  identify(token: string): Identity | Refusal | Promise<Identity | Refusal>;
}

/** What an identifier is made of. */
export interface IdentifierOptions {
  /** Names must differ. */
  readonly issuers: readonly IssuerOptions[];
  readonly clock: Clock;
  /** Told when an issuer's keys cannot be read, and when they can again; for the log. */
  readonly report: (issuer: string, problem: string) => void;
  /** How many verified tokens are remembered; 10,000 when absent. */
  readonly cacheCapacity?: number;
  /** For key sets; each source's own when absent. */
  readonly keySetLimits?: KeySetLimits;
}

/** One issuer and its keys. */
interface Issuer {
  readonly options: IssuerOptions;
  readonly keys: KeySet;
}

/** Makes the identifier of a gateway. Opens nothing and asks nobody until the first token comes. */
export function createIdentifier(options: IdentifierOptions): Identifier {
  const { clock, report } = options;
  const issuers = new Map<string, Issuer>();
  for (const issuer of options.issuers) {
    const { issuer: name } = issuer;
    assert(!issuers.has(name), 'two issuers have one name');
    const keys = openKeySet(issuer.keys, clock, (problem) => report(name, problem), options.keySetLimits);
    issuers.set(name, { options: issuer, keys });
  }
  const cache = new VerifiedTokens(options.cacheCapacity ?? CACHE_CAPACITY);

  async function judge(token: string): Promise<Identity | Refusal> {
    const jws = readCompactJws(token);
    if (!jws) return invalid('it is not a JSON Web Token in strict compact form');
    const { iss } = jws.payload;
    const issuer = typeof iss === 'string' ? issuers.get(iss) : undefined;
    if (!issuer) return invalid(`its issuer (iss) is ${quoted(iss)}, which is not configured here`);
    const refusal = judgeHeader(jws.header, issuer.options);
    if (refusal) return refusal;
    const found = await issuer.keys.find(jws.header);
    if (typeof found === 'string') return withoutKey(found);
    const verdict = await verify(token, jws, found, issuer.options, clock.now());
    if (!('kind' in verdict)) {
      const endsAt = endOfToken(verdict);
      cache.keep(token, { identity: verdict, endsAt, keys: issuer.keys, generation: found.generation });
    }
    return verdict;
  }

  return {
    issuers: new Set(issuers.keys()),
    identify(token) {
      if (token.length > MAX_TOKEN_LENGTH) return invalid(`it is longer than ${MAX_TOKEN_LENGTH} characters`);
      return cache.find(token, clock.now()) ?? judge(token);
    },
  };
}

function withoutKey(found: 'unknown' | 'unavailable'): Refusal {
  if (found === 'unknown') return invalid('its signing key is not, or not unambiguously, in the key set of its issuer');
  return invalid(
    "the keys of its issuer cannot be read at the moment; try again later, or tell the gateway's operator",
  );
}

async function verify(
  token: string,
  jws: CompactJws,
  found: FoundKey,
  options: IssuerOptions,
  nowMs: number,
): Promise<Identity | Refusal> {
  try {
    await jwtVerify<JWTPayload>(token, found.key, {
      algorithms: [...options.algorithms],
      issuer: options.issuer,
      audience: options.audience,
      requiredClaims: ['exp', 'iat', 'sub'],
      maxTokenAge: maxAgeSeconds(options),
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(nowMs),
    });
  } catch (cause) {
    return refusalOf(cause, options);
  }
  // The strict reading of the same bytes: JSON without duplicate members.
  return judgeClaims(jws.payload, options);
}

function refusalOf(cause: unknown, options: IssuerOptions): Refusal {
  if (cause instanceof errors.JWTExpired) {
    const why =
      cause.claim === 'iat'
        ? `is older than the ${maxAgeSeconds(options)} s that this gateway accepts of its issuer`
        : 'has expired';
    return refuse('token_expired', `The identity token ${why}; get a new one.`);
  }
  if (cause instanceof errors.JWTClaimValidationFailed) {
    // The claim is one of those asked for above, never a name that the token chose.
    return invalid(`its claim ${cause.claim} ${claimFault(cause, options)}`);
  }
  return invalid("its signature does not fit its issuer's key");
}

function claimFault(cause: errors.JWTClaimValidationFailed, options: IssuerOptions): string {
  if (cause.reason === 'missing') return 'is missing';
  if (cause.reason === 'invalid') return 'is not a number';
  return cause.claim === 'aud' ? `is not ${quoted(options.audience)}` : 'lies in the future';
}

function maxAgeSeconds(options: IssuerOptions): number {
  return Math.floor(options.maxAgeMs / 1_000);
}

/**
 * The first moment at which verification would find the token expired; milliseconds since 1970. It cannot be too old
 * before that, since no accepted token lives longer than its greatest age.
 */
export function endOfToken(identity: Identity): number {
  return (identity.expiresAt + CLOCK_TOLERANCE_S) * 1_000;
}
