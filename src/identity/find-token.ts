// Where a request carries its identity token, and what of it must not go upstream. Pure; it
// believes nothing that the token says: an unverified issuer only decides whose header it is.
import { type Refusal, refuse } from '../domain/refusal.ts';
import { MAX_TOKEN_LENGTH, mentionsIssuer } from './compact-jws.ts';

/** The identity token of a request and the headers that end here. */
export interface FoundToken {
  /** As it stood; not verified. */
  readonly token: string;
  /** Lower-case names of headers that must not go upstream. */
  readonly consumed: readonly string[];
  /** An `Authorization` of the service's own stays on the request. */
  readonly serviceAuthorization: boolean;
}

/** One place where a token may stand, and the token that was found there. */
interface Place {
  readonly header: CredentialHeader;
  readonly token: string;
}

type CredentialHeader = (typeof CREDENTIAL_HEADERS)[number];
type CredentialLines = ReadonlyMap<string, readonly string[]>;

const CREDENTIAL_HEADERS = ['purser-token', 'proxy-authorization', 'authorization', 'x-api-key'] as const;
const NEVER_UPSTREAM: readonly CredentialHeader[] = ['purser-token', 'proxy-authorization'];
const HOW_TO_SEND =
  'Send it in the header Purser-Token, or as the Bearer token or API key of your client, with nothing else beside it.';

/**
 * Finds the identity token in exactly one of `Purser-Token`, `Proxy-Authorization: Bearer` and, when it names one of
 * `issuers`, `Authorization: Bearer`, the password of `Authorization: Basic`, and `X-Api-Key`. Refuses with
 * `token_missing`, or with `token_invalid` for two tokens, two lines of one of these headers, or one that is too long.
 *
 * @param rawHeaders names and values in turn, as node:http gives them
 */
export function findToken(rawHeaders: readonly string[], issuers: ReadonlySet<string>): FoundToken | Refusal {
  const lines = credentialLines(rawHeaders);
  for (const header of CREDENTIAL_HEADERS) {
    const count = lines.get(header)?.length ?? 0;
    if (count > 1) {
      return refuse('token_invalid', `The request has ${count} lines of the header ${header}; send one.`);
    }
  }
  const places: Place[] = [];
  for (const place of [ownHeader(lines), proxyBearer(lines), authorization(lines, issuers), apiKey(lines, issuers)]) {
    if (place && 'kind' in place) return place;
    if (place) places.push(place);
  }
  const [place, another] = places;
  if (!place) return missing(lines);
  if (another) {
    const where = `${place.header} and ${another.header}`;
    return refuse('token_invalid', `The request carries two identity tokens, in ${where}; send one.`);
  }
  return {
    token: place.token,
    consumed: [...new Set([...NEVER_UPSTREAM, place.header])],
    serviceAuthorization: lines.has('authorization') && place.header !== 'authorization',
  };
}

/**
 * Refuses a payment credential that the agent brought itself: an `Authorization` of scheme Payment, L402 or LSAT, or an
 * x402 payment header. Asked after identity, so that the refusal has a receipt.
 */
export function findAgentPayment(rawHeaders: readonly string[]): Refusal | undefined {
  for (const [name, value] of pairs(rawHeaders)) {
    const pays =
      name === 'x-payment' ||
      name === 'payment-signature' ||
      // Anywhere in the list: a proxy may have joined two lines with a comma.
      (name === 'authorization' && /(?:^|,)[ \t]*(?:payment|l402|lsat)(?=[\s,]|$)/i.test(value));
    if (pays) {
      return refuse(
        'agent_payment_forbidden',
        `The request carries its own payment in the header ${name}. Leave it out: the gateway pays for its agents.`,
      );
    }
  }
  return undefined;
}

function* pairs(rawHeaders: readonly string[]): Generator<[name: string, value: string]> {
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    yield [(rawHeaders[index] ?? '').toLowerCase(), rawHeaders[index + 1] ?? ''];
  }
}

