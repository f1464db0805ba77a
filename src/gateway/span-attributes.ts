// What a trace says of a request, under the names of OpenTelemetry's semantic conventions for HTTP, and `purser.*` for
// what they do not name. Ids and closed lists only: paths stand in receipts, which `purser.exchange` leads to.
import type { RequestEnd } from '../exchange/parts.ts';
import type { Stage } from '../observe/metrics.ts';

type Attributes = Record<string, string | number>;

/** Methods that are named as they are; another one is foreign text. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);

/** The method, or `other` where it is none of the known. */
export const methodOf = (method: string, other: string): string => (METHODS.has(method) ? method : other);

/** Where a service is reached at this gateway. */
export const routeOf = (service: string): string => `/${service}/**`;

/** Of a whole request. */
export function requestAttributes(end: RequestEnd): Attributes {
  const failed = end.status >= 500 || end.status === 0;
  return {
    'http.request.method': methodOf(end.method, '_OTHER'),
    ...(end.status === 0 ? {} : { 'http.response.status_code': end.status }),
    ...(end.service === null ? {} : { 'http.route': routeOf(end.service), 'purser.service': end.service }),
    ...(failed ? { 'error.type': end.code ?? (end.status === 0 ? 'cut' : String(end.status)) } : {}),
    ...(end.code === null ? {} : { 'purser.code': end.code }),
    ...(end.agent === null ? {} : { 'purser.agent': end.agent }),
    'purser.outcome': end.outcome,
    'purser.exchange': end.exchange,
  };
}

/** Of a step in which a service is called. */
export function callAttributes({ method, host }: { readonly method: string; readonly host: string }): Attributes {
  const [, address = host, port] = /^(.*?)(?::([0-9]+))?$/.exec(host) ?? [];
  return {
    'http.request.method': methodOf(method, '_OTHER'),
    'server.address': address,
    ...(port === undefined ? {} : { 'server.port': Number(port) }),
  };
}

/** Of the service's answer; null when there was none. */
export function answerAttributes(status: number | null, failed: boolean): Attributes {
  return {
    ...(status === null ? {} : { 'http.response.status_code': status }),
    ...(failed ? { 'error.type': status === null ? 'no_answer' : String(status) } : {}),
  };
}

/** Did the call fail? A demand for payment is what an unpaid call is made for. */
export const isFailure = (name: Stage, status: number | null): boolean =>
  status === null || (status >= 400 && !(name === 'forward' && status === 402));
