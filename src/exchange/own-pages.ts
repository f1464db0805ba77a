// An agent's own pages on the agents' port: its receipts, its purchases, what it may reach, what it may still spend.
// It never sees another agent's state.
import type { LineState } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';
import { isRefusal, type Refusal, refuse } from '../domain/refusal.ts';
import { sendJson } from '../inbound/reply.ts';
import type { Target } from '../inbound/target.ts';
import { linesOf, reach, standing } from '../policy/decide.ts';
import type { Parts } from './parts.ts';
import { subjectOf, type Visit } from './visit.ts';

/** Answers a request under `/.purser/`; `no` seals and answers a refusal. */
export async function ownPage(
  parts: Parts,
  visit: Visit,
  target: Target,
  no: (refusal: Refusal) => Promise<void>,
): Promise<void> {
  if (!visit.identity) throw new Error('a page needs an identity');
  const lost = standing(parts.policy(), visit.identity, parts.clock.now());
  if (lost) return no(lost);
  const page = await read(parts, visit, target);
  visit.outcome = 'own';
  if (isRefusal(page)) return no(page);
  sendJson(visit.response, page.status, page.body);
}

interface Page {
  readonly status: number;
  readonly body: unknown;
}

async function read(parts: Parts, visit: Visit, target: Target): Promise<Page | Refusal> {
  const { identity } = visit;
  const method = visit.request.method ?? 'GET';
  if (!identity || (method !== 'GET' && method !== 'HEAD'))
    return refuse('target_forbidden', 'The pages under /.purser/ are read with GET.');
  const now = parts.clock.now();
  if (target.path === '/services')
    return {
      status: 200,
      body: {
        services: reach(parts.policy(), identity, now).map((entry) => ({ ...entry, baseUrl: `/${entry.service}` })),
      },
    };
  if (target.path === '/budgets') {
    const lines = await parts.budget.lines(linesOf(parts.policy(), identity, now));
    return { status: 200, body: { budgets: lines.map(lineView) } };
  }
  if (target.path === '/purchases') return purchases(parts, visit, target);
  const id = /^\/receipts\/([a-z0-9.]{1,80})$/.exec(target.path)?.[1];
  if (id !== undefined) return receiptPage(parts, visit, id);
  return refuse(
    'service_unknown',
    'There is /.purser/services, /.purser/budgets, /.purser/purchases?key=… and /.purser/receipts/<id>.',
  );
}

async function receiptPage(parts: Parts, visit: Visit, id: string): Promise<Page> {
  const log = id.split('.')[0];
  if (log !== parts.ledger.log) {
    return { status: 404, body: { detail: `This receipt is in the log ${log}, which another gateway keeps.`, log } };
  }
  const sealed = await parts.ledger.find(id);
  const owner = sealed?.receipt.agent;
  const own =
    owner !== undefined && owner.issuer === visit.identity?.issuer && owner.subject === visit.identity.subject;
  if (!sealed || !own) return { status: 404, body: { detail: 'This agent has no receipt of that id.' } };
  return { status: 200, body: sealed };
}

async function purchases(parts: Parts, visit: Visit, target: Target): Promise<Page | Refusal> {
  const key = new URLSearchParams(target.query).get('key');
  if (key === null || !/^[\x21-\x7e]{1,255}$/.test(key) || !visit.identity) {
    return refuse('header_malformed', 'Name the Idempotency-Key of the purchase: /.purser/purchases?key=…');
  }
  const claim = { subject: subjectOf(visit.identity), key, fingerprint: '', saysRetry: false };
  const purchase = await parts.budget.lookUp(claim);
  if (!purchase) return { status: 404, body: { detail: 'This agent has no purchase under that key.' } };
  const sealed = await parts.ledger.ofExchange(purchase.exchange);
  return {
    status: 200,
    body: {
      state: purchase.state,
      running: purchase.running,
      amount: formatMicros(purchase.micros),
      currency: parts.currency,
      redeemableUntil: new Date(purchase.redeemableUntil).toISOString(),
      receipts: sealed.map(({ receipt }) => ({ id: receipt.id, kind: receipt.kind, at: receipt.at })),
    },
  };
}

function lineView(line: LineState): Record<string, unknown> {
  const left = line.limitMicros - line.settledMicros - line.heldMicros;
  return {
    budget: line.budget,
    limit: formatMicros(line.limitMicros),
    settled: formatMicros(line.settledMicros),
    held: formatMicros(line.heldMicros),
    left: formatMicros(left < 0n ? 0n : left),
    ...(line.limitPayments === null ? {} : { paymentsLimit: line.limitPayments, payments: line.payments }),
    resetsAt: line.resetsAt === null ? null : new Date(line.resetsAt).toISOString(),
  };
}
