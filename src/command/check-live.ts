// What a policy set would change at a running gateway: compared with the budgets it enforces and what they count. It
// only asks.

import { microsOfDecimal, readDecimal } from '../domain/money.ts';
import { type BudgetView, budgetView } from '../operators/views.ts';
import type { PolicySet, Spot } from '../policy/set.ts';
import type { Problem } from '../yaml/problem.ts';
import { type GatewayPlace, OrderFailed, runningGateway } from './operator-client.ts';

/** Asks the gateway for its budgets. Throws an Error, for the person who asks, when it does not answer. */
export async function liveBudgets(place: GatewayPlace): Promise<readonly BudgetView[]> {
  const operator = await runningGateway(place);
  try {
    return (await operator?.budgets())?.budgets ?? [];
  } finally {
    await operator?.close();
  }
}

/**
 * An error where counters would no longer mean what they counted (another `window` or `per` under the same id: the
 * gateway would keep its last good set); a warning where a limit is below what is already spent or held.
 */
export function compareLive(set: PolicySet, live: readonly BudgetView[]): Problem[] {
  return live.flatMap((budget) => {
    const terms = set.budgets.get(budget.id);
    const spot = set.spots.budgets.get(budget.id);
    if (!terms || !spot) return [];
    const here = budgetView(terms, []);
    return [...otherTerms(here, budget, spot), ...lowLimits(here, budget, spot)];
  });
}

function otherTerms(here: BudgetView, live: BudgetView, spot: Spot): Problem[] {
  return (['window', 'per'] as const).flatMap((name) => {
    if (here[name] === live[name]) return [];
    const message = `is ${here[name]} here and ${live[name]} at the gateway, which would refuse the policies`;
    const key = name === 'window' && spot.keys.rolling !== undefined ? 'rolling' : name;
    return [problem(spot, { id: here.id, key, message: `${message}; give the budget a new id`, severity: 'error' })];
  });
}

function lowLimits(here: BudgetView, live: BudgetView, spot: Spot): Problem[] {
  const over = live.scopes.filter((scope) => micros(scope.settled) + micros(scope.held) > micros(here.limit));
  const many = live.scopes.filter((scope) => here.payments !== null && scope.payments > here.payments);
  const say = (key: string, limit: string, scopes: readonly { scope: string }[], used: string): Problem[] => {
    const [fullest] = scopes;
    if (!fullest) return [];
    const others = scopes.length === 1 ? '' : ` and ${scopes.length - 1} more`;
    const spent = `${used} by ${fullest.scope}${others}`;
    const message = `${limit} is below what is already spent: ${spent}; nothing more is paid`;
    return [problem(spot, { id: here.id, key, message: `${message} there until it resets`, severity: 'warning' })];
  };
  const [first] = over;
  const spent = first ? `${first.settled} settled and ${first.held} held` : '';
  return [
    ...say('limit', here.limit, over, spent),
    ...say('payments', String(here.payments), many, `${many[0]?.payments} payments`),
  ];
}

function problem(
  spot: Spot,
  what: { readonly id: string; readonly key: string } & Pick<Problem, 'message' | 'severity'>,
): Problem {
  const { id, key, message, severity } = what;
  return {
    file: spot.file,
    line: spot.keys[key] ?? spot.line,
    col: 1,
    path: `budgets ${id}: ${key}`,
    message,
    severity,
  };
}

function micros(text: string): bigint {
  const amount = readDecimal(text);
  const value = amount && microsOfDecimal(amount);
  if (value === undefined)
    throw new OrderFailed('The gateway sent an amount that cannot be read. Nothing was compared.');
  return value;
}
