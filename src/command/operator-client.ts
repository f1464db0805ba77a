// How a command gives an operator's orders: over the running gateway's operators' port, or, when nothing listens there,
// on the state itself. It must never touch a state that a silent process holds.
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { GatewayFault } from '../domain/fault.ts';
import { codeOf } from '../domain/operations.ts';
import { Turns } from '../domain/turns.ts';
import { type Forecast, forecastShape } from '../explain/answer.ts';
import { type OfflineState, readBudgets, readHolds } from '../operators/api.ts';
import {
  type ExplainQuery,
  type ResolveOrder,
  type RotateOrder,
  SHOWN_SCOPES,
  type StartOrder,
  type StopOrder,
} from '../operators/forms.ts';
import { LOCAL_OPERATOR, operatorTokenFile, readOperatorToken } from '../operators/operator-token.ts';
import { createOrders, type Done } from '../operators/orders.ts';
import { isProblem, OPERATOR_PROBLEMS, type OperatorProblem } from '../operators/problem.ts';
import {
  type BudgetsAnswer,
  budgetsAnswer,
  type HoldsAnswer,
  holdsAnswer,
  type StopView,
  stopsAnswer,
  stopView,
} from '../operators/views.ts';
import { type Asker, openAsker, type Question } from './ask.ts';

/** An operator's order or question failed; the message is written for the person who gave it. */
export class OrderFailed extends Error {}

/** What the commands can ask and order. Every method throws {@link OrderFailed}. */
export interface OperatorClient {
  /** `most`: so many scopes of each, up to 100,000; 1,000 when not told. */
  budgets(most?: number): Promise<BudgetsAnswer>;
  holds(): Promise<HoldsAnswer>;
  stops(): Promise<StopView[]>;
  /** What would be decided, with the counters of the store. */
  explain(question: ExplainQuery): Promise<Forecast>;
  stop(order: StopOrder): Promise<Outcome>;
  start(order: StartOrder): Promise<Outcome>;
  resolve(hold: string, order: ResolveOrder): Promise<Outcome>;
  rotateKey(order: RotateOrder): Promise<Outcome>;
  close(): Promise<void>;
}

/** The receipt of an order, and what the person should know about it. */
export interface Outcome {
  readonly receipt: string;
  readonly warning?: string | undefined;
}

/** Where a gateway is found. */
export type GatewayPlace = OwnPlace | NamedPlace;

/** A gateway that was named: it is asked, and nothing in its place. */
interface NamedPlace {
  /** Base URL without a slash at its end. */
  readonly url: string;
  readonly token: string | undefined;
}

/** The gateway of a configuration. */
export interface OwnPlace {
  readonly host: string;
  readonly port: number;
  readonly stateDir: string;
  /** The listener's own certificate (PEM), or null without TLS. */
  readonly cert: string | null;
  /** As the operator gave it. */
  readonly token: string | undefined;
}

/** The running gateway's client, or one on the state that `openState` opens (it throws `code: 'state_locked'`). */
export async function openOperatorClient(
  place: GatewayPlace,
  openState: () => Promise<OfflineState>,
): Promise<OperatorClient> {
  const running = await runningGateway(place);
  if (running) return running;
  try {
    return offlineClient(await openState());
  } catch (error) {
    if (codeOf(error) !== 'state_locked' || 'url' in place) throw error;
    throw new OrderFailed(
      `The state in ${place.stateDir} is in use by another process, but nothing answers at ${baseUrl(place)}. ` +
        'Is it a gateway with another listen.operators? Nothing was done.',
    );
  }
}

/** The client of the gateway that runs there; undefined when nothing listens. Throws {@link OrderFailed}. */
export async function runningGateway(place: GatewayPlace): Promise<OperatorClient | undefined> {
  const port = openPort(place);
  if (await port.answers()) return port.client;
  await port.client.close();
  if ('url' in place)
    throw new OrderFailed(
      `Nothing listens at ${place.url}; start the gateway, or name its listen.operators. Nothing was done.`,
    );
  return undefined;
}

function offlineClient(state: OfflineState): OperatorClient {
  const clock: Clock = { now: Date.now, monotonic: () => performance.now() };
  const orders = createOrders({ ...state, clock, turns: new Turns(), unwritten: () => false });
  return {
    budgets: (most = SHOWN_SCOPES) => failing(readBudgets(state, most)),
    holds: () => failing(readHolds({ budget: state.budget, sight: () => null })),
    stops: async () => (await failing(state.budget.stops())).map(stopView),
    explain: async (question) => readForecast(await state.explain(question)),
    stop: async (order) => done(await failing(orders.stop(order, LOCAL_OPERATOR))),
    start: async (order) => done(await failing(orders.start(order, LOCAL_OPERATOR))),
    rotateKey: async (order) => done(await failing(orders.rotateKey(order, LOCAL_OPERATOR))),
    resolve: async (hold, order) => done(await failing(orders.resolve(hold, order, LOCAL_OPERATOR))),
    close: () => state.close(),
  };
}

