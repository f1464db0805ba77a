// What a merchant checks of a sandbox payment (docs/sandbox-rail.md), written from that page alone
// so that it shares nothing with the wallet it judges.
import { createPublicKey, verify } from 'node:crypto';

/** The payload of a sandbox charge, read but not yet believed. */
export interface SandboxPayload {
  readonly key: string;
  readonly nonce: string;
  /** Unix seconds. */
  readonly until: number;
  readonly signature: string;
}

/** The challenge a payload must answer; `request` exactly as it was on the wire. */
export interface SignedChallenge {
  readonly id: string;
  readonly realm: string;
  readonly request: string;
}

/**
 * Is this a payment that still can be taken for that challenge? `nowMs` in milliseconds since 1970. A string says why
 * not. Whether it was taken before is the merchant's own book's to say.
 */
export function judgePayload(payload: SandboxPayload, challenge: SignedChallenge, nowMs: number): true | string {
  const { key, nonce, until, signature } = payload;
  if (!isBytes(key, 32) || !isBytes(nonce, 16) || !isBytes(signature, 64)) return 'not base64url of the right length';
  if (!Number.isSafeInteger(until)) return 'until is not in whole seconds';
  if (nowMs > until * 1000) return 'the payment ended before it arrived';
  const signed = JSON.stringify(['sandbox/charge', challenge.id, challenge.realm, challenge.request, nonce, until]);
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' });
  const good = verify(null, Buffer.from(signed, 'utf8'), publicKey, Buffer.from(signature, 'base64url'));
  return good ? true : 'the signature does not fit';
}

function isBytes(text: string, length: number): boolean {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === length && bytes.toString('base64url') === text;
}
