// `purser receipts export | checkpoint | prove | merge`: what others can check without this gateway, its state or its
// secrets. It never writes to the log.
import { checkpointLine, exportLines, proofLine } from '../ledger/export.ts';
import { mergeExports, NotMergeable } from '../ledger/merge.ts';
import { logEnd } from '../ledger/own-log.ts';
import { seqOfId } from '../ledger/query.ts';
import type { Io } from './io.ts';
import { LineFile } from './line-file.ts';
import { type LogOptions, openLines, reading, timesOf, Usage, withExit } from './on-log.ts';
import { visible } from './table.ts';

export interface ExportOptions extends LogOptions {
  readonly since?: string;
  readonly until?: string;
  /** The file to write; standard output when absent. */
  readonly out?: string;
}

export interface MergeOptions {
  /** Exports of one log each. */
  readonly files: readonly string[];
  readonly out?: string;
}

export interface ProveOptions extends LogOptions {
  /** Of a receipt. */
  readonly id: string;
  readonly out?: string;
}

/** An unbroken run of receipts as JSON Lines, ended by a signed head. */
function exportLog(options: ExportOptions, io: Io): Promise<number> {
  return withExit(io, () => {
    const times = timesOf(options);
    return reading(options, io, (reader, dir) => {
      const range = reader.range(times);
      if (range.first > range.last && reader.head().seq > 0) {
        io.err('there are no receipts in this time: nothing was exported\n');
        return 1;
      }
      const checkpoint = checkpointLine(reader, range);
      write(exportLines(reader.stored(range), logEnd(reader, dir, Date.now(), range.last), checkpoint), options, io);
      return 0;
    });
  });
}

export { exportLog as export };

/** The newest checkpoint, with the lines of all who signed it. */
export function checkpoint(options: LogOptions, io: Io): Promise<number> {
  return withExit(io, () =>
    reading(options, io, (reader) => {
      const newest = reader.checkpoint();
      if (!newest) {
        io.err(`${NO_CHECKPOINT}\n`);
        return 1;
      }
      io.out(newest.note);
      return 0;
    }),
  );
}

/** That one receipt is in the log, as one line that `verify` checks with the public keys alone. */
export function prove({ id, ...options }: ProveOptions, io: Io): Promise<number> {
  return withExit(io, () =>
    reading(options, io, (reader) => {
      const seq = seqOfId(reader.log, id);
      if (seq === undefined || !reader.find(id)) {
        io.err(`no receipt ${visible(id)} in log ${reader.log}: an id begins with the name of its log\n`);
        return 1;
      }
      const known = reader.checkpoint();
      const line = known && proofLine(reader, seq, known);
      if (line === undefined) {
        io.err(
          known
            ? `the newest checkpoint is of ${known.size} receipts: try again after the next\n`
            : `${NO_CHECKPOINT}\n`,
        );
        return 1;
      }
      write([line], options, io);
      return 0;
    }),
  );
}

/** Exports of several logs as one stream in the order of time, each log as verifiable as before. */
export function merge(options: MergeOptions, io: Io): Promise<number> {
  return withExit(io, async () => {
    const sources = await Promise.all(options.files.map(async (name) => ({ name, lines: await openLines(name) })));
    try {
      await writeAsync(mergeExports(sources), options, io);
    } catch (error) {
      throw error instanceof NotMergeable ? new Usage(error.message) : error;
    }
    return 0;
  });
}

const NO_CHECKPOINT = 'there is no checkpoint yet: a running gateway makes one every state.checkpoint; wait for it';

function write(lines: Iterable<string>, { out }: { readonly out?: string }, io: Io): void {
  if (out === undefined) for (const line of lines) io.out(`${line}\n`);
  else new LineFile(out).writeAll(lines);
}

async function writeAsync(lines: AsyncIterable<string>, { out }: { readonly out?: string }, io: Io): Promise<void> {
  if (out === undefined) for await (const line of lines) io.out(`${line}\n`);
  else await new LineFile(out).writeEach(lines);
}
