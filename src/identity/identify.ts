// Who sends a request: verifies an identity token against the issuer it names, and remembers the verdict. It must never
// take a key, an address or an algorithm from the token itself. Revocation is judged elsewhere, on each request.
import assert from 'node:assert/strict';
import type { Identity } from '../domain/agent.ts';
import type { Clock } from '../domain/clock.ts';
import type { Refusal } from '../domain/refusal.ts';
import { CLOCK_TOLERANCE_S, invalid } from './claims.ts';
import { MAX_TOKEN_LENGTH } from './compact-jws.ts';
import { type ConfiguredIssuer, type Examined, examine, issuerPath } from './examine.ts';
import type { IssuerOptions } from './issuer.ts';
import { type KeySetLimits, openKeySet } from './key-set.ts';
import { VerifiedTokens } from './verified-tokens.ts';

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
  /** The same judgement, step by step and not remembered, for whoever runs the gateway. */
  examine(token: string): Promise<Examined>;
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

/** Makes the identifier of a gateway. Opens nothing and asks nobody until the first token comes. */
export function createIdentifier(options: IdentifierOptions): Identifier {
  const { clock, report } = options;
  const issuers = new Map<string, ConfiguredIssuer>();
  for (const [index, issuer] of options.issuers.entries()) {
    const { issuer: name } = issuer;
    assert(!issuers.has(name), 'two issuers have one name');
    const keys = openKeySet(issuer.keys, clock, (problem) => report(name, problem), options.keySetLimits);
    issuers.set(name, { options: issuer, keys, path: issuerPath(name, index) });
  }
  const cache = new VerifiedTokens(options.cacheCapacity ?? CACHE_CAPACITY);

  async function judge(token: string): Promise<Identity | Refusal> {
    const { verdict, issuer, key } = await examine(token, issuers, clock.now());
    if (!('kind' in verdict) && issuer && key) {
      const endsAt = endOfToken(verdict);
      cache.keep(token, { identity: verdict, endsAt, keys: issuer.keys, generation: key.generation });
    }
    return verdict;
  }

  return {
    issuers: new Set(issuers.keys()),
    identify(token) {
      if (token.length > MAX_TOKEN_LENGTH) return invalid(`it is longer than ${MAX_TOKEN_LENGTH} characters`);
      return cache.find(token, clock.now()) ?? judge(token);
    },
    examine: (token) => examine(token, issuers, clock.now()),
  };
}

/**
 * The first moment at which verification would find the token expired; milliseconds since 1970. It cannot be too old
 * before that, since no accepted token lives longer than its greatest age.
 */
export function endOfToken(identity: Identity): number {
  return (identity.expiresAt + CLOCK_TOLERANCE_S) * 1_000;
}
