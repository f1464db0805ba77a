// What goes to the service (draft-httpauth-payment-00, "Credentials") and the claim that comes back ("Payment-
// Receipt"). A credential is money: it is returned to the caller and nowhere else.
import { createHash } from 'node:crypto';
import { readBase64Url } from '../domain/base64url.ts';
import type { Challenge } from '../domain/offer.ts';
import { isJsonObject, readJson } from '../domain/strict-json.ts';

const MOST_RECEIPT = 16 * 1024;
const MOST_REFERENCE = 256;

/**
 * The value of `Authorization`: the challenge's parameters exactly as they were, the method's `payload` (values that
 * JSON can say) and, when the method names the payer, `source`.
 */
export function mppAuthorization(
  challenge: Challenge,
  payload: Readonly<Record<string, unknown>>,
  source: string | null,
): string {
  const { id, realm, method, intent, request, description, opaque, digest, expires } = challenge;
  const echo = {
    id,
    realm,
    method,
    intent,
    request,
    ...(description !== null && { description }),
    ...(opaque !== null && { opaque }),
    ...(digest !== null && { digest }),
    ...(expires !== null && { expires }),
  };
  const credential = JSON.stringify({ challenge: echo, payload, ...(source !== null && { source }) });
  return `Payment ${Buffer.from(credential, 'utf8').toString('base64url')}`;
}

/** A settlement receipt as the service claims it. */
export interface PaymentReceipt {
  /** The service's own reference, cut to 256 characters; text of the service, to be shown escaped. */
  readonly reference: string;
  /** Lower-case hex SHA-256 over the header value. */
  readonly hash: string;
}

/**
 * Reads the value of `Payment-Receipt`; undefined unless it is strict base64url JSON with a success and a reference.
 */
export function readPaymentReceipt(headerValue: string): PaymentReceipt | undefined {
  const bytes = headerValue.length > MOST_RECEIPT ? undefined : readBase64Url(headerValue);
  const reading = bytes && readJson(bytes, MOST_RECEIPT);
  if (!reading || 'problem' in reading || !isJsonObject(reading.value)) return undefined;
  const { status, reference } = reading.value;
  if (status !== 'success' || typeof reference !== 'string' || reference === '') return undefined;
  // By code points: half of a surrogate pair has no place in canonical JSON.
  const cut = [...reference].slice(0, MOST_REFERENCE).join('');
  return { reference: cut, hash: createHash('sha256').update(headerValue, 'latin1').digest('hex') };
}
