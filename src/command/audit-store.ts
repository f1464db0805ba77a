// The budgets' side of an audit: every counter and open hold, asked of the gateway or of its state, and which windows
// the store counts at that moment.
import type { StoreBudget, StoreHold, StoreLine, StoreSide } from '../audit/against-budgets.ts';
import type { Counts } from '../audit/line-sums.ts';
import { Calendar, type CalendarKind, rollingPartMs } from '../budget/windows.ts';
import { readMicros } from '../domain/money.ts';
import { MOST_SCOPES } from '../operators/forms.ts';
import type { BudgetView, HoldView } from '../operators/views.ts';
import { readDuration } from '../yaml/units.ts';
import { type OperatorClient, OrderFailed } from './operator-client.ts';

/** What was read, and from when on other sides may know more than it. */
export interface StoreRead extends StoreSide {
  /** Milliseconds since 1970. */
  readonly askedAt: number;
}

/** How far the store's clock may be from ours: as far as gateways allow. */
const SKEW_MS = 60_000;

/** Asks for everything. Throws OrderFailed. */
export async function readStore(operator: OperatorClient, timeZone: string, now: () => number): Promise<StoreRead> {
  const askedAt = now();
  const { budgets } = await operator.budgets(MOST_SCOPES);
  const { holds } = await operator.holds();
  const calendar = new Calendar(timeZone);
  return { askedAt, budgets: budgets.map((view) => budgetOf(view, calendar, askedAt)), holds: holds.map(holdOf) };
}

function budgetOf(view: BudgetView, calendar: Calendar, now: number): StoreBudget {
  const { id, scopes } = view;
  return { id, counts: countsOf(view, calendar, now), whole: scopes.length < MOST_SCOPES, lines: scopes.map(lineOf) };
}

function lineOf({ scope, settled, held, payments }: BudgetView['scopes'][number]): StoreLine {
  return { scope, settled: readMicros(settled), held: readMicros(held), payments };
}

function holdOf({ id, state, amount, heldAt, budgets }: HoldView): StoreHold {
  const places = budgets.map(({ id: budget, scope, window }) => ({ budget, scope, window: Date.parse(window) }));
  return { id, state, amount: readMicros(amount), heldAt: Date.parse(heldAt), places };
}

/** A calendar window is told by when it ends; the parts at the edges of a rolling one by our clock, so only perhaps. */
function countsOf({ window, scopes }: BudgetView, calendar: Calendar, now: number): Counts {
  const rolling = /^rolling (.+)$/.exec(window)?.[1];
  if (rolling !== undefined) {
    const lengthMs = readDuration(rolling) ?? 0;
    const oldest = now - lengthMs - rollingPartMs(lengthMs);
    return (start) => (start > oldest + SKEW_MS ? 'yes' : start > oldest - SKEW_MS ? 'perhaps' : 'no');
  }
  const kind = calendarKind(window);
  const ends = scopes.map(({ resetsAt }) => resetsAt).find((at) => at !== null);
  const { start: current, end } = calendar.bounds(kind, typeof ends === 'string' ? Date.parse(ends) - 1 : now);
  // Nothing is listed: which window is open is told by our clock alone.
  const turning = ends === undefined && end !== null && (now - current < SKEW_MS || end - now < SKEW_MS);
  if (turning) return (start) => (Math.abs(start - now) < SKEW_MS || start === current ? 'perhaps' : 'no');
  return (start) => (start === current ? 'yes' : 'no');
}

const KINDS: readonly CalendarKind[] = ['hour', 'day', 'week', 'month', 'year', 'total'];

function calendarKind(window: string): CalendarKind {
  const kind = KINDS.find((known) => known === window);
  if (!kind) throw new OrderFailed(`The gateway names a window "${window}" that this version does not know.`);
  return kind;
}
