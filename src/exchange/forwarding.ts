// The three ways a request goes upstream: for the first time while its body streams, once more unpaid for a fresh
// challenge, and once with a proof. Always the same method, target and body.
import { stripPayment } from '../challenge/www-authenticate.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { headerValues } from '../inbound/agent-request.ts';
import { type Delivery, deliver } from '../inbound/deliver.ts';
import { ReplayBody } from '../inbound/replay-body.ts';
import type { Answer } from '../upstream/answer.ts';
import { type Forwarded, forward } from '../upstream/forward.ts';
import { agentHeaders, upstreamHeaders } from '../upstream/headers.ts';
import type { Parts, Service } from './parts.ts';
import { letBodyCome, subjectOf, type Visit } from './visit.ts';

/** A visit that was located and admitted: what forwarding needs is known. */
export type LocatedVisit = Visit & { readonly service: Service; readonly target: NonNullable<Visit['target']> };

/** The target as the service sees it: what the policy judged, byte for byte. */
export const upstreamPath = (service: Service, path: string): string => `${service.basePath}${path}`;

/** Sends the request for the first time; its body streams while a copy is kept. */
export async function forwardFirst(parts: Parts, visit: LocatedVisit): Promise<Answer | Refusal> {
  const streams = visit.body instanceof ReplayBody;
  const length = headerValues(visit.request.rawHeaders, 'content-length')[0];
  if (streams) letBodyCome(visit);
  const forwarded = await forward(
    visit.service.pool,
    {
      method: visit.request.method ?? 'GET',
      target: targetOf(visit),
      headers: headersOf(parts, visit, {
        authorization: null,
        contentLength: streams && length ? Number(length) : null,
      }),
      body: visit.body instanceof ReplayBody ? visit.body.stream() : null,
      timeoutMs: visit.service.upstreamHeadersMs,
    },
    visit.gone,
  );
  return unpaidAnswer(visit, forwarded);
}

/** Sends the request once more, unpaid, for a fresh challenge. The body must have been kept. */
export async function forwardAgain(parts: Parts, visit: LocatedVisit): Promise<Answer | Refusal> {
  const request = { ...replayed(parts, visit, null), timeoutMs: visit.service.upstreamHeadersMs };
  return unpaidAnswer(visit, await forward(visit.service.pool, request, visit.gone));
}

/** Sends the request with its proof, once. It goes on without the agent. */
export function forwardPaid(
  parts: Parts,
  visit: LocatedVisit,
  authorization: string,
  mayStart: () => boolean,
): Promise<Forwarded> {
  const request = { ...replayed(parts, visit, authorization), timeoutMs: visit.service.paymentSettleMs, mayStart };
  return forward(visit.service.pool, request, null);
}

/** An answer's headers as the agent gets them. */
export function headersForAgent(
  visit: LocatedVisit,
  answer: Pick<Answer, 'headers'>,
): { headers: string[]; elsewhere: string | null } {
  return agentHeaders(answer.headers, {
    service: visit.service.id,
    origin: visit.service.origin,
    basePath: visit.service.basePath,
    requestPath: targetOf(visit),
    stripChallenges: stripPayment,
  });
}

/** Relays an answer that needed no payment; a redirect to another origin is refused instead. */
export async function relayFree(visit: LocatedVisit, answer: Answer): Promise<Delivery | Refusal> {
  const { headers, elsewhere } = headersForAgent(visit, answer);
  if (elsewhere !== null && answer.status >= 300 && answer.status < 400) {
    answer.abort();
    return redirectRefusal(elsewhere);
  }
  return deliver(visit.response, { status: answer.status, reason: answer.reason, headers }, answer, null);
}

/** The detail is sealed, and a redirect often repeats the request's query: only the agent is told the whole target. */
function redirectRefusal(location: string): Refusal {
  const shown = location.replace(/[^\x21-\x7e]/g, '_').slice(0, 300);
  const [place] = shown.split(/[?#]/, 1);
  return refuse('redirect_forbidden', `The service redirects to another host, which is not followed: ${place}`, {
    members: { location: shown },
  });
}

function unpaidAnswer(visit: LocatedVisit, forwarded: Forwarded): Answer | Refusal {
  if (forwarded.kind === 'answered') return forwarded.answer;
  return noAnswer(visit, forwarded.kind === 'switched' ? 'unreachable' : forwarded.why);
}

/** What an agent is told when nothing came back, before anything was paid. */
export function noAnswer(visit: LocatedVisit, why: 'unreachable' | 'timeout'): Refusal {
  const name = visit.service.id;
  return why === 'timeout'
    ? refuse('upstream_timeout', `The service ${name} did not answer in time; nothing was paid.`)
    : refuse('upstream_unreachable', `The service ${name} cannot be reached or broke off; nothing was paid.`);
}

function replayed(parts: Parts, visit: LocatedVisit, authorization: string | null) {
  const body = visit.body.bytes;
  const streams = visit.body instanceof ReplayBody;
  return {
    method: visit.request.method ?? 'GET',
    target: targetOf(visit),
    headers: headersOf(parts, visit, { authorization, contentLength: streams ? body.length : null }),
    body: body.length > 0 ? body : null,
  };
}

/** Path and query as they go upstream. */
export const targetOf = (visit: LocatedVisit): string =>
  `${upstreamPath(visit.service, visit.target.path)}${visit.target.query}`;

/** The request's headers as they go upstream. */
export function headersOf(
  parts: Parts,
  visit: LocatedVisit,
  own: { authorization: string | null; contentLength: number | null; acceptPayment?: string },
): string[] {
  const key = visit.asks?.idempotencyKey ?? null;
  const trace = visit.asks?.trace ?? null;
  return upstreamHeaders(visit.request.rawHeaders, visit.consumed, {
    host: visit.service.host,
    acceptPayment: parts.acceptPayment,
    idempotencyKey: key !== null && visit.identity ? parts.upstreamKey(subjectOf(visit.identity), key) : null,
    traceparent:
      trace === null ? null : `00-${trace.id}-${Buffer.from(parts.random.bytes(8)).toString('hex')}-${trace.flags}`,
    ...own,
  });
}
