// How long a proof may live. It must never let one outlive its challenge or its wallet's lifetime.
import type { Challenge } from '../domain/offer.ts';

/**
 * The earlier of the challenge's expiry and `nowMs + proofLifetimeMs`, cut down to a whole second; milliseconds since
 * 1970. It may lie before `nowMs` when the challenge is about to expire: then there is no proof worth making.
 */
export function endOfLife(challenge: Challenge, nowMs: number, proofLifetimeMs: number): number {
  const latest = Math.min(challenge.expiresAt ?? Number.POSITIVE_INFINITY, nowMs + proofLifetimeMs);
  if (!Number.isSafeInteger(Math.floor(latest))) throw new RangeError('the end of a proof’s life is not a time');
  return Math.floor(latest / 1000) * 1000;
}