async function failing<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof GatewayFault)) throw error;
    const part = error.code === 'ledger_unavailable' ? 'receipt log does not work' : 'budget store does not answer';
    throw new OrderFailed(`The ${part} now. Try again; an order may be given twice.`);
  }
}

const done = (result: Done | OperatorProblem): Outcome => {
  if (isProblem(result)) throw new OrderFailed(`${OPERATOR_PROBLEMS[result.code].title}. ${result.detail}`);
  return result;
};

function readForecast(told: object): Forecast {
  const problem = problemAnswer.partial({ title: true }).safeParse(told);
  if (problem.success && 'kind' in told && told.kind === 'problem') throw new OrderFailed(problem.data.detail);
  return forecastShape.parse(told);
}

interface Port {
  readonly url: string;
  readonly client: OperatorClient;
  /** False when nothing listens; throws OrderFailed when something listens that does not answer as a gateway. */
  answers(): Promise<boolean>;
}

function openPort(place: GatewayPlace): Port {
  const url = baseUrl(place);
  const asker = openAsker(url, 'url' in place ? null : place.cert);
  const ask = async <Shape>(
    schema: z.ZodType<Shape>,
    method: Question['method'],
    path: string,
    body?: unknown,
  ): Promise<Shape> => {
    const authorization = `Bearer ${await tokenOf(place)}`;
    const answer = await asker.ask({ url: `${url}/api/${path}`, method, authorization, body }).catch(() => {
      throw new OrderFailed(
        `The gateway at ${url} broke off. An order may or may not have been carried out: look first.`,
      );
    });
    if (answer.status !== 200) throw new OrderFailed(problemText(answer));
    return readAnswer(schema, answer.value, url);
  };
  return {
    url,
    answers: () => isGateway(asker, url),
    client: {
      budgets: (most = SHOWN_SCOPES) => ask(budgetsAnswer, 'GET', `budgets?scopes=${most}`),
      holds: () => ask(holdsAnswer, 'GET', 'holds'),
      stops: async () => (await ask(stopsAnswer, 'GET', 'stops')).stops,
      explain: (question) => ask(forecastShape, 'GET', `explain?${new URLSearchParams({ ...question })}`),
      stop: (order) => ask(outcomeAnswer, 'POST', 'stops', order),
      start: (order) => ask(outcomeAnswer, 'DELETE', `stops?${new URLSearchParams(order)}`),
      rotateKey: (order) => ask(outcomeAnswer, 'POST', 'keys/rotate', order),
      resolve: (hold, order) => ask(outcomeAnswer, 'POST', `holds/${encodeURIComponent(hold)}/resolve`, order),
      close: async () => asker.close(),
    },
  };
}

const outcomeAnswer = z.object({ receipt: z.string(), warning: z.string().optional() });
const problemAnswer = z.object({ title: z.string(), detail: z.string() });

async function isGateway(asker: Asker, url: string): Promise<boolean> {
  try {
    const { status, value } = await asker.ask({ url: `${url}/healthz`, method: 'GET' });
    if (status === 200 && z.object({ status: z.literal('alive') }).safeParse(value).success) return true;
  } catch (error) {
    if (nobodyListens(error)) return false;
    const hint = url.startsWith('https:') ? '' : ' If it speaks TLS, its address begins with https://.';
    throw new OrderFailed(`The gateway at ${url} does not answer.${hint} Nothing was done.`);
  }
  throw new OrderFailed(`What answers at ${url} is no Purser gateway; see listen.operators. Nothing was done.`);
}

function readAnswer<Shape>(schema: z.ZodType<Shape>, value: unknown, url: string): Shape {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw new OrderFailed(
    `The gateway at ${url} answered in a form this version does not know: are both the same version?`,
  );
}

function problemText({ status, value }: { status: number; value: unknown }): string {
  const read = problemAnswer.safeParse(value);
  return read.success ? `${read.data.title}. ${read.data.detail}` : `The gateway answered ${status}.`;
}

async function tokenOf(place: GatewayPlace): Promise<string> {
  if (place.token) return place.token;
  if ('url' in place)
    throw new OrderFailed(
      'No operator token: set PURSER_OPERATOR_TOKEN, or name a --token-file. ' +
        'Beside the gateway itself leave --gateway out.',
    );
  const generated = await readOperatorToken(place.stateDir);
  if (generated !== undefined) return generated;
  throw new OrderFailed(
    `No operator token: set PURSER_OPERATOR_TOKEN (there is no ${operatorTokenFile(place.stateDir)}, ` +
      'which is made only where operators.tokens is empty).',
  );
}

function baseUrl(place: GatewayPlace): string {
  if ('url' in place) return place.url;
  const { host, port, cert } = place;
  const everywhere = new Map([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
  ]);
  const near = everywhere.get(host) ?? host;
  return `${cert === null ? 'http' : 'https'}://${near.includes(':') ? `[${near}]` : near}:${port}`;
}

function nobodyListens(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(nobodyListens);
  return codeOf(error) === 'ECONNREFUSED';
}
