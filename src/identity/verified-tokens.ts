// What tokens were found to say, so that a token seen again costs one hash and one look-up. It must never answer for
// longer than verification would: not past the token's end, and not across a change of its issuer's keys.
import { hash } from 'node:crypto';
import type { Identity } from '../domain/agent.ts';
import type { KeySet } from './key-set.ts';

/** One verified token, and how long that stands. */
export interface VerifiedToken {
  readonly identity: Identity;
  /** From here on the token has to be judged again; milliseconds since 1970. */
  readonly endsAt: number;
  readonly keys: KeySet;
  /** The generation of `keys` that verified it. */
  readonly generation: number;
}

/** A bounded memory of verified tokens; the oldest makes room. Tokens themselves are not kept, only their SHA-256. */
export class VerifiedTokens {
  readonly #capacity: number;
  readonly #tokens = new Map<string, VerifiedToken>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The identity of a token that still stands at `nowMs`. */
  find(token: string, nowMs: number): Identity | undefined {
    const name = hash('sha256', token, 'base64');
    const found = this.#tokens.get(name);
    if (!found) return undefined;
    if (nowMs < found.endsAt && found.keys.generation() === found.generation) return found.identity;
    this.#tokens.delete(name);
    return undefined;
  }

  /** Remembers a token that was just verified. */
  keep(token: string, verified: VerifiedToken): void {
    const name = hash('sha256', token, 'base64');
    this.#tokens.delete(name);
    if (this.#tokens.size >= this.#capacity) {
      const [oldest] = this.#tokens.keys();
      if (oldest !== undefined) this.#tokens.delete(oldest);
    }
    this.#tokens.set(name, verified);
  }

  /** How many tokens are remembered. */
  get size(): number {
    return this.#tokens.size;
  }
}
