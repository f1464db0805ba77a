// `purser stop`, `purser stop list` and `purser start`: a person's order that nothing more be paid for what is named.
import type { Stop } from '../domain/hold.ts';
import { asOperator, type OrderOptions } from './as-operator.ts';
import type { Io } from './io.ts';
import type { Outcome } from './operator-client.ts';
import { table, visible } from './table.ts';

/** What is stopped or started; `id` is `*` exactly when `kind` is `all`. */
export interface StopOptions extends OrderOptions {
  readonly kind: Stop['kind'];
  readonly id: string;
  readonly because: string;
}

/** `because` may be left out of a start. */
export type StartOptions = Omit<StopOptions, 'because'> & { readonly because?: string };

/** Stops what is named; exit code 0 once it is in force. */
export function stop(options: StopOptions, io: Io): Promise<number> {
  const { kind, id, because } = options;
  return asOperator(options, io, async (operator) => {
    print(options, io, `Stopped: ${named(options)}.`, await operator.stop({ kind, id, because }));
    return 0;
  });
}

/** Lifts exactly the stop that is named; exit code 1 when there is none. */
export function start(options: StartOptions, io: Io): Promise<number> {
  const { kind, id, because } = options;
  return asOperator(options, io, async (operator) => {
    const outcome = await operator.start({ kind, id, ...(because === undefined ? {} : { because }) });
    print(options, io, `Started again: ${named(options)}.`, outcome);
    return 0;
  });
}

/** Prints the stops in force. */
export function listStops(options: OrderOptions, io: Io): Promise<number> {
  return asOperator(options, io, async (operator) => {
    const stops = await operator.stops();
    const rows = stops.map((stop) => [stop.kind, stop.id, stop.by, stop.at, stop.because].map(visible));
    if (options.json) io.out(`${visible(JSON.stringify({ stops }))}\n`);
    else if (stops.length === 0) io.out('Nothing is stopped.\n');
    else io.out(table(rows, ['kind', 'id', 'by', 'at', 'because']));
    return 0;
  });
}

function print(options: OrderOptions, io: Io, done: string, outcome: Outcome): void {
  if (options.json) io.out(`${visible(JSON.stringify(outcome))}\n`);
  else io.out(`${done} Receipt ${visible(outcome.receipt)}.\n`);
  if (outcome.warning !== undefined) io.err(`purser: ${visible(outcome.warning)}\n`);
}

const named = ({ kind, id }: Pick<StopOptions, 'kind' | 'id'>): string =>
  kind === 'all' ? 'every payment' : `${kind} ${visible(id)}`;
