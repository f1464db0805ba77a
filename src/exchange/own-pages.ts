// An agent's own pages on the agents' port: its receipts, its purchases, what it may reach, what it may still spend.
// It never sees another agent's state.
import type { Identity } from '../domain/agent.ts';
import type { LineState } from '../domain/hold.ts';
import { formatMicros } from '../domain/money.ts';
import { type Refusal, refuse } from '../domain/refusal.ts';
import { sendJson, sendNotFound } from '../inbound/reply.ts';
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
  if ('kind' in page) return no(page);
  if ('missing' in page) sendNotFound(visit.response, page.missing, page.members ?? {});
  else sendJson(visit.response, 200, page.body);
}

/** What a page shows, or that there is nothing of that name. */
type Page =
  | { readonly body: unknown }
  | { readonly missing: string; readonly members?: Readonly<Record<string, string>> };

async function read(parts: Parts, visit: Visit, target: Target): Promise<Page | Refusal> {
  const { identity } = visit;
  const method = visit.request.method ?? 'GET';
  if (!identity || (method !== 'GET' && method !== 'HEAD')) {
    return refuse('target_forbidden', 'The pages under /.purser/ are read with GET.');
  }
  if (target.path === '/services') return { body: { services: servicesOf(parts, identity) } };
  if (target.path === '/budgets') {
    const lines = await parts.budget.lines(linesOf(parts.policy(), identity, parts.clock.now()));
    return { body: { budgets: lines.map(lineView) } };
  }
  if (target.path === '/purchases') return purchases(parts, visit, target);
  const id = /^\/receipts\/([a-z0-9.]{1,80})$/.exec(target.path)?.[1];
  if (id !== undefined) return receiptPage(parts, visit, id);
  return refuse(
    'service_unknown',
    'See /.purser/services, /.purser/budgets, /.purser/purchases?key=… and /.purser/receipts/<id>.',
  );
}

function servicesOf(parts: Parts, identity: Identity): unknown[] {
  const entries = reach(parts.policy(), identity, parts.clock.now());
  return entries.map((entry) => ({ ...entry, baseUrl: `/${entry.service}` }));
}

async function receiptPage(parts: Parts, visit: Visit, id: string): Promise<Page> {
  const log = id.split('.')[0];
  if (log !== parts.ledger.log) {
    const members = { log: log ?? '' };
    return { missing: `This receipt is in the log ${log}, which another gateway keeps; ask that one.`, members };
  }
  const sealed = await parts.ledger.find(id);
  const owner = sealed?.receipt.agent;
  const own =
    owner !== undefined && owner.issuer === visit.identity?.issuer && owner.subject === visit.identity.subject;
  return sealed && own ? { body: sealed } : { missing: 'This agent has no receipt of that id.' };
}

async function purchases(parts: Parts, visit: Visit, target: Target): Promise<Page | Refusal> {
  const key = new URLSearchParams(target.query).get('key');
  if (key === null || !/^[\x21-\x7e]{1,255}$/.test(key) || !visit.identity) {
    return refuse('header_malformed', 'Name the Idempotency-Key of the purchase: /.purser/purchases?key=…');
  }
  const claim = { subject: subjectOf(visit.identity), key, fingerprint: '', saysRetry: false };
  const purchase = await parts.budget.lookUp(claim);
  if (!purchase) return { missing: 'This agent has no purchase under that key.' };
  const sealed = await parts.ledger.ofExchange(purchase.exchange);
  return {
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
