// Signs a checkpoint of the log at times, and has witnesses put their names to it. When a witness knows more of this
// log than there is here, or something else, the state is an older or another copy: then the gateway does not run.
import type { Config } from '../config/config.ts';
import type { Timers } from '../domain/clock.ts';
import { readKey } from '../domain/note.ts';
import type { StoredCheckpoint } from '../ledger/checkpoints.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { errorFacts, type Log } from '../observe/log.ts';
import { askDocument } from '../upstream/document.ts';
import { openPool } from '../upstream/door.ts';
import { type Asked, type AskParts, askWitness } from '../witness/ask.ts';
import { ADD_CHECKPOINT } from '../witness/request.ts';
import type { Status } from './settling.ts';

/** What the loop works with. */
export interface WitnessingParts {
  readonly config: Pick<Config, 'state' | 'witnesses'>;
  readonly ledger: Ledger;
  readonly log: Log;
  readonly timers: Timers;
  /** `witnessed`: one has said that it knows no more of this log, or none is configured. */
  readonly status: Status;
}

/** The loop. */
export interface Witnessing {
  /** Calls back when this gateway must not go on, and why. */
  onLost(callback: (reason: string) => void): void;
  close(): Promise<void>;
}

/** The state must not be used; the message says why and what to do. */
export class OlderCopy extends Error {}

interface Asking extends AskParts {
  /** What was last said about it in the log; undefined while it cosigns. */
  told: string | undefined;
  close(): Promise<void>;
}

const ASK_WITHIN_MS = 5_000;
const MOST_HEADER_BYTES = 16 * 1024;
const MOST_ANSWER_BYTES = 64 * 1024;
/** How soon a witness that could not be asked is asked again. */
const AGAIN_MS = 5_000;

/**
 * Asks every witness about the log as it is, before anything is added to it, then goes on doing so. Rejects with
 * {@link OlderCopy} when the state must not be used.
 */
export async function keepWitnessed(parts: WitnessingParts): Promise<Witnessing> {
  const { config, ledger, log, timers, status } = parts;
  const asking = config.witnesses.map((witness) => openAsking(witness, ledger));
  const close = async (): Promise<void> => {
    await Promise.all(asking.map((witness) => witness.close()));
  };
  const failed = (error: unknown): void =>
    log.event('warn', 'no checkpoint of the log could be made', { error: errorFacts(error) });
  status.witnessed = asking.length === 0;
  if (!status.witnessed) {
    await round(parts, asking).catch(async (error: unknown) => {
      if (!(error instanceof OlderCopy)) return failed(error);
      await close();
      throw error;
    });
  }
  let lost = (_reason: string): void => {};
  let under: Promise<void> | undefined;
  const again = (): void => {
    under ??= round(parts, asking)
      .catch((error: unknown) => {
        if (!(error instanceof OlderCopy)) return failed(error);
        status.witnessed = false;
        lost(error.message);
      })
      .finally(() => {
        under = undefined;
      });
  };
  const timer = timers.every(config.state.checkpointMs, again);
  const impatient = timers.every(AGAIN_MS, () => {
    if (!status.witnessed) again();
  });
  return {
    onLost: (callback) => {
      lost = callback;
    },
    close: async () => {
      timer.close();
      impatient.close();
      await under;
      await close();
    },
  };
}

async function round({ ledger, log, status }: WitnessingParts, asking: readonly Asking[]): Promise<void> {
  const checkpoint = await ledger.checkpoint();
  // A log without receipts has nothing that could be older.
  if (!checkpoint) {
    status.witnessed = true;
    return;
  }
  const sizes = await ledger.witnessed();
  const due = asking.filter(({ key }) => !status.witnessed || sizes[key.name] !== checkpoint.size);
  const asked = await Promise.allSettled(
    due.map((witness) => ask(witness, checkpoint, { ledger, log, status }, sizes)),
  );
  // All have answered before one of them is believed: no other says afterwards that all is well.
  const failures = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  const worst = failures.find((error) => error instanceof OlderCopy) ?? failures[0];
  if (worst !== undefined) throw worst;
}

async function ask(
  witness: Asking,
  { size, note }: StoredCheckpoint,
  { ledger, log, status }: Pick<WitnessingParts, 'ledger' | 'log' | 'status'>,
  sizes: Readonly<Record<string, number>>,
): Promise<void> {
  const { name } = witness.key;
  const asked = await askWitness(witness, note, sizes[name] ?? 0);
  const problem = problemOf(asked);
  if (asked.kind === 'ahead' || asked.kind === 'forked') throw new OlderCopy(olderCopy(name, asked, size));
  if (asked.kind === 'cosigned') await ledger.cosigned({ witness: name, size, line: asked.line });
  if (asked.kind !== 'failed') status.witnessed = true;
  if (problem !== witness.told) {
    if (problem === undefined) log.event('info', `the witness ${name} cosigns again`);
    else log.event('warn', `the witness ${name} did not cosign: ${problem}`);
  }
  witness.told = problem;
}

function problemOf(asked: Asked): string | undefined {
  if (asked.kind === 'unknown') return 'it does not know this log; give it the key that "purser keys list" prints';
  return asked.kind === 'failed' ? asked.why : undefined;
}

function olderCopy(name: string, asked: Asked & { kind: 'ahead' | 'forked' }, size: number): string {
  const found =
    asked.kind === 'ahead'
      ? `has seen ${asked.size} receipts of this log, but there are ${size} here`
      : `has seen other receipts of this log than the first ${asked.size} here`;
  return (
    `the witness ${name} ${found}: the state folder is an older or a changed copy, which has forgotten what was ` +
    'spent. Put the latest copy back. If it is lost, begin a new log with another state.dir, keep this one for its ' +
    'receipts, and lower each budget by what the services say was paid since'
  );
}

function openAsking(witness: Config['witnesses'][number], ledger: Ledger): Asking {
  const { key, origin, basePath, allowPrivateNetwork, ca } = witness;
  const pool = openPool({ origin, allowPrivateNetwork, ca }, MOST_HEADER_BYTES);
  const question = { method: 'POST', path: `${basePath}${ADD_CHECKPOINT}`, mostBytes: MOST_ANSWER_BYTES } as const;
  return {
    key: readKey(key),
    told: undefined,
    grown: (sizes) => ledger.grown(sizes),
    post: (body) => askDocument(pool, { ...question, body, signal: AbortSignal.timeout(ASK_WITHIN_MS) }),
    close: () => pool.destroy(),
  };
}
