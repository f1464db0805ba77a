// What a verified token says, judged more strictly than JWT asks (RFC 7519, RFC 8725). Pure; it must never repeat what
// a token says without cutting and escaping it.
import type { Identity } from '../domain/agent.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { isJsonObject, type Json, type JsonObject } from '../domain/strict-json.ts';
import { ALGORITHMS, type IssuerOptions } from './issuer.ts';

const MAX_TEXT_LENGTH = 256;

/** How far an issuer's clock and ours may be apart, in seconds. */
export const CLOCK_TOLERANCE_S = 5;

/**
 * Judges what of the header decides how the signature is verified. Nothing is known to be genuine yet, so that a
 * refusal says nothing of the configuration.
 */
export function judgeAlgorithm(header: JsonObject, options: IssuerOptions): Refusal | undefined {
  const { alg, kid } = header;
  if (typeof alg !== 'string' || !ALGORITHMS.includes(alg) || !options.algorithms.includes(alg)) {
    return invalid(`it is signed with ${quoted(alg)}, which is not accepted of its issuer`);
  }
  if (Object.hasOwn(header, 'crit')) return invalid('it demands header extensions (crit), and none is supported');
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > MAX_TEXT_LENGTH)) {
    return invalid(`its key id is not a text of at most ${MAX_TEXT_LENGTH} characters`);
  }
  return undefined;
}

/** Says what is wrong with a part of a genuine token, or undefined; `why` completes "because …". */
export type Why = string | undefined;

/** Judges the `typ` of a genuine token. */
export function judgeType(header: JsonObject, { types }: IssuerOptions): Why {
  if (isTypeAccepted(header, types)) return undefined;
  const typ = quoted(Object.hasOwn(header, 'typ') ? header.typ : undefined);
  return `its type is ${typ}; an identity token of this issuer is ${types.join(' or ')}`;
}

/** Judges for whom a genuine token was made. */
export function judgeAudience({ aud }: JsonObject, { audience }: IssuerOptions): Why {
  if (isSoleAudience(aud, audience)) return undefined;
  const made = Array.isArray(aud) ? `${aud.length} audiences` : quoted(aud);
  return `it must be made for the audience ${quoted(audience)} and for no other; it is made for ${made}`;
}

/** Judges when a genuine token is good; `expired` when it was good once. */
export function judgeTimes(claims: JsonObject, options: IssuerOptions, nowMs: number): { why: Why; expired: boolean } {
  const { iat, exp, nbf } = claims;
  const missing = ['iat', 'exp'].find((name) => !Object.hasOwn(claims, name));
  if (missing !== undefined) return { why: `its claim ${missing} is missing`, expired: false };
  if (!isSeconds(iat) || !isSeconds(exp) || (nbf !== undefined && !isSeconds(nbf))) {
    return { why: 'its times (iat, exp, nbf) are not whole numbers of seconds', expired: false };
  }
  const now = Math.floor(nowMs / 1_000);
  const most = Math.floor(options.maxAgeMs / 1_000);
  const ahead = iat > now + CLOCK_TOLERANCE_S ? 'iat' : 'nbf';
  if (iat > now + CLOCK_TOLERANCE_S || (nbf !== undefined && nbf > now + CLOCK_TOLERANCE_S)) {
    return { why: `its claim ${ahead} lies in the future`, expired: false };
  }
  if (exp <= now - CLOCK_TOLERANCE_S) return { why: 'it has expired', expired: true };
  if (now - iat - CLOCK_TOLERANCE_S > most) {
    return { why: `it is older than the ${most} s that this gateway accepts of its issuer`, expired: true };
  }
  const long = (exp - iat) * 1_000 > options.maxAgeMs;
  return {
    why: long ? `it lives longer than the ${most} s that this gateway accepts of its issuer` : undefined,
    expired: false,
  };
}

/** Whom a genuine token names, its times having been judged; or why it names nobody. */
export function judgeNames(claims: JsonObject, options: IssuerOptions): Identity | Nameless {
  const { iat, exp, jti } = claims;
  const { agent, task: taskClaim } = options.claims;
  const subject = claimAt(claims, agent);
  if (!isName(subject) || !isName(claims.sub)) {
    return { key: 'claims.agent', why: `its claim ${agent}, which names the agent, is not ${A_NAME}` };
  }
  if (jti !== undefined && !isName(jti)) return { key: null, why: `its jti is not ${A_NAME}` };
  const task = claimAt(claims, taskClaim);
  if (task !== undefined && !isName(task))
    return { key: 'claims.task', why: `its claim ${taskClaim} is not ${A_NAME}` };
  const actors = readActors(claims);
  if (!actors) return { key: null, why: 'its chain of actors (act) cannot be read' };
  return Object.freeze({
    issuer: options.issuer,
    subject,
    jti: jti ?? null,
    issuedAt: Number(iat),
    expiresAt: Number(exp),
    task: task ?? null,
    actors: Object.freeze(actors),
  });
}

/** Why a genuine token names nobody, and the part of the issuer's configuration that decides; null when none does. */
export interface Nameless {
  readonly key: 'claims.agent' | 'claims.task' | null;
  readonly why: string;
}

const A_NAME = `a text of 1 to ${MAX_TEXT_LENGTH} characters without control characters`;

/** May this stand as a subject, task or token id? 1 to 256 characters, none that steers a terminal or hides. */
export function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_TEXT_LENGTH) return false;
  return !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(value);
}

/** A `token_invalid` that says why; `why` completes "because …". */
export function invalid(why: string): Refusal {
  return refuse(
    'token_invalid',
    `The identity token is not accepted: ${why}. Get another, or ask the gateway's operator.`,
  );
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
