// One request of an agent while the gateway works on it: what is known of it so far, and whether the agent is still
// there.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Agent, Identity } from '../domain/agent.ts';
import type { Random } from '../domain/clock.ts';
import type { ReceiptEntry } from '../domain/receipt.ts';
import { type AgentAsks, headerValues, readTrace } from '../inbound/agent-request.ts';
import { type BodyEnd, NO_BODY, ReplayBody } from '../inbound/replay-body.ts';
import type { Target } from '../inbound/target.ts';
import type { Upgrade } from '../inbound/upgrade.ts';
import type { Stage } from '../observe/metrics.ts';
import type { Parts, RequestEnd, RequestWatch, Service } from './parts.ts';

/** Everything an exchange has learned about its request. Filled in step by step, in the order of the story. */
export interface Visit {
  readonly exchange: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: ReplayBody | typeof NO_BODY;
  readonly startedAt: number;
  /** Is told of its steps. */
  readonly watched: RequestWatch;
  /** The agent asks for another protocol on its connection. */
  readonly upgrade: Upgrade | null;
  /** Whether the agent left before its answer was handed over. */
  readonly gone: Departure;
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
  /** The connection speaks another protocol now. */
  switched: boolean;
  code: string | null;
  outcome: RequestEnd['outcome'];
}

/**
 * Whether an agent has left, and who wants to know. An AbortSignal in small: one is made for every request, and making
 * and listening to the real one costs more than judging the token.
 */
export class Departure {
  #listeners: (() => void)[] = [];
  #left = false;

  get aborted(): boolean {
    return this.#left;
  }

  /** Calls back once, when the agent leaves; never when it has left already. */
  add(listener: () => void): void {
    this.#listeners.push(listener);
  }

  remove(listener: () => void): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener);
  }

  leave(): void {
    this.#left = true;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

const ID_BYTES = 12;
const IDS_A_DRAW = 256;

/** Names for exchanges: the log's name and 96 random bits, drawn for many requests at once. */
export class ExchangeIds {
  readonly #log: string;
  readonly #random: Random;
  #drawn = '';
  #used = 0;

  constructor(log: string, random: Random) {
    this.#log = log;
    this.#random = random;
  }

  next(): string {
    if (this.#used === this.#drawn.length) {
      this.#drawn = Buffer.from(this.#random.bytes(ID_BYTES * IDS_A_DRAW)).toString('hex');
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += 2 * ID_BYTES;
    return `${this.#log}.${this.#drawn.slice(from, this.#used)}`;
  }
}

/** Starts a visit under its name. */
export function openVisit(
  parts: Parts,
  exchange: string,
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
  upgrade: Upgrade | null = null,
): Visit {
  const gone = new Departure();
  response.on('close', () => {
    if (!response.writableFinished) gone.leave();
  });
  return {
    exchange,
    request,
    response,
    body: ReplayBody.present(request) ? new ReplayBody(request, parts.limits.replayBodyBytes) : NO_BODY,
    startedAt: parts.clock.monotonic(),
    watched: parts.watch.began(readTrace(request.rawHeaders)),
    upgrade,
    gone,
    awaitsContinue,
    target: null,
    asks: null,
    identity: null,
    agent: null,
    service: null,
    consumed: new Set(),
    serviceAuthorization: false,
    switched: false,
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

/** Does one step of a visit that waits for nothing, and reports how long it took. */
export function timed<T>(visit: Visit, name: Stage, work: () => T): T {
  const step = visit.watched.step(name);
  try {
    return work();
  } finally {
    step.end();
  }
}

/** Does one step of a visit and reports how long it took, however it ends. */
export async function during<T>(visit: Visit, name: Stage, work: () => Promise<T>): Promise<T> {
  const step = visit.watched.step(name);
  try {
    return await work();
  } finally {
    step.end();
  }
}

/** The members every receipt of this visit shares, as far as they are known. */
export function visitEntry(
  parts: Parts,
  visit: Visit,
): Pick<ReceiptEntry, 'exchange' | 'trace' | 'agent' | 'service' | 'request'> {
  return {
    exchange: visit.exchange,
    ...(visit.watched.trace ? { trace: visit.watched.trace.id } : {}),
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
    from: parts.from(visit.request.socket.remoteAddress, headerValues(visit.request.rawHeaders, 'x-forwarded-for')),
  };
}

/** (issuer, subject): whose claims, repeats and pages these are. */
export function subjectOf(identity: Identity): string {
  return JSON.stringify([identity.issuer, identity.subject]);
}
