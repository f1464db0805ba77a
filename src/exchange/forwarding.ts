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
import type { Parts, Service, Step } from './parts.ts';
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
  const step = callStep(visit, 'forward');
  const own = { authorization: null, contentLength: streams && length ? Number(length) : null };
  const forwarded = await forward(
    visit.service.pool,
    parts.timers,
    {
      method: visit.request.method ?? 'GET',
      target: targetOf(visit),
      headers: headersOf(parts, visit, own, step),
      body: visit.body instanceof ReplayBody ? visit.body.stream() : null,
      timeoutMs: visit.service.upstreamHeadersMs,
    },
    visit.gone,
  );
  endCall(step, forwarded);
  return unpaidAnswer(visit, forwarded);
}

/** Sends the request once more, unpaid, for a fresh challenge. The body must have been kept. */
export async function forwardAgain(parts: Parts, visit: LocatedVisit): Promise<Answer | Refusal> {
  const step = callStep(visit, 'forward');
  const request = { ...replayed(parts, visit, null, step), timeoutMs: visit.service.upstreamHeadersMs };
  const forwarded = await forward(visit.service.pool, parts.timers, request, visit.gone);
  endCall(step, forwarded);
  return unpaidAnswer(visit, forwarded);
}

/** Sends the request with its proof, once. It goes on without the agent. */
export async function forwardPaid(
  parts: Parts,
  visit: LocatedVisit,
  authorization: string,
  mayStart: () => boolean,
): Promise<Forwarded> {
  const step = callStep(visit, 'pay');
  const timeoutMs = visit.service.paymentSettleMs;
  const request = { ...replayed(parts, visit, authorization, step), timeoutMs, mayStart };
  const forwarded = await forward(visit.service.pool, parts.timers, request, null);
  endCall(step, forwarded);
  return forwarded;
}

/** A step in which the service is called. */
export function callStep(visit: LocatedVisit, name: 'forward' | 'pay'): Step {
  return visit.watched.step(name, { method: visit.request.method ?? 'GET', host: visit.service.host });
}

const endCall = (step: Step, forwarded: Forwarded): void =>
  step.end(forwarded.kind === 'answered' ? forwarded.answer.status : null);

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
export async function relayFree(
  parts: Pick<Parts, 'timers'>,
  visit: LocatedVisit,
  answer: Answer,
): Promise<Delivery | Refusal> {
  const { headers, elsewhere } = headersForAgent(visit, answer);
  if (elsewhere !== null && answer.status >= 300 && answer.status < 400) {
    answer.abort();
    return redirectRefusal(elsewhere);
  }
  const head = { status: answer.status, reason: answer.reason, headers };
  return deliver(visit.response, parts.timers, head, answer, null);
}

/** The detail is sealed, and a redirect often repeats the request's query: only the agent is told the whole target. */
function redirectRefusal(location: string): Refusal {
  const shown = location.replace(/[^\x21-\x7e]/g, '_').slice(0, 300);
  const [place] = shown.split(/[?#]/, 1);
  return refuse(
    'redirect_forbidden',
    `The service redirects to another host, which is not followed; ask for it as a service of its own: ${place}`,
    {
      members: { location: shown },
    },
  );
}

function unpaidAnswer(visit: LocatedVisit, forwarded: Forwarded): Answer | Refusal {
  if (forwarded.kind === 'answered') return forwarded.answer;
  return noAnswer(visit, forwarded.kind === 'switched' ? 'unreachable' : forwarded.why);
}

/** What an agent is told when nothing came back, before anything was paid. */
export function noAnswer(visit: LocatedVisit, why: 'unreachable' | 'timeout'): Refusal {
  const name = visit.service.id;
  return why === 'timeout'
    ? refuse('upstream_timeout', `The service ${name} did not answer in time; nothing was paid. Try again shortly.`)
    : refuse(
        'upstream_unreachable',
        `The service ${name} cannot be reached or broke off; nothing was paid. Try again shortly.`,
      );
}

function replayed(parts: Parts, visit: LocatedVisit, authorization: string | null, step: Step) {
  const body = visit.body.bytes;
  const streams = visit.body instanceof ReplayBody;
  return {
    method: visit.request.method ?? 'GET',
    target: targetOf(visit),
    headers: headersOf(parts, visit, { authorization, contentLength: streams ? body.length : null }, step),
    body: body.length > 0 ? body : null,
  };
}

/** Path and query as they go upstream. */
export const targetOf = (visit: LocatedVisit): string =>
  `${upstreamPath(visit.service, visit.target.path)}${visit.target.query}`;

/** The request's headers as they go upstream in this step. */
export function headersOf(
  parts: Parts,
  visit: LocatedVisit,
  own: { authorization: string | null; contentLength: number | null; acceptPayment?: string },
  step: Step,
): string[] {
  const key = visit.asks?.idempotencyKey ?? null;
  return upstreamHeaders(visit.request.rawHeaders, visit.consumed, {
    host: visit.service.host,
    acceptPayment: parts.acceptPayment,
    idempotencyKey: key !== null && visit.identity ? parts.upstreamKey(subjectOf(visit.identity), key) : null,
    traceparent: traceparentOf(parts, visit, step),
    ...own,
  });
}

/** The step's span; where none is kept another one each time, in the agent's trace. */
function traceparentOf(parts: Parts, visit: LocatedVisit, { context }: Step): string | null {
  const trace = context ?? visit.watched.trace;
  if (trace === null) return null;
  const parent = context?.parent ?? Buffer.from(parts.random.bytes(8)).toString('hex');
  return `00-${trace.id}-${parent}-${trace.flags}`;
}
