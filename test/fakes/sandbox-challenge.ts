// Writes sandbox payment challenges as a merchant's raw `WWW-Authenticate` value, with any field changed, left out or
// broken on purpose (draft-httpauth-payment-00, "Challenge"; the request is the sandbox wire).
import { randomBytes } from 'node:crypto';

/** What stands in the request of a sandbox charge; any member may be replaced or, with undefined, left out. */
export interface SandboxRequest {
  readonly amount?: unknown;
  readonly currency?: unknown;
  readonly recipient?: unknown;
  readonly [extra: string]: unknown;
}

/** What to write differently. By default: a valid challenge over 10 atoms of `usd` to `acme`, 5 minutes long. */
export interface ChallengeChanges {
  /** Merged into the request before it is encoded. */
  readonly request?: SandboxRequest;
  /** The JSON text of the request, taken as it is (duplicate keys, odd spacing); wins over `request`. */
  readonly requestText?: string;
  /** The `request` parameter exactly as it shall stand on the wire; wins over both. */
  readonly requestWire?: string;
  /** Auth-params added or replaced (value as quoted-string); null leaves one out. */
  readonly params?: Readonly<Record<string, string | null>>;
  /** Milliseconds from now until it expires; null: no `expires` at all. Default 300,000. */
  readonly expiresInMs?: number | null;
  /** The scheme's name; default `Payment`. */
  readonly scheme?: string;
}

/** The value of one `WWW-Authenticate` header; the challenge id is fresh on every call unless `params.id` is given. */
export function sandboxChallenge(changes: ChallengeChanges = {}): string {
  const params: Record<string, string | null> = {
    id: randomBytes(16).toString('base64url'),
    realm: 'merchant.test',
    method: 'sandbox',
    intent: 'charge',
    request: requestWire(changes),
    expires: expires(changes.expiresInMs),
    ...changes.params,
  };
  const written = Object.entries(params).flatMap(([name, value]) =>
    value === null ? [] : [`${name}="${value.replace(/[\\"]/g, '\\$&')}"`],
  );
  return `${changes.scheme ?? 'Payment'} ${written.join(', ')}`;
}

function requestWire(changes: ChallengeChanges): string {
  if (changes.requestWire !== undefined) return changes.requestWire;
  const { amount, currency, recipient, ...extra } = {
    amount: '10',
    currency: 'usd',
    recipient: 'acme',
    ...changes.request,
  };
  const text = changes.requestText ?? JSON.stringify({ amount, currency, recipient, ...extra });
  return Buffer.from(text, 'utf8').toString('base64url');
}

function expires(inMs: number | null = 300_000): string | null {
  return inMs === null ? null : new Date(Date.now() + inMs).toISOString();
}
