// `purser holds list` and `purser holds resolve`: the holds that are open, and what a person knows of the uncertain
// ones.
import type { HoldView } from '../operators/views.ts';
import { asOperator, type OrderOptions } from './as-operator.ts';
import type { Io } from './io.ts';
import { type OperatorClient, OrderFailed } from './operator-client.ts';
import { spokenForText } from './spoken-for.ts';
import { table, visible } from './table.ts';

/** What `holds resolve` was told: one hold, or all uncertain ones of a service placed before an instant. */
export interface ResolveOptions extends OrderOptions {
  readonly as: 'settled' | 'voided';
  readonly because: string;
  /** Also where the books of the rail say otherwise. */
  readonly againstEvidence?: true;
  readonly which: { readonly hold: string } | { readonly service: string; readonly beforeMs: number };
}

/** Prints open and uncertain holds with their evidence, oldest first. */
export function listHolds(options: OrderOptions, io: Io): Promise<number> {
  return asOperator(options, io, async (operator) => {
    const { holds, spokenFor } = await operator.holds();
    if (options.json) {
      io.out(`${visible(JSON.stringify({ holds, spokenFor }))}\n`);
      return 0;
    }
    io.out(holds.length === 0 ? 'No hold is open.\n' : table(holds.map(row), HEADER));
    io.err(spokenForText(spokenFor));
    return 0;
  });
}

/** Resolves one hold or many; exit code 1 when any of them was refused, and when none matched. */
export function resolveHolds(options: ResolveOptions, io: Io): Promise<number> {
  return asOperator(options, io, async (operator) => {
    const holds = await chosen(operator, options.which);
    if (holds.length === 0) throw new OrderFailed('No uncertain hold matches. See "purser holds list".');
    const results = [];
    for (const hold of holds) results.push(await resolveOne(operator, hold, options));
    if (options.json) io.out(`${visible(JSON.stringify({ results }))}\n`);
    else
      io.out(
        table(
          results.map((result) => [visible(result.hold), result.outcome, visible(result.detail)]),
          RESULTS,
        ),
      );
    return results.every(({ outcome }) => outcome !== 'refused') ? 0 : 1;
  });
}

async function chosen(operator: OperatorClient, which: ResolveOptions['which']): Promise<string[]> {
  if ('hold' in which) return [which.hold];
  const { holds } = await operator.holds();
  return holds
    .filter((hold) => hold.state === 'uncertain' && hold.service === which.service)
    .filter((hold) => Date.parse(hold.heldAt) < which.beforeMs)
    .map((hold) => hold.id);
}

async function resolveOne(operator: OperatorClient, hold: string, options: ResolveOptions) {
  const { as, because, againstEvidence } = options;
  const order = { as, because, ...(againstEvidence === undefined ? {} : { againstEvidence }) };
  try {
    const { receipt } = await operator.resolve(hold, order);
    return { hold, outcome: as, detail: `receipt ${receipt}` };
  } catch (error) {
    if (!(error instanceof OrderFailed)) throw error;
    return { hold, outcome: 'refused' as const, detail: error.message };
  }
}

const HEADER = [
  ...['hold', 'state', 'agent', 'service', 'wallet', 'amount', 'held at', 'redeemable until'],
  ...['its request', 'at the rail', 'looked', 'looks again'],
];
const RESULTS = ['hold', 'outcome', 'detail'];

function row(hold: HoldView): string[] {
  const names = [hold.id, hold.state, hold.agent, hold.service, hold.wallet].map(visible);
  return [...names, hold.amount, hold.heldAt, hold.redeemableUntil, visible(requestText(hold)), ...evidenceCells(hold)];
}

function requestText({ state, ending }: HoldView): string {
  if (!ending) return state === 'uncertain' ? 'its request was lost' : 'its request is under way';
  const status = ending.upstreamStatus === null ? 'no answer' : `answered ${ending.upstreamStatus}`;
  return `${ending.code ?? 'relayed'}, ${status}, receipt ${ending.receipt}`;
}

/** What was seen, how long ago, and in how long it is looked for again. */
function evidenceCells({ evidence }: HoldView): string[] {
  if (!evidence) return ['not looked at', '', ''];
  const now = Date.now();
  const seen = `${evidence.alarming ? 'LOOK AT THIS: ' : ''}${evidence.verdict}: ${evidence.seen}`;
  const next = Date.parse(evidence.next);
  return [visible(seen), `${age(now - Date.parse(evidence.at))} ago`, next > now ? `in ${age(next - now)}` : 'now'];
}

function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
