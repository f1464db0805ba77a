// The body digest of a challenge (RFC 9530; draft-httpauth-payment-00, "Request Body Digest Binding"): the credential
// may go only with the body it was demanded for.
import { createHash } from 'node:crypto';
import type { Challenge } from '../domain/offer.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { malformed, unsupported } from './quote.ts';

const MEMBER = /^([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):$/;
/** As the reference implementation writes it, without the colons; no value of RFC 9530 looks like it. */
const WITHOUT_COLONS = /^sha-256=([A-Za-z0-9+/]{43}=)$/;

const ALGORITHMS = [
  { name: 'sha-256', hash: 'sha256', bytes: 32 },
  { name: 'sha-512', hash: 'sha512', bytes: 64 },
] as const;

/**
 * Digests by algorithm; undefined when it is not a dictionary of byte sequences (RFC 8941), names an algorithm twice,
 * or gives sha-256 or sha-512 another length than theirs.
 */
export function readDigest(text: string): ReadonlyMap<string, Uint8Array> | undefined {
  const bare = WITHOUT_COLONS.exec(text)?.[1];
  const members = bare === undefined ? text.split(',') : [`sha-256=:${bare}:`];
  const digests = new Map<string, Uint8Array>();
  for (const member of members) {
    const [, name, encoded] = MEMBER.exec(member.trim()) ?? [];
    const bytes = encoded === undefined ? undefined : readBase64(encoded);
    if (name === undefined || !bytes || digests.has(name)) return undefined;
    digests.set(name, bytes);
  }
  const fits = ALGORITHMS.every(({ name, bytes }) => (digests.get(name)?.length ?? bytes) === bytes);
  return fits ? digests : undefined;
}

/**
 * Undefined when the challenge states no digest, or each sha-256 and sha-512 it states is that of `body`, the request's
 * bytes as they are sent (empty when it has none). Else `challenge_mismatch`, or `challenge_unsupported` when it states
 * other algorithms only.
 */
export function checkDigest({ digest }: Pick<Challenge, 'digest'>, body: Uint8Array): Refusal | undefined {
  if (digest === null) return undefined;
  const digests = readDigest(digest);
  if (!digests) return malformed('digest is not one such as sha-256=:…: (RFC 9530)');
  const known = ALGORITHMS.filter(({ name }) => digests.has(name));
  if (known.length === 0) return unsupported('its body digest has neither sha-256 nor sha-512');
  const wrong = known.find(({ name, hash }) => {
    return !createHash(hash)
      .update(body)
      .digest()
      .equals(digests.get(name) ?? new Uint8Array());
  });
  if (!wrong) return undefined;
  const detail = `The service's payment demand is for another request body: its ${wrong.name} differs from ours`;
  return refuse('challenge_mismatch', `${detail}. Nothing was paid; tell the service's operator.`);
}

/** Base64 with padding, one spelling per value. */
function readBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
