// One request of an agent while the gateway works on it: what is known of it so far, and whether the agent is still
// there.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Agent, Identity } from '../domain/agent.ts';
import type { ReceiptEntry } from '../domain/receipt.ts';
import type { AgentAsks } from '../inbound/agent-request.ts';
import { type BodyEnd, NO_BODY, ReplayBody } from '../inbound/replay-body.ts';
import type { Target } from '../inbound/target.ts';
import type { Parts, RequestEnd, Service } from './parts.ts';

/** Everything an exchange has learned about its request. Filled in step by step, in the order of the story. */
export interface Visit {
  readonly exchange: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: ReplayBody | typeof NO_BODY;
  readonly startedAt: number;
  /** Aborts when the agent leaves before its answer was handed over. */
  readonly gone: AbortSignal;
  /** The agent waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean;
  target: Target | null;
  asks: AgentAsks | null;
  identity: Identity | null;
  agent: Agent | null;
  service: Service | null;
  /** Lower-case names of headers that carried our token. */
  consumed: ReadonlySet<string>;
  /** The request carries an Authorization of the service's own. */
  serviceAuthorization: boolean;
  code: string | null;
  outcome: RequestEnd['outcome'];
}

/** Starts a visit; its id carries the log's name. */
export function openVisit(
  parts: Parts,
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
): Visit {
  const gone = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return {
    exchange: `${parts.ledger.log}.${Buffer.from(parts.random.bytes(12)).toString('hex')}`,
    request,
    response,
    body: ReplayBody.present(request) ? new ReplayBody(request, parts.limits.replayBodyBytes) : NO_BODY,
    startedAt: parts.clock.monotonic(),
    gone: gone.signal,
    awaitsContinue,
    target: null,
    asks: null,
    identity: null,
    agent: null,
    service: null,
    consumed: new Set(),
    serviceAuthorization: false,
    code: null,
    outcome: 'cut',
  };
}

/** The agent may send its body now. */
export function letBodyCome(visit: Visit): void {
  if (!visit.awaitsContinue) return;
  visit.awaitsContinue = false;
  visit.response.writeContinue();
}

/** The whole body of a request that is not going upstream (again): it may come now. */
export function bodyEnd(visit: Visit): Promise<BodyEnd> {
  letBodyCome(visit);
  return visit.body.whole();
}

/** The members every receipt of this visit shares, as far as they are known. */
export function visitEntry(
  parts: Parts,
  visit: Visit,
): Pick<ReceiptEntry, 'exchange' | 'trace' | 'agent' | 'service' | 'request'> {
  return {
    exchange: visit.exchange,
    ...(visit.asks?.trace ? { trace: visit.asks.trace.id } : {}),
    ...(visit.identity ? { agent: agentEntry(visit.identity, visit.agent, visit.asks) } : {}),
    ...(visit.service ? { service: serviceEntry(visit.service) } : {}),
    ...(visit.target ? { request: requestEntry(parts, visit, visit.target) } : {}),
  };
}

function agentEntry(
  identity: Identity,
  agent: Agent | null,
  asks: AgentAsks | null,
): NonNullable<ReceiptEntry['agent']> {
  return {
    ...(agent ? { id: agent.id, owner: agent.owner } : {}),
    ...(agent?.team ? { team: agent.team } : {}),
    ...(agent && Object.keys(agent.labels).length > 0 ? { labels: { ...agent.labels } } : {}),
    subject: identity.subject,
    issuer: identity.issuer,
    ...(identity.jti === null ? {} : { jti: identity.jti }),
    ...(identity.task === null ? {} : { task: identity.task }),
    ...(identity.task === null && asks?.taskClaimed ? { taskClaimed: asks.taskClaimed } : {}),
    ...(asks?.purposeClaimed ? { purposeClaimed: asks.purposeClaimed } : {}),
    ...(identity.actors.length > 0 ? { actors: [...identity.actors] } : {}),
  };
}

function serviceEntry(service: Service): NonNullable<ReceiptEntry['service']> {
  return { id: service.id, ...(service.provider === null ? {} : { provider: service.provider }) };
}

function requestEntry(parts: Parts, visit: Visit, target: Target): NonNullable<ReceiptEntry['request']> {
  return {
    method: visit.request.method ?? 'GET',
    path: target.path,
    ...(target.query === '' ? {} : { queryHash: parts.ledger.mask(`query:${target.query}`) }),
    from: visit.request.socket.remoteAddress ?? 'unknown',
  };
}

/** (issuer, subject): whose claims, repeats and pages these are. */
export function subjectOf(identity: Identity): string {
  return JSON.stringify([identity.issuer, identity.subject]);
}
