// Which headers cross the gateway, in each direction. Header lists are flat: name, value, name, value, as on the wire.

/** Headers of one hop (RFC 9110, section 7.6.1); those that `Connection` names are added per message. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** What an agent may not tell a service through us: whom it claims to be, how to override what was judged, our own. */
const NEVER_UPSTREAM = new Set([
  'host',
  'expect',
  'content-length',
  'forwarded',
  'via',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
  'x-agent-id',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
  'x-upstream-https-proxy',
  'accept-payment',
  'idempotency-key',
  'traceparent',
  'payment-signature',
  'x-payment',
]);

const NEVER_UPSTREAM_PREFIX = ['purser-', 'x-forwarded-', 'x-purser-'];

/** Payment demands and spoofable headers of ours are never shown to an agent. */
const NEVER_TO_AGENT = new Set([
  'purser-receipt',
  'payment-required',
  'x-payment-response',
  'payment-response',
  'x-should-retry',
]);

/** What the gateway itself adds to a request. */
export interface UpstreamAdditions {
  readonly host: string;
  /** `method/intent` pairs that our wallets answer. */
  readonly acceptPayment: string;
  readonly idempotencyKey: string | null;
  readonly traceparent: string | null;
  /** The body's length when it is known, or null for a chunked body. */
  readonly contentLength: number | null;
  /** The payment proof, only on the one paid request. */
  readonly authorization: string | null;
}

/** The headers of a request as the service gets them; `consumed` are lower-case names that carried our token. */
export function upstreamHeaders(
  raw: readonly string[],
  consumed: ReadonlySet<string>,
  add: UpstreamAdditions,
): string[] {
  const named = connectionNames(raw);
  const out = ['host', add.host];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || NEVER_UPSTREAM.has(lower) || consumed.has(lower) || named.has(lower)) continue;
    if (lower.includes('_') || NEVER_UPSTREAM_PREFIX.some((prefix) => lower.startsWith(prefix))) continue;
    out.push(name, raw[i + 1] as string);
  }
  if (add.contentLength !== null) out.push('content-length', String(add.contentLength));
  if (add.acceptPayment !== '') out.push('accept-payment', add.acceptPayment);
  if (add.idempotencyKey !== null) out.push('idempotency-key', add.idempotencyKey);
  if (add.traceparent !== null) out.push('traceparent', add.traceparent);
  if (add.authorization !== null) out.push('authorization', add.authorization);
  return out;
}

/** Where an answer goes: what is needed to keep its redirects and cookies on the gateway. */
export interface AgentSide {
  readonly service: string;
  /** The service's own origin, as URL.origin gives it. */
  readonly origin: string;
  /** The upstream's own path prefix, '' or '/base'. */
  readonly basePath: string;
  /** The request path that was sent upstream, against which a relative Location is resolved. */
  readonly requestPath: string;
  /** Removes payment challenges from WWW-Authenticate values. */
  stripChallenges(values: string[]): string[];
}

/** An answer's headers as the agent gets them, or `elsewhere`: the Location points to another origin. */
export function agentHeaders(raw: readonly string[], side: AgentSide): { headers: string[]; elsewhere: string | null } {
  const named = connectionNames(raw);
  const headers: string[] = [];
  const challenges: string[] = [];
  let elsewhere: string | null = null;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || NEVER_TO_AGENT.has(lower) || named.has(lower)) continue;
    if (lower === 'www-authenticate') challenges.push(value);
    else if (lower === 'set-cookie') headers.push(name, confineCookie(value, side.service));
    else if (lower === 'location' || lower === 'content-location') {
      const local = localTarget(value, side);
      if (local !== null) headers.push(name, local);
      else if (lower === 'location') elsewhere = value;
    } else headers.push(name, value);
  }
  for (const value of challenges.length > 0 ? side.stripChallenges(challenges) : [])
    headers.push('WWW-Authenticate', value);
  return { headers, elsewhere };
}

/** The gateway's path for a target on the service's own origin; null for another origin or scheme. */
export function localTarget(location: string, side: AgentSide): string | null {
  const base = `${side.origin}${side.requestPath}`;
  if (!URL.canParse(location, base)) return null;
  const target = new URL(location, base);
  if (target.origin !== side.origin || target.username !== '' || target.password !== '') return null;
  const inside = target.pathname === side.basePath || target.pathname.startsWith(`${side.basePath}/`);
  if (!inside) return null;
  const path = target.pathname.slice(side.basePath.length) || '/';
  return `/${side.service}${path}${target.search}${target.hash}`;
}

/** A cookie without Domain and with its Path under the service's, so that no other service is sent it. */
export function confineCookie(cookie: string, service: string): string {
  const [pair = '', ...attributes] = cookie.split(';').map((part) => part.trim());
  const kept = attributes.filter((part) => !/^(domain|path)\s*(=|$)/i.test(part));
  const path = attributes.find((part) => /^path\s*=\s*\//i.test(part))?.replace(/^path\s*=\s*/i, '') ?? '/';
  return [pair, ...kept, `Path=/${service}${path === '/' ? '/' : path}`].join('; ');
}

function connectionNames(raw: readonly string[]): ReadonlySet<string> {
  let names: Set<string> | undefined;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    names ??= new Set();
    for (const part of (raw[i + 1] as string).split(',')) names.add(part.trim().toLowerCase());
  }
  return names ?? NO_NAMES;
}

const NO_NAMES: ReadonlySet<string> = new Set();
