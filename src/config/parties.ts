// The shapes of whom the gateway deals with: identity issuers and paid services.
import { z } from 'zod';
import { duration } from '../yaml/units.ts';
import { plainHttpWrong, readHttpUrl } from './addresses.ts';
import { certificates, type Sources } from './secrets.ts';
import { pathFrom } from './sections.ts';

/** Asymmetric signatures only: a shared key would let a verifier make tokens. */
const ALGORITHMS = ['EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;

const visible = (most: number) =>
  z.string().regex(new RegExp(`^[\\x21-\\x7e]{1,${most}}$`), `must be 1 to ${most} visible ASCII characters`);
const claimPath = z
  .string()
  .regex(/^[^.\s]{1,100}(\.[^.\s]{1,100}){0,9}$/, 'must be a claim or a dotted path of claims such as act.sub');

const tls = (sources: Sources) => z.strictObject({ ca: certificates(sources).optional() }).optional();

export const issuer = (sources: Sources) =>
  z
    .strictObject({
      /** Compared with `iss` exactly. */
      issuer: visible(500),
      audience: visible(500),
      keys: z.strictObject({ url: z.string().optional(), file: pathFrom(sources.folder).optional() }),
      algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(['EdDSA', 'ES256', 'RS256']),
      types: z.array(visible(100)).min(1).default(['at+jwt', 'agent+jwt']),
      maxAge: duration('10s', '30d').prefault('1h'),
      claims: z.strictObject({ agent: claimPath.default('sub'), task: claimPath.default('task') }).prefault({}),
      allowPrivateNetwork: z.boolean().default(false),
      tls: tls(sources),
    })
    .transform((written, context) => {
      const { keys, maxAge, tls: trust, ...rest } = written;
      const source = readKeySource(keys, written.allowPrivateNetwork);
      if ('wrong' in source) {
        context.addIssue({ code: 'custom', path: ['keys', ...source.at], message: source.wrong });
        return z.NEVER;
      }
      return { ...rest, keys: source, maxAgeMs: maxAge, ca: trust?.ca ?? null };
    });

type KeySource =
  | { readonly url: string }
  | { readonly file: string }
  | { readonly wrong: string; readonly at: readonly string[] };

function readKeySource(
  keys: { url?: string | undefined; file?: string | undefined },
  allowPrivateNetwork: boolean,
): KeySource {
  if (keys.url !== undefined && keys.file === undefined) {
    const read = readHttpUrl(keys.url);
    if ('wrong' in read) return { wrong: read.wrong, at: ['url'] };
    const wrong = plainHttpWrong(read.url, { allowPrivateNetwork, allowPlainHttp: false });
    return wrong === undefined ? { url: keys.url } : { wrong, at: ['url'] };
  }
  if (keys.file !== undefined && keys.url === undefined) return { file: keys.file };
  return { wrong: 'must be { url: … } or { file: … }, one of both', at: [] };
}

export const identity = z
  .strictObject({ development: z.boolean().default(false), issuers: z.unknown().optional() })
  .prefault({});

export const service = (sources: Sources) =>
  z
    .strictObject({
      id: z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 lower-case letters, digits or hyphens, no hyphen first'),
      upstream: z.string(),
      provider: z.string().min(1).max(200).optional(),
      allowPrivateNetwork: z.boolean().default(false),
      allowPlainHttp: z.boolean().default(false),
      tls: tls(sources),
      limits: z
        .strictObject({
          upstreamHeaders: duration('100ms', '1h').optional(),
          paymentSettle: duration('100ms', '1h').optional(),
        })
        .prefault({}),
    })
    .transform((written, context) => {
      const { upstream, tls: trust, limits, provider, ...rest } = written;
      const read = readHttpUrl(upstream);
      const wrong = 'wrong' in read ? read.wrong : plainHttpWrong(read.url, written);
      if (wrong !== undefined || 'wrong' in read) {
        context.addIssue({ code: 'custom', path: ['upstream'], message: wrong ?? 'cannot be read' });
        return z.NEVER;
      }
      return {
        ...rest,
        provider: provider ?? null,
        /** `https://host[:port]`. */
        origin: read.url.origin,
        /** What stands before every path: empty, or `/base` without a slash at its end. */
        basePath: read.url.pathname.replace(/\/+$/, ''),
        ca: trust?.ca ?? null,
        upstreamHeadersMs: limits.upstreamHeaders,
        paymentSettleMs: limits.paymentSettle,
      };
    });
