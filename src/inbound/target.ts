// Reads a request target strictly: a path that a service could read in two ways is refused, never repaired, so that
// what the policy judges and what goes upstream are the same bytes.
import { type Refusal, refuse } from '../domain/refusal.ts';

/** Where a request wants to go. */
export interface Target {
  /** The first path segment: a service id, `.purser`, or `.well-known`. */
  readonly service: string;
  /** The rest, beginning with a slash, exactly as it came. */
  readonly path: string;
  /** '' or '?' and what follows, exactly as it came. */
  readonly query: string;
}

const MAX_TARGET_BYTES = 16 * 1024;
const PATH_CHARACTERS = /^[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*$/;
const QUERY_CHARACTERS = /^[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7e\x22\x5e\x60\x7b-\x7d%]*$/;
/** Escapes of characters that need none, of separators, of dots, and escapes of escapes of these. */
const AMBIGUOUS_ESCAPE = /%(?:2[def]|5[cf]|7e|[46][1-9a-f]|[57][0-9a]|3[0-9]|25(?:2e|2f|5c)|0[0-9a-f]|1[0-9a-f]|7f)/i;

/** Reads the request line's target; `hosts` are the values of all Host lines: one, which an absolute form may name. */
export function readTarget(url: string, hosts: readonly string[]): Target | Refusal {
  const [host, another] = hosts;
  if (another !== undefined) return forbidden('it comes with more than one Host line');
  if (url.length > MAX_TARGET_BYTES) return forbidden(`it is longer than ${MAX_TARGET_BYTES} bytes`);
  const origin = originForm(url, host);
  if (origin === undefined)
    return forbidden('its absolute form names another host; call http://GATEWAY/<service id>/<path>');
  const mark = origin.indexOf('?');
  const path = mark === -1 ? origin : origin.slice(0, mark);
  const query = mark === -1 ? '' : origin.slice(mark);
  const fault =
    pathFault(path) ??
    (QUERY_CHARACTERS.test(query.slice(1)) ? undefined : 'its query has a character that must be escaped');
  if (fault !== undefined) return forbidden(fault);
  const slash = path.indexOf('/', 1);
  return slash === -1
    ? { service: path.slice(1), path: '/', query }
    : { service: path.slice(1, slash), path: path.slice(slash), query };
}

function originForm(url: string, host: string | undefined): string | undefined {
  if (url.startsWith('/')) return url;
  const match = /^http:\/\/([^/?#@]+)(\/.*)?$/i.exec(url);
  if (!match?.[1] || host === undefined || match[1].toLowerCase() !== host.toLowerCase()) return undefined;
  return match[2] ?? '/';
}

function pathFault(path: string): string | undefined {
  if (!PATH_CHARACTERS.test(path)) return 'its path has a character that must be escaped';
  if (/%(?![0-9a-f]{2})/i.test(path)) return 'its path has a percent sign that is no escape';
  if (AMBIGUOUS_ESCAPE.test(path))
    return 'its path escapes a slash, a dot, a control character or a character that needs no escape';
  const segments = path.split('/').slice(1);
  if (segments.slice(0, -1).includes('')) return 'its path has an empty segment';
  const dots = segments.some((segment) => /^\.{1,2}(?:;|$)/.test(segment));
  return dots ? 'its path has a dot segment' : undefined;
}

const forbidden = (why: string): Refusal =>
  refuse('target_forbidden', `The request target was refused: ${why}. Send it plainly.`);
