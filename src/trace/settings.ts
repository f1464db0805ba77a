// Where traces go and how, from OpenTelemetry's own environment variables. What this version cannot do is a problem at
// start-up, never ignored; no value is ever quoted, since any may hold a credential.
import { readFileSync } from 'node:fs';

/** A collector that takes OTLP over HTTP. */
export interface CollectorSettings {
  /** The whole URL, its path included. */
  readonly url: string;
  readonly protocol: 'http/protobuf' | 'http/json';
  /** PEM certificates to trust instead of the system's, or null. */
  readonly ca: string | null;
}

/** The environment of a process. */
type Environment = Readonly<Record<string, string | undefined>>;

const SAMPLERS = ['always_on', 'always_off', 'traceidratio'].flatMap((name) => [name, `parentbased_${name}`]);

/** Null where nobody asks for traces; what must be mended before there can be any, each a sentence. */
export function readCollector(env: Environment): CollectorSettings | null | { readonly problems: readonly string[] } {
  const set = (name: string): string | undefined => env[name]?.trim() || undefined;
  const [name, text] = endpointOf(set);
  if (text === undefined || set('OTEL_SDK_DISABLED') === 'true' || set('OTEL_TRACES_EXPORTER') === 'none') return null;
  const problems: string[] = [];
  const url = readEndpoint(name, text, problems);
  const protocol = readProtocol(set, problems);
  const ca = readCertificates(set, problems);
  judgeOthers(set, problems);
  return url && protocol && problems.length === 0 ? { url, protocol, ca } : { problems };
}

type Lookup = (name: string) => string | undefined;

/** A variable about traces alone comes before the one about all signals. */
function signal(set: Lookup, what: string): readonly [name: string, value: string | undefined] {
  const own = `OTEL_EXPORTER_OTLP_TRACES_${what}`;
  return set(own) === undefined ? [`OTEL_EXPORTER_OTLP_${what}`, set(`OTEL_EXPORTER_OTLP_${what}`)] : [own, set(own)];
}

const endpointOf = (set: Lookup) => signal(set, 'ENDPOINT');

function readEndpoint(name: string, text: string, problems: string[]): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    problems.push(`${name} must be an http or https URL without a query, such as http://127.0.0.1:4318`);
    return undefined;
  }
  if (url.username !== '' || url.password !== '') {
    problems.push(`${name} must have no user and no password; put credentials into OTEL_EXPORTER_OTLP_HEADERS`);
    return undefined;
  }
  // The general endpoint is a base, that of traces is taken as it stands (OTLP exporter, "Endpoint URLs").
  return name.includes('_TRACES_') ? url.href : `${url.href.replace(/\/$/, '')}/v1/traces`;
}

function readProtocol(set: Lookup, problems: string[]): CollectorSettings['protocol'] | undefined {
  const [name, text = 'http/protobuf'] = signal(set, 'PROTOCOL');
  if (text === 'http/protobuf' || text === 'http/json') return text;
  problems.push(
    `${name} must be http/protobuf or http/json, and the endpoint one for HTTP; grpc is not in this version`,
  );
  return undefined;
}

function readCertificates(set: Lookup, problems: string[]): string | null {
  const [name, path] = signal(set, 'CERTIFICATE');
  if (path === undefined) return null;
  try {
    const pem = readFileSync(path, 'utf8');
    if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  } catch {
    // Said below: whatever is wrong with the file, it is no certificate that can be read.
  }
  problems.push(`${name} must name a readable file of PEM certificates`);
  return null;
}

function judgeOthers(set: Lookup, problems: string[]): void {
  for (const what of ['CLIENT_KEY', 'CLIENT_CERTIFICATE']) {
    const [name, value] = signal(set, what);
    if (value !== undefined) problems.push(`${name} is not in this version; identify with OTEL_EXPORTER_OTLP_HEADERS`);
  }
  const [compression, how] = signal(set, 'COMPRESSION');
  if (how !== undefined && how !== 'gzip' && how !== 'none') problems.push(`${compression} must be gzip or none`);
  const sampler = set('OTEL_TRACES_SAMPLER');
  if (sampler !== undefined && !SAMPLERS.includes(sampler)) {
    problems.push(`OTEL_TRACES_SAMPLER must be one of ${SAMPLERS.join(', ')}`);
  }
  const share = set('OTEL_TRACES_SAMPLER_ARG');
  if (sampler?.endsWith('traceidratio') && !(Number(share ?? '') >= 0 && Number(share) <= 1 && share !== undefined)) {
    problems.push('OTEL_TRACES_SAMPLER_ARG must be the share of traces to keep, from 0 to 1, such as 0.1');
  }
}
