// The names under which a purchase is claimed in the store. They are keyed hashes, so that the store never holds an
// agent's key, a request or a payment's name, and so that odd characters never shape a store key.
import { createHmac, createSecretKey, type Hmac, type KeyObject } from 'node:crypto';
import type { PurchaseClaim, RailPayment } from '../domain/hold.ts';

/** The claims of one hold; each is 24 characters of base64url, 144 bits of an HMAC-SHA256. */
export interface ClaimNames {
  /** (subject, Idempotency-Key), or null without a key. */
  readonly key: string | null;
  /** (subject, fingerprint): what a repeat without a key is known by, and what a repeat with one is compared with. */
  readonly repeat: string;
  /** (service, challenge id). */
  readonly challenge: string;
  /** The payment's name on its rail. */
  readonly identity: string;
  /** (subject, service): what unsettled purchases are counted under. */
  readonly pair: string;
}

/** A purchase's claims as receipts name them: whole HMAC-SHA256 in hex, and the store's names are their beginnings. */
export interface ClaimHashes {
  readonly key: string | null;
  readonly repeat: string;
}

/** Long enough that nobody finds two that are equal, short because the store keeps several for each hold. */
const NAME_BYTES = 18;
/** As many characters of base64url say just these bytes. */
const NAME_LENGTH = 24;

/** The store's name for a claim whose whole hash is in a receipt. */
export function nameOfHash(hash: string): string {
  return Buffer.from(hash, 'hex').subarray(0, NAME_BYTES).toString('base64url');
}

/** How a payment is named on its rail. */
type PaymentName = Pick<RailPayment, 'network' | 'identity'>;

/** Makes the names under one key (HMAC-SHA256). All gateways of one store must use the same key. */
export class ClaimHasher {
  readonly #key: KeyObject;

  /** `key` is 32 bytes; throws RangeError when it is not. */
  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new RangeError('the shared key has 32 bytes');
    this.#key = createSecretKey(key);
  }

  /** The two names a repeat is found by. */
  purchase(claim: PurchaseClaim): Pick<ClaimNames, 'key' | 'repeat'> {
    const { key, repeat } = this.hashes(claim);
    return { key: key === null ? null : nameOfHash(key), repeat: nameOfHash(repeat) };
  }

  /** The claim as receipts name it. */
  hashes(claim: Pick<PurchaseClaim, 'subject' | 'key' | 'fingerprint'>): ClaimHashes {
    return {
      key: claim.key === null ? null : this.#hash('key', claim.subject, claim.key),
      repeat: this.#hash('repeat', claim.subject, claim.fingerprint),
    };
  }

  /** All names of a hold. */
  hold(claim: PurchaseClaim, service: string, challengeId: string, payment: PaymentName): ClaimNames {
    const [challenge, identity] = [this.challenge(service, challengeId), this.identity(payment)];
    return { ...this.purchase(claim), challenge, identity, pair: this.pair(claim.subject, service) };
  }

  /** What a challenge of a service is known by. */
  challenge(service: string, challengeId: string): string {
    return this.#name('challenge', service, challengeId);
  }

  /** What a payment is known by. */
  identity({ network, identity }: PaymentName): string {
    return this.#name('identity', `${network}:${identity}`);
  }

  /** What unsettled purchases of an agent at a service are counted under. */
  pair(subject: string, service: string): string {
    return this.#name('pair', subject, service);
  }

  /** What tells this key from another one, and says nothing of it. */
  mark(): string {
    return this.#name('mark');
  }

  #name(...parts: readonly string[]): string {
    return this.#hmac(parts).digest('base64url').slice(0, NAME_LENGTH);
  }

  #hash(...parts: readonly string[]): string {
    return this.#hmac(parts).digest('hex');
  }

  #hmac(parts: readonly string[]): Hmac {
    // JSON keeps the parts apart, and escapes lone surrogates instead of replacing them all by the same character.
    return createHmac('sha256', this.#key).update(JSON.stringify(parts));
  }
}