function credentialLines(rawHeaders: readonly string[]): CredentialLines {
  const lines = new Map<string, string[]>();
  const wanted: readonly string[] = CREDENTIAL_HEADERS;
  for (const [name, value] of pairs(rawHeaders)) {
    if (!wanted.includes(name)) continue;
    const values = lines.get(name);
    if (values) values.push(value.trim());
    else lines.set(name, [value.trim()]);
  }
  return lines;
}

function ownHeader(lines: CredentialLines): Place | Refusal | undefined {
  const token = lines.get('purser-token')?.[0];
  if (token !== undefined && /^bearer\s/i.test(token)) {
    return refuse('token_invalid', 'The header Purser-Token takes the token alone; leave the word Bearer out.');
  }
  return token ? bounded('purser-token', token) : undefined;
}

function proxyBearer(lines: CredentialLines): Place | Refusal | undefined {
  const { scheme, credentials } = split(lines.get('proxy-authorization')?.[0]);
  return scheme === 'bearer' && credentials ? bounded('proxy-authorization', credentials) : undefined;
}

function authorization(lines: CredentialLines, issuers: ReadonlySet<string>): Place | Refusal | undefined {
  const value = lines.get('authorization')?.[0];
  const { scheme, credentials } = split(value);
  if (scheme === 'bearer') return recognised('authorization', credentials, issuers);
  if (scheme !== 'basic') return value && mentionsIssuer(value, issuers) ? wrongScheme() : undefined;
  if (credentials.length > 2 * MAX_TOKEN_LENGTH) return tooLong('authorization');
  const pair = Buffer.from(credentials, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  const user = colon < 0 ? pair : pair.slice(0, colon);
  if (mentionsIssuer(user, issuers)) {
    return refuse('token_invalid', 'The identity token stands where the user name belongs; send it as the password.');
  }
  return colon < 0 ? undefined : recognised('authorization', pair.slice(colon + 1), issuers);
}

function apiKey(lines: CredentialLines, issuers: ReadonlySet<string>): Place | Refusal | undefined {
  return recognised('x-api-key', lines.get('x-api-key')?.[0] ?? '', issuers);
}

/** A credential in a header that services use too: ours only when it names an issuer of ours. */
function recognised(header: CredentialHeader, text: string, issuers: ReadonlySet<string>): Place | Refusal | undefined {
  // What is too long to be looked into might be ours, so it cannot be passed on as the service's own.
  if (text.length > MAX_TOKEN_LENGTH) return tooLong(header);
  return mentionsIssuer(text, issuers) ? { header, token: text } : undefined;
}

function bounded(header: CredentialHeader, token: string): Place | Refusal {
  return token.length > MAX_TOKEN_LENGTH ? tooLong(header) : { header, token };
}

function tooLong(header: CredentialHeader): Refusal {
  return refuse(
    'token_invalid',
    `The credential in ${header} is longer than ${MAX_TOKEN_LENGTH} characters; send a shorter token.`,
  );
}

function wrongScheme(): Refusal {
  return refuse('token_invalid', 'The identity token stands in Authorization without the scheme Bearer; add it.');
}

function missing(lines: CredentialLines): Refusal {
  const others = ['authorization', 'x-api-key'].filter((header) => lines.has(header));
  const taken =
    others.length === 0
      ? ''
      : ` What stands in ${others.join(' and ')} was taken for the service's own: it names no issuer of this gateway.`;
  return refuse('token_missing', `The request carries no identity token.${taken} ${HOW_TO_SEND}`);
}

function split(value = ''): { scheme: string; credentials: string } {
  const space = value.search(/[ \t]/);
  if (space < 0) return { scheme: value.toLowerCase(), credentials: '' };
  return { scheme: value.slice(0, space).toLowerCase(), credentials: value.slice(space).trim() };
}
