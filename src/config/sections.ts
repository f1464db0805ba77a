// The shapes of the small sections of config.yaml: one schema each, every limit with its unit, default and range.
import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { duration, isTimeZone, rate, refuseText, size } from '../yaml/units.ts';
import { hostPort, network, peer } from './addresses.ts';
import { certificates, hex32, type Judge, REFERENCE_FACTS, redisUrl, type Sources, secret, tlsKey } from './secrets.ts';

/** The sections of the file, in the order of the documentation. */
export const SECTIONS = [
  'listen',
  'state',
  'budgets',
  'accounting',
  'identity',
  'services',
  'witnesses',
  'networks',
  'assets',
  'wallets',
  'operators',
  'policies',
  'limits',
] as const;

/** A path, relative to the folder of the file that names it; absolute when read. */
export const pathFrom = (folder: string) =>
  z
    .string()
    .min(1)
    .max(4096)
    .transform((text) => (isAbsolute(text) ? text : resolve(folder, text)));

export const listen = (sources: Sources) =>
  z
    .strictObject({
      agents: hostPort.default({ host: '127.0.0.1', port: 8402 }),
      operators: hostPort.default({ host: '127.0.0.1', port: 8403 }),
      /** PEM, as text. */
      tls: z.strictObject({ cert: certificates(sources), key: secret(sources, tlsKey) }).optional(),
      tlsAhead: z.boolean().default(false),
      /** Health and metrics alone, without TLS. */
      probes: hostPort.optional(),
      /** Networks whose X-Forwarded-For is believed, as `address/prefix`. */
      trustedProxies: z.array(network).max(100).default([]),
    })
    .prefault({});

export const state = (sources: Sources) =>
  z
    .strictObject({
      dir: pathFrom(sources.folder).prefault('./var'),
      /** How often a checkpoint of the log is signed, when something was sealed. */
      checkpoint: duration('1s', '1d').prefault('1m'),
      /** The most receipts in the database itself; of more, the oldest are moved into files of as many. */
      segment: z.int().min(1).max(100_000_000).default(250_000),
    })
    .prefault({})
    .transform(({ dir, checkpoint, segment }) => ({ dir, checkpointMs: checkpoint, segment }));

/** The literal form of a Redis address must not carry a password; a referenced one may. */
const literalRedisUrl: Judge = (text) =>
  text.includes('@')
    ? { wrong: 'holds a user or password: write { env: NAME } or { file: PATH } instead' }
    : redisUrl(text);

const redis = (sources: Sources) =>
  z.strictObject({
    /** Where sentinels or a cluster are named: the user, password and database, and whether with TLS. */
    url: z
      .unknown()
      .transform((written, context) => {
        const judged = typeof written === 'string' ? literalRedisUrl(written) : undefined;
        if (judged && 'wrong' in judged) return refuseText(context, judged.wrong);
        return judged ? { literal: judged.text } : { reference: written };
      })
      .meta({ anyOf: [{ type: 'string', pattern: '^rediss?://' }, REFERENCE_FACTS] })
      .optional(),
    namespace: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'must be 1 to 64 letters, digits, dots, hyphens or underscores')
      .default('purser'),
    key: secret(sources, hex32),
    /** How many replicas must have an exposure before it counts. */
    replicas: z.int().min(0).max(16).default(0),
    /** How long a rebuild waits for a gateway that does not come. */
    missingAfter: duration('1s', '7d').prefault('10m'),
    /** Certificates to trust instead of the system's. */
    tls: z.strictObject({ ca: certificates(sources).optional() }).optional(),
    sentinels: z.array(peer).min(1).max(100).optional(),
    /** The name under which the sentinels know the server. */
    master: z
      .string()
      .regex(/^[\x21-\x7e]{1,100}$/, 'must be 1 to 100 visible ASCII characters')
      .optional(),
    cluster: z.array(peer).min(1).max(100).optional(),
  });

/** `skip` the secrets of the Redis block where the store is embedded: it is then not used. */
export const budgets = (sources: Sources) =>
  z
    .strictObject({ store: z.enum(['embedded', 'redis']).default('embedded'), redis: redis(sources).optional() })
    .prefault({});

/** The Redis address by reference; read apart, since a literal one is no secret. */
export const redisAddress = (sources: Sources) => secret(sources, redisUrl);

export const accounting = z
  .strictObject({
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'must be a currency code of three capitals such as USD')
      .default('USD'),
    timeZone: z.string().refine(isTimeZone, 'must be a time zone such as UTC or Europe/Berlin').default('UTC'),
  })
  .prefault({});

export const operators = z
  .strictObject({
    tokens: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(100),
          /** The hex SHA-256 of the token, lower case. */
          sha256: z
            .string()
            .regex(
              /^[0-9a-fA-F]{64}$/,
              'must be the SHA-256 of the token in hex (64 digits): purser token --operator NAME',
            )
            .transform((hex) => hex.toLowerCase()),
          readOnly: z.boolean().default(false),
        }),
      )
      .max(1_000)
      .default([]),
  })
  .prefault({});

const FOLDER = { type: 'string', minLength: 1 };

export const policies = (sources: Sources) =>
  z
    .unknown()
    .transform((written) => (Array.isArray(written) ? written : [written ?? './policies']))
    .pipe(z.array(pathFrom(sources.folder)).min(1).max(100))
    .meta({ anyOf: [FOLDER, { type: 'array', items: FOLDER, minItems: 1, maxItems: 100 }] });

/** Everything has a limit; times in milliseconds, sizes in bytes. */
export const limits = z
  .strictObject({
    replayBody: size('0B', '64MiB').prefault('1MiB'),
    keptAnswers: size('0B', '4GiB').prefault('64MiB'),
    repeatWindow: duration('1s', '1d').prefault('10m'),
    challenge: size('1KiB', '1MiB').prefault('64KiB'),
    upstreamHeaders: duration('100ms', '1h').prefault('60s'),
    paymentSettle: duration('100ms', '1h').prefault('120s'),
    holdLease: duration('1s', '1h').prefault('60s'),
    refusals: rate.prefault('1000/m'),
    unsettled: z.int().min(1).max(1_000_000).default(5),
    diskReserve: size('0B', '1024GiB').prefault('64MiB'),
    drain: duration('0s', '1h').prefault('25s'),
  })
  .prefault({})
  .transform((written) => ({
    replayBodyBytes: written.replayBody,
    keptAnswersBytes: written.keptAnswers,
    repeatWindowMs: written.repeatWindow,
    challengeBytes: written.challenge,
    upstreamHeadersMs: written.upstreamHeaders,
    paymentSettleMs: written.paymentSettle,
    holdLeaseMs: written.holdLease,
    refusals: written.refusals,
    unsettled: written.unsettled,
    diskReserveBytes: written.diskReserve,
    drainMs: written.drain,
  }));
