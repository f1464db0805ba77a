// The JSON under /api/: which path and method does what. It reads and orders through what it is given and decides
// nothing itself; whoever gets here has shown an operator token.
import type { IncomingMessage } from 'node:http';
import type { LineState, OpenHold, Stop } from '../domain/hold.ts';
import type { Sealed } from '../domain/receipt.ts';
import {
  budgetQuery,
  type ExplainQuery,
  explainQuery,
  type ReceiptQuery,
  readBody,
  readQuery,
  receiptQuery,
  resolveOrder,
  rotateOrder,
  startOrder,
  stopOrder,
} from './forms.ts';
import type { OperatorToken } from './guard.ts';
import type { Done, OrderParts, Orders } from './orders.ts';
import { isProblem, type OperatorProblem, problem } from './problem.ts';
import { receiveBody } from './reply.ts';
import {
  type BudgetsAnswer,
  type BudgetTerms,
  budgetView,
  type HoldsAnswer,
  holdView,
  type PolicyView,
  type Sight,
  stopView,
} from './views.ts';

/** What the API reads; the gateway hands in its budget store, ledger and policy. */
export interface ApiParts {
  readonly budget: {
    openHolds(): Promise<OpenHold[]>;
    spokenFor(): Promise<string[]>;
    scopes(line: BudgetTerms, most: number): Promise<LineState[]>;
    stops(): Promise<Stop[]>;
  };
  readonly ledger: {
    find(id: string): Promise<Sealed | undefined>;
    list(filter: ReceiptQuery): Promise<Sealed[]>;
  };
  readonly orders: Orders;
  /** What was last seen of a hold at its rail. */
  readonly sight: (hold: string) => Sight | null;
  /** The budgets of the policy in force. */
  readonly budgetTerms: () => readonly BudgetTerms[];
  readonly policy: () => PolicyView | null;
  /** What would be decided, by the real decision and the real counters; asks nobody. */
  readonly explain: (question: ExplainQuery) => Promise<object>;
}

/** What the same questions and orders need while no gateway runs. */
export interface OfflineState
  extends Pick<ApiParts, 'budgetTerms' | 'explain'>,
    Pick<OrderParts, 'ledger' | 'knows' | 'evidence'> {
  readonly budget: ApiParts['budget'] & OrderParts['budget'];
  close(): Promise<void>;
}

/** A request under /api/, already split. */
export interface ApiRequest {
  readonly method: string;
  /** The path without `/api/`. */
  readonly path: string;
  readonly query: string;
  readonly body: IncomingMessage;
  readonly by: OperatorToken;
}

/** What is answered with 200, or the problem. */
export type ApiAnswer = { readonly kind: 'answer'; readonly value: unknown } | OperatorProblem;

type Handler = (parts: ApiParts, request: ApiRequest, id: string) => Promise<ApiAnswer>;

const ROUTES: readonly { readonly path: RegExp; readonly methods: Readonly<Record<string, Handler>> }[] = [
  { path: /^receipts$/, methods: { GET: listReceipts } },
  { path: /^receipts\/([^/]+)$/, methods: { GET: showReceipt } },
  { path: /^budgets$/, methods: { GET: listBudgets } },
  { path: /^holds$/, methods: { GET: async (parts) => answer(await readHolds(parts)) } },
  { path: /^holds\/([^/]+)\/resolve$/, methods: { POST: resolveHold } },
  { path: /^stops$/, methods: { GET: listStops, POST: addStop, DELETE: liftStop } },
  { path: /^keys\/rotate$/, methods: { POST: rotateKey } },
  { path: /^policy$/, methods: { GET: showPolicy } },
  { path: /^explain$/, methods: { GET: explain } },
];

/** Answers a request under /api/. Throws GatewayFault when store or log do not answer. */
export async function answerApi(parts: ApiParts, request: ApiRequest): Promise<ApiAnswer> {
  for (const { path, methods } of ROUTES) {
    const match = path.exec(request.path);
    if (!match) continue;
    const handler = methods[request.method === 'HEAD' ? 'GET' : request.method];
    if (handler) return handler(parts, request, match[1] ?? '');
    return problem('method_not_allowed', `This takes ${Object.keys(methods).join(', ')}.`);
  }
  return problem(
    'not_found',
    'Choose one of receipts, receipts/{id}, budgets, holds, holds/{id}/resolve, stops, keys/rotate, policy, explain.',
  );
}

