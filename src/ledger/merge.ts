// Exports of several logs as one stream in the order of time. Every line stays as it is and every log stays in its own
// order, so that what comes out verifies as what went in.

/** One export, read line by line. */
export interface MergeSource {
  /** How it is called when something is wrong with it. */
  readonly name: string;
  readonly lines: AsyncIterator<string> | Iterator<string>;
}

/** A line that is no line of an export; the message names the source. */
export class NotMergeable extends Error {}

interface Waiting {
  readonly source: MergeSource;
  /** The next receipt's line; undefined when the source is at its end. */
  line: string | undefined;
  /** The latest instant in this source so far: a clock that was set back changes no order within a log. */
  at: string;
  log: string;
}

/**
 * The lines of all sources. Receipts come by their instants, those of one instant by the names of their logs;
 * checkpoints as soon as their source begins, heads right behind the last receipt of theirs. Throws
 * {@link NotMergeable}. Nothing is verified here.
 */
export async function* mergeExports(sources: readonly MergeSource[]): AsyncGenerator<string> {
  const logs = new Set<string>();
  const waiting: Waiting[] = [];
  for (const source of sources) {
    const one: Waiting = { source, line: undefined, at: '', log: '' };
    yield* advance(one);
    if (logs.has(one.log)) throw new NotMergeable(`${source.name} is of the log ${one.log}, like a file before it`);
    logs.add(one.log);
    waiting.push(one);
  }
  for (;;) {
    const ready = waiting.filter(({ line }) => line !== undefined);
    const [first, ...others] = ready;
    if (!first) return;
    const next = others.reduce((best, one) => (before(one, best) ? one : best), first);
    yield next.line ?? '';
    yield* advance(next);
  }
}

/** Reads on to the next receipt and gives out what stands before it. */
async function* advance(one: Waiting): AsyncGenerator<string> {
  for (;;) {
    const { done, value } = await one.source.lines.next();
    if (done === true) {
      one.line = undefined;
      if (one.log === '') throw new NotMergeable(`${one.source.name} is empty; name what "receipts export" wrote`);
      return;
    }
    const { receipt, log, at } = read(value, one.source.name);
    if (one.log !== '' && log !== one.log) {
      throw new NotMergeable(`${one.source.name} holds the logs ${one.log} and ${log}; name exports of one log each`);
    }
    one.log = log;
    if (receipt) {
      one.line = value;
      if (at > one.at) one.at = at;
      return;
    }
    yield value;
  }
}

function before(one: Waiting, other: Waiting): boolean {
  return one.at === other.at ? one.log < other.log : one.at < other.at;
}

function read(line: string, name: string): { receipt: boolean; log: string; at: string } {
  let value: Readonly<Record<string, unknown>>;
  try {
    value = Object(JSON.parse(line));
  } catch {
    throw new NotMergeable(`${name} holds a line that is not JSON; name what "receipts export" wrote`);
  }
  const { log, at }: Readonly<Record<string, unknown>> = Object(value.receipt ?? value.head);
  if (typeof log === 'string' && !('checkpoint' in value)) {
    return { receipt: 'receipt' in value, log, at: typeof at === 'string' ? at : '' };
  }
  const origin = typeof value.checkpoint === 'string' && !('receipt' in value) ? value.checkpoint : '';
  const named = /^purser\/([^\n]+)\n/.exec(origin)?.[1];
  if (named !== undefined) return { receipt: false, log: named, at: '' };
  throw new NotMergeable(`${name} holds a line that is not one of "receipts export"`);
}
