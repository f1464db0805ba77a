// Strict reading of a compact JWS (RFC 7515, section 3.1) before anything is believed of it. One token has exactly one
// spelling; it must never look at a signature, and never let a lenient decoder decide.
import { readBase64Url } from '../domain/base64url.ts';
import { isJsonObject, type JsonObject, readJson } from '../domain/strict-json.ts';

/** The longest token that is looked into, in characters. */
export const MAX_TOKEN_LENGTH = 8_192;

/** The two readable parts of a token. Nothing in it is verified. */
export interface CompactJws {
  readonly header: JsonObject;
  readonly payload: JsonObject;
}

/**
 * Reads a token strictly: at most {@link MAX_TOKEN_LENGTH} characters, three parts in canonical base64url (RFC 4648,
 * section 3.5), header and payload JSON objects without duplicate keys. Undefined when it is anything else.
 */
export function readCompactJws(token: string): CompactJws | undefined {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  const [header, payload, signature, ...more] = token.split('.');
  if (more.length > 0 || !header || !payload || !signature) return undefined;
  if (!readBase64Url(signature)) return undefined;
  const headerClaims = readObject(header);
  const payloadClaims = readObject(payload);
  return headerClaims && payloadClaims && { header: headerClaims, payload: payloadClaims };
}

/**
 * Does this text carry something that could pass for a token of one of `issuers`? Generous where
 * {@link readCompactJws} is strict (padding, other alphabets, junk beside it): what might be ours must not go upstream.
 */
export function mentionsIssuer(text: string, issuers: ReadonlySet<string>): boolean {
  return text.split(/[^A-Za-z0-9_\-+/=.]+/).some((piece) => {
    const payload = piece.split('.', 2)[1];
    if (!payload) return false;
    const json = Buffer.from(payload, 'base64url').toString('utf8').trim();
    return json.startsWith('{') && issuers.has(issuerOf(json));
  });
}

function issuerOf(json: string): string {
  try {
    const value: unknown = JSON.parse(json);
    const hasIssuer = typeof value === 'object' && value !== null && 'iss' in value;
    return hasIssuer && typeof value.iss === 'string' ? value.iss : '';
  } catch {
    return '';
  }
}

function readObject(part: string): JsonObject | undefined {
  const bytes = readBase64Url(part);
  const reading = bytes && readJson(bytes, MAX_TOKEN_LENGTH);
  return reading && 'value' in reading && isJsonObject(reading.value) ? reading.value : undefined;
}
