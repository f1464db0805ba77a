// What a verified token says, judged more strictly than JWT asks (RFC 7519, RFC 8725). Pure; it must never repeat what
// a token says without cutting and escaping it.
import type { Identity } from '../domain/agent.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { isJsonObject, type Json, type JsonObject } from '../domain/strict-json.ts';
import { ALGORITHMS, type IssuerOptions } from './issuer.ts';

const MAX_TEXT_LENGTH = 256;

/** Judges the header of a token before its signature. */
export function judgeHeader(header: JsonObject, options: IssuerOptions): Refusal | undefined {
  const { alg, kid } = header;
  if (typeof alg !== 'string' || !ALGORITHMS.includes(alg) || !options.algorithms.includes(alg)) {
    return invalid(`it is signed with ${quoted(alg)}; this issuer's tokens use ${options.algorithms.join(', ')}`);
  }
  if (Object.hasOwn(header, 'crit')) return invalid('it demands header extensions (crit), and none is supported');
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > MAX_TEXT_LENGTH)) {
    return invalid(`its key id is not a text of at most ${MAX_TEXT_LENGTH} characters`);
  }
  if (!isTypeAccepted(header, options.types)) {
    const typ = quoted(Object.hasOwn(header, 'typ') ? header.typ : undefined);
    return invalid(`its type is ${typ}; an identity token of this issuer is ${options.types.join(' or ')}`);
  }
  return undefined;
}

/** Makes an identity of claims whose signature, issuer and times were verified, or says what is wrong with them. */
export function judgeClaims(claims: JsonObject, options: IssuerOptions): Identity | Refusal {
  const { iat, exp, nbf, aud, jti } = claims;
  if (!isSeconds(iat) || !isSeconds(exp) || (nbf !== undefined && !isSeconds(nbf))) {
    return invalid('its times (iat, exp, nbf) are not whole numbers of seconds');
  }
  if ((exp - iat) * 1_000 > options.maxAgeMs) {
    const most = Math.floor(options.maxAgeMs / 1_000);
    return invalid(`it lives longer than the ${most} s that this gateway accepts of its issuer`);
  }
  if (!isSoleAudience(aud, options.audience)) {
    return invalid(`it must be made for the audience ${quoted(options.audience)} and for no other`);
  }
  if (jti !== undefined && !isName(jti)) return invalid(`its jti is not ${A_NAME}`);
  const subject = claimAt(claims, options.claims.agent);
  if (!isName(subject) || !isName(claims.sub)) {
    return invalid(`its claim ${options.claims.agent}, which names the agent, is not ${A_NAME}`);
  }
  const task = claimAt(claims, options.claims.task);
  if (task !== undefined && !isName(task)) return invalid(`its claim ${options.claims.task} is not ${A_NAME}`);
  const actors = readActors(claims);
  if (!actors) return invalid('its chain of actors (act) cannot be read');
  return Object.freeze({
    issuer: options.issuer,
    subject,
    jti: jti ?? null,
    issuedAt: iat,
    expiresAt: exp,
    task: task ?? null,
    actors: Object.freeze(actors),
  });
}

const A_NAME = `a text of 1 to ${MAX_TEXT_LENGTH} characters without control characters`;

/** May this stand as a subject, task or token id? 1 to 256 characters, none that steers a terminal or hides. */
export function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_TEXT_LENGTH) return false;
  return !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(value);
}

/** A `token_invalid` that says why; `why` completes "because …". */
export function invalid(why: string): Refusal {
  return refuse('token_invalid', `The identity token is not accepted: ${why}.`);
}

/** Foreign text for a detail: at most 60 characters of it, in visible ASCII. */
export function quoted(value: unknown): string {
  if (typeof value !== 'string') return value === undefined ? 'nothing' : 'not a text';
  const cut = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(cut).replace(/[^\x20-\x7e…]/g, escaped);
}

function isTypeAccepted(header: JsonObject, types: readonly string[]): boolean {
  if (!Object.hasOwn(header, 'typ')) return types.includes('absent');
  const named = types.filter((type) => type !== 'absent').map(bareType);
  return typeof header.typ === 'string' && named.includes(bareType(header.typ));
}

function bareType(type: string): string {
  return type.toLowerCase().replace(/^application\//, '');
}

function isSeconds(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isSoleAudience(aud: unknown, audience: string): boolean {
  return Array.isArray(aud) ? aud.length === 1 && aud[0] === audience : aud === audience;
}

/** Follows a dotted path. A claim's own name may contain dots: the longest name that exists is taken at each step. */
function claimAt(claims: JsonObject, path: string): Json | undefined {
  let rest = path.split('.');
  let here: Json | undefined = claims;
  while (rest.length > 0) {
    if (!isJsonObject(here)) return undefined;
    const object: JsonObject = here;
    const names = rest.map((_, index) => rest.slice(0, rest.length - index).join('.'));
    const taken = names.findIndex((name) => Object.hasOwn(object, name));
    if (taken < 0) return undefined;
    here = object[names[taken] ?? ''];
    rest = rest.slice(rest.length - taken);
  }
  return here;
}

/** The subjects of the `act` chain (RFC 8693, section 4.1), outermost first; strict JSON bounds its length. */
function readActors(claims: JsonObject): string[] | undefined {
  const actors: string[] = [];
  let actor: Json | undefined = claims.act;
  while (actor !== undefined) {
    if (!isJsonObject(actor) || !isName(actor.sub)) return undefined;
    actors.push(actor.sub);
    actor = actor.act;
  }
  return actors;
}
