// Judges one token step by step and says of each step whether it passed and what decides it. It is the only judgement
// of tokens there is: what a person is told by a check and an agent by a 401 comes from here.
import { errors, jwtVerify } from 'jose';
import type { Identity } from '../domain/agent.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import {
  CLOCK_TOLERANCE_S,
  invalid,
  judgeAlgorithm,
  judgeAudience,
  judgeNames,
  judgeTimes,
  judgeType,
  quoted,
} from './claims.ts';
import { type CompactJws, MAX_TOKEN_LENGTH, readCompactJws } from './compact-jws.ts';
import { DEVELOPMENT_ISSUER, type IssuerOptions } from './issuer.ts';
import type { FoundKey, KeySet } from './key-set.ts';

/** One issuer, its keys, and where the configuration names it. */
export interface ConfiguredIssuer {
  readonly options: IssuerOptions;
  readonly keys: KeySet;
  /** `identity.issuers[0]`. */
  readonly path: string;
}

/** The steps in the order in which they are judged; of a token that is not genuine nothing after `signature` is. */
export const STEPS = [
  'form',
  'issuer',
  'algorithm',
  'key',
  'signature',
  'type',
  'audience',
  'times',
  'subject',
] as const;

/** One step's outcome, in words for whoever holds the token and may read the configuration. */
export interface ExaminedStep {
  readonly step: (typeof STEPS)[number];
  readonly outcome: 'passed' | 'failed' | 'not judged';
  readonly detail: string;
  /** The configuration path that decides; null when the token alone does. */
  readonly path: string | null;
}

/** What came of a token. */
export interface Examined {
  readonly verdict: Identity | Refusal;
  readonly steps: readonly ExaminedStep[];
  readonly issuer: ConfiguredIssuer | null;
  /** The key that verified the signature; null when none did. */
  readonly key: FoundKey | null;
}

/** Where the configuration has an issuer, by its place in `identity.issuers`. */
export const issuerPath = (name: string, index: number): string =>
  name === DEVELOPMENT_ISSUER ? 'identity.development' : `identity.issuers[${index}]`;

/** Judges a token at `nowMs`. Never throws for what it holds. */
export async function examine(
  token: string,
  issuers: ReadonlyMap<string, ConfiguredIssuer>,
  nowMs: number,
): Promise<Examined> {
  const steps: ExaminedStep[] = [];
  const passed = (step: ExaminedStep['step'], detail: string, path: string | null = null): void => {
    steps.push({ step, outcome: 'passed', detail, path });
  };
  let issuer: ConfiguredIssuer | null = null;
  const ends = (step: ExaminedStep['step'], verdict: Refusal, path: string | null = null): Examined => {
    steps.push({ step, outcome: 'failed', detail: verdict.detail, path });
    return { verdict, steps: [...steps, ...unjudged(steps)], issuer, key: null };
  };
  if (token.length > MAX_TOKEN_LENGTH) return ends('form', invalid(`it is longer than ${MAX_TOKEN_LENGTH} characters`));
  const jws = readCompactJws(token);
  if (!jws) return ends('form', invalid('it is not a JSON Web Token in strict compact form'));
  passed('form', 'a JSON Web Token in strict compact form');
  const { iss } = jws.payload;
  issuer = (typeof iss === 'string' && issuers.get(iss)) || null;
  if (!issuer)
    return ends(
      'issuer',
      invalid(`its issuer (iss) is ${quoted(iss)}, which is not configured here`),
      'identity.issuers',
    );
  passed('issuer', quoted(iss), pathOf(issuer, 'issuer'));
  const strange = judgeAlgorithm(jws.header, issuer.options);
  if (strange) return ends('algorithm', strange, pathOf(issuer, 'algorithms'));
  passed('algorithm', quoted(jws.header.alg), pathOf(issuer, 'algorithms'));
  const key = await issuer.keys.find(jws.header);
  if (typeof key === 'string') return ends('key', withoutKey(key), pathOf(issuer, 'keys'));
  passed('key', 'the one key that fits, of the issuer’s key set', pathOf(issuer, 'keys'));
  const signed = await verifySignature(token, key, issuer.options, nowMs);
  if (signed === 'forged')
    return ends('signature', invalid("its signature does not fit its issuer's key"), pathOf(issuer, 'keys'));
  passed('signature', 'genuine', pathOf(issuer, 'keys'));
  return { ...judgeGenuine(jws, issuer, signed, nowMs, steps), issuer, key };
}