/** Each budget of the policy with its fullest scopes, at most `most` of each. */
export async function readBudgets(
  parts: Pick<ApiParts, 'budget' | 'budgetTerms'>,
  most: number,
): Promise<BudgetsAnswer> {
  const read = async (terms: BudgetTerms) => budgetView(terms, await parts.budget.scopes(terms, most));
  const budgets = await Promise.all(parts.budgetTerms().map(read));
  return { budgets, spokenFor: await parts.budget.spokenFor() };
}

/** The open holds, with what was seen of each. */
export async function readHolds({ budget, sight }: Pick<ApiParts, 'budget' | 'sight'>): Promise<HoldsAnswer> {
  const open = await budget.openHolds();
  return { holds: open.map((hold) => holdView(hold, sight(hold.id))), spokenFor: await budget.spokenFor() };
}

async function listReceipts(parts: ApiParts, request: ApiRequest): Promise<ApiAnswer> {
  const filter = readQuery(receiptQuery, request.query);
  return isProblem(filter) ? filter : answer({ receipts: await parts.ledger.list(filter) });
}

async function listBudgets(parts: ApiParts, request: ApiRequest): Promise<ApiAnswer> {
  const asked = readQuery(budgetQuery, request.query);
  return isProblem(asked) ? asked : answer(await readBudgets(parts, asked.scopes));
}

async function showReceipt(parts: ApiParts, _request: ApiRequest, id: string): Promise<ApiAnswer> {
  const found = await parts.ledger.find(id);
  return found ? answer(found) : problem('not_found', 'This log has no receipt of this id; see GET /api/receipts.');
}

async function resolveHold(parts: ApiParts, request: ApiRequest, id: string): Promise<ApiAnswer> {
  const body = await receiveBody(request.body);
  const order = isProblem(body) ? body : readBody(resolveOrder, body);
  return isProblem(order) ? order : outcome(await parts.orders.resolve(id, order, request.by.name));
}

async function listStops(parts: ApiParts): Promise<ApiAnswer> {
  return answer({ stops: (await parts.budget.stops()).map(stopView) });
}

async function addStop(parts: ApiParts, request: ApiRequest): Promise<ApiAnswer> {
  const body = await receiveBody(request.body);
  const order = isProblem(body) ? body : readBody(stopOrder, body);
  return isProblem(order) ? order : outcome(await parts.orders.stop(order, request.by.name));
}

/** A DELETE has no body: the stop is named in the query. */
async function liftStop(parts: ApiParts, request: ApiRequest): Promise<ApiAnswer> {
  const order = readQuery(startOrder, request.query);
  return isProblem(order) ? order : outcome(await parts.orders.start(order, request.by.name));
}

async function rotateKey(parts: ApiParts, request: ApiRequest): Promise<ApiAnswer> {
  const body = await receiveBody(request.body);
  const order = isProblem(body) ? body : readBody(rotateOrder, body);
  return isProblem(order) ? order : outcome(await parts.orders.rotateKey(order, request.by.name));
}

async function showPolicy(parts: ApiParts): Promise<ApiAnswer> {
  const policy = parts.policy();
  return policy ? answer(policy) : problem('not_found', 'No policy set is in force.');
}

async function explain(parts: ApiParts, request: ApiRequest): Promise<ApiAnswer> {
  const question = readQuery(explainQuery, request.query);
  if (isProblem(question)) return question;
  const told = await parts.explain(question);
  return isProblem(told) ? told : answer(told);
}

const answer = (value: unknown): ApiAnswer => ({ kind: 'answer', value });

const outcome = (result: Done | OperatorProblem): ApiAnswer =>
  isProblem(result)
    ? result
    : answer({ receipt: result.receipt, ...(result.warning ? { warning: result.warning } : {}) });
