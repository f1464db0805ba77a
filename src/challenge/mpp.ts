// One `Payment` challenge (draft-httpauth-payment-00, "Challenge") as the wire has it: required parameters, their
// grammar and lengths. Its strings go back to the service unchanged, so nothing here may repair or re-encode them.
import { createHash } from 'node:crypto';
import { readBase64Url } from '../domain/base64url.ts';
import { canonicalJson } from '../domain/canonical.ts';
import type { Challenge } from '../domain/offer.ts';
import type { Refusal } from '../domain/refusal.ts';
import { readInstant } from '../domain/rfc3339.ts';
import { isJsonObject, type JsonObject, readJson } from '../domain/strict-json.ts';
import { readDigest } from './digest.ts';
import { malformed, quote, unsupported } from './quote.ts';
import type { AuthChallenge } from './www-authenticate.ts';

/**
 * The largest `request` and `opaque` parameters, in characters; the reference implementation reads no larger request.
 */
const MOST_ENCODED = 16 * 1024;

interface Grammar {
  readonly pattern: RegExp;
  readonly most: number;
  readonly expected: string;
}

const BASE64URL: Grammar = { pattern: /^[A-Za-z0-9_-]+$/, most: MOST_ENCODED, expected: 'base64url without padding' };
const VISIBLE: Grammar = { pattern: /^[!-~]+$/, most: 1024, expected: 'visible ASCII characters' };

const REQUIRED = {
  method: { pattern: /^[a-z]+$/, most: 64, expected: 'lower-case letters a to z' },
  intent: { pattern: /^[A-Za-z0-9-]+$/, most: 64, expected: 'letters, digits and hyphens' },
  id: VISIBLE,
  realm: { pattern: /^[ -~]+$/, most: 512, expected: 'ASCII characters' },
  request: BASE64URL,
} as const satisfies Record<string, Grammar>;

const OPTIONAL = {
  expires: { pattern: /^[!-~]+$/, most: 64, expected: 'an RFC 3339 date-time' },
  digest: { pattern: /^[ -~]+$/, most: 1024, expected: 'a digest as RFC 9530 writes it' },
  opaque: BASE64URL,
} as const satisfies Record<string, Grammar>;

/**
 * `method/intent` as written, or undefined when one is missing or stands twice: nobody can say what is offered then.
 */
export function kindOf({ params, repeated }: AuthChallenge): string | undefined {
  if (repeated.has('method') || repeated.has('intent')) return undefined;
  const method = params.get('method')?.value;
  const intent = params.get('intent')?.value;
  return method && intent ? `${method}/${intent}` : undefined;
}

/** The challenge of a known kind, or `challenge_malformed`; `challenge_unsupported` for another credential header. */
export function readMppChallenge(auth: AuthChallenge): Challenge | Refusal {
  for (const name of auth.repeated) return malformed(`parameter ${quote(name)} stands twice in one challenge`);
  const problem = firstProblem(auth);
  if (problem) return malformed(problem);
  const text = (name: string) => auth.params.get(name)?.value ?? null;
  const required = (name: keyof typeof REQUIRED) => text(name) ?? '';

  const expires = text('expires');
  const expiresAt = expires === null ? null : readInstant(expires);
  if (expiresAt === undefined) return malformed(`expires is ${quote(expires ?? '')}, expected an RFC 3339 date-time`);
  const digest = text('digest');
  if (digest !== null && !readDigest(digest)) {
    return malformed(`digest is ${quote(digest)}, expected one such as sha-256=:…: (RFC 9530)`);
  }
  const opaque = text('opaque');
  if (opaque !== null && !isFlatMap(opaque))
    return malformed('opaque is not a flat JSON object of strings in base64url');
  const header = text('header');
  if (header !== null && header.toLowerCase() !== 'authorization') {
    return unsupported(`it wants its proof in the header ${quote(header)}, and proofs are sent in Authorization`);
  }
  return {
    dialect: 'mpp',
    method: required('method'),
    intent: required('intent'),
    id: required('id'),
    realm: required('realm'),
    request: required('request'),
    expires,
    expiresAt,
    digest,
    opaque,
    description: describe(auth),
    hash: createHash('sha256').update(auth.raw, 'latin1').digest('hex'),
  };
}

/** The JSON object in `request`: strict, and canonical (RFC 8785) as the draft demands, so it has one reading only. */
export function readRequest(challenge: Challenge): { readonly request: JsonObject } | Refusal {
  const bytes = readBase64Url(challenge.request);
  if (!bytes) return malformed('request is not canonical base64url without padding');
  const reading = readJson(bytes, MOST_ENCODED);
  if ('problem' in reading) return malformed(`request is not strict JSON: ${reading.problem}`);
  if (!isJsonObject(reading.value)) return malformed('request is not a JSON object');
  if (!Buffer.from(canonicalJson(reading.value), 'utf8').equals(bytes)) {
    return malformed('request is not canonical JSON (RFC 8785): keys sorted, no spaces, no needless escapes');
  }
  return { request: reading.value };
}

function firstProblem(auth: AuthChallenge): string | undefined {
  // The reference implementation stops reading at any other character, and would miss what follows.
  const odd = [...auth.params.keys()].find((name) => !/^[a-z0-9_-]+$/.test(name));
  if (odd !== undefined) return `the parameter name ${quote(odd)} holds more than letters, digits, _ and -`;
  for (const [name, grammar] of Object.entries(REQUIRED)) {
    const problem = auth.params.has(name) ? problemOf(auth, name, grammar) : `parameter ${name} is missing`;
    if (problem) return problem;
  }
  for (const [name, grammar] of Object.entries(OPTIONAL)) {
    const problem = auth.params.has(name) ? problemOf(auth, name, grammar) : undefined;
    if (problem) return problem;
  }
  return undefined;
}

function problemOf(auth: AuthChallenge, name: string, { pattern, most, expected }: Grammar): string | undefined {
  const { value, source } = auth.params.get(name) ?? { value: '', source: '' };
  if (value === '') return `parameter ${name} is empty`;
  if (value.length > most) return `parameter ${name} is longer than ${most} characters`;
  if (!pattern.test(value)) return `parameter ${name} is ${quote(value)}, expected ${expected}`;
  // `\x` is `x` to RFC 9110 and something else to others; what is echoed and signed may have one reading only.
  if (!/^(?:[^\\]|\\["\\])*$/.test(source)) return `parameter ${name} holds a needless escape`;
  return undefined;
}

/** draft-httpauth-payment-00, "Optional Parameters": `opaque` is a flat string-to-string map. */
function isFlatMap(opaque: string): boolean {
  const bytes = readBase64Url(opaque);
  const reading = bytes && readJson(bytes, MOST_ENCODED);
  if (!reading || 'problem' in reading || !isJsonObject(reading.value)) return false;
  return Object.values(reading.value).every((value) => typeof value === 'string');
}

/** For people and for the echo only. The reference implementation writes what latin1 lacks as `\uXXXX`. */
function describe({ params }: AuthChallenge): string | null {
  const source = params.get('description')?.source;
  if (source === undefined) return null;
  return source
    .replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, hex: string | undefined, char: string) =>
      hex === undefined ? char : String.fromCharCode(Number.parseInt(hex, 16)),
    )
    .toWellFormed();
}