/** A genuine token: every step is judged, and the first that fails is the verdict. */
function judgeGenuine(
  { header, payload }: CompactJws,
  issuer: ConfiguredIssuer,
  signed: 'good' | Refusal,
  nowMs: number,
  before: readonly ExaminedStep[],
): Pick<Examined, 'verdict' | 'steps'> {
  const { options } = issuer;
  const times = judgeTimes(payload, options, nowMs);
  const named = judgeNames(payload, options);
  const why = 'why' in named ? named.why : undefined;
  const nameKey = 'why' in named ? named.key : 'claims.agent';
  const judged = [
    { step: 'type', why: judgeType(header, options), good: quoted(header.typ), path: pathOf(issuer, 'types') },
    {
      step: 'audience',
      why: judgeAudience(payload, options),
      good: quoted(options.audience),
      path: pathOf(issuer, 'audience'),
    },
    { step: 'times', why: times.why, good: lifeText(payload), path: pathOf(issuer, 'maxAge') },
    {
      step: 'subject',
      why,
      good: 'why' in named ? '' : quoted(named.subject),
      path: nameKey && pathOf(issuer, nameKey),
    },
  ] as const;
  const steps = judged.map(
    ({ step, why: no, good, path }): ExaminedStep =>
      no === undefined
        ? { step, outcome: 'passed', detail: good, path }
        : { step, outcome: 'failed', detail: refusalOf(step, no, path, times.expired).detail, path },
  );
  const first = judged.find((one) => one.why !== undefined);
  const refused = first?.why === undefined ? undefined : refusalOf(first.step, first.why, first.path, times.expired);
  // The library's own reading of the claims counts beside ours: where they disagree, nobody is let in.
  const verdict = refused ?? (signed === 'good' ? named : signed);
  if ('why' in verdict) throw new Error('a token that names nobody passed');
  return { verdict, steps: [...before, ...steps] };
}

function refusalOf(step: string, why: string, path: string | null, expired: boolean): Refusal {
  const decides = path === null ? '' : ` (${path})`;
  if (step === 'times' && expired) {
    return refuse('token_expired', `The identity token is not accepted: ${why}${decides}; get a new one.`);
  }
  return invalid(`${why}${decides}`);
}

/** The signature first, then what the library makes of the claims: a refusal where it refuses a genuine token. */
async function verifySignature(
  token: string,
  found: FoundKey,
  options: IssuerOptions,
  nowMs: number,
): Promise<'good' | 'forged' | Refusal> {
  try {
    await jwtVerify(token, found.key, {
      algorithms: [...options.algorithms],
      issuer: options.issuer,
      audience: options.audience,
      requiredClaims: ['exp', 'iat', 'sub'],
      maxTokenAge: Math.floor(options.maxAgeMs / 1_000),
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(nowMs),
    });
    return 'good';
  } catch (cause) {
    if (cause instanceof errors.JWTExpired)
      return refuse('token_expired', 'The identity token has expired; get a new one.');
    // The claim is one of those asked for above, never a name that the token chose.
    if (cause instanceof errors.JWTClaimValidationFailed) return invalid(`its claim ${cause.claim} is not in order`);
    return 'forged';
  }
}

function withoutKey(found: 'unknown' | 'unavailable'): Refusal {
  if (found === 'unknown') return invalid('its signing key is not, or not unambiguously, in the key set of its issuer');
  return invalid(
    "the keys of its issuer cannot be read at the moment; try again later, or tell the gateway's operator",
  );
}

const unjudged = (steps: readonly ExaminedStep[]): ExaminedStep[] =>
  STEPS.slice(steps.length).map((step) => ({
    step,
    outcome: 'not judged',
    detail: 'a step before it failed',
    path: null,
  }));

/** The development issuer is one key of the configuration and has none below it. */
const pathOf = ({ path }: ConfiguredIssuer, key: string): string =>
  path.startsWith('identity.issuers') ? `${path}.${key}` : path;

function lifeText({ iat, exp }: CompactJws['payload']): string {
  const shown = (seconds: unknown): string => new Date(Number(seconds) * 1_000).toISOString();
  return typeof iat === 'number' && typeof exp === 'number' && Math.max(iat, exp) < 8e12
    ? `issued ${shown(iat)}, good until ${shown(exp)}`
    : '';
}
