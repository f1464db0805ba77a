// What the gateway writes to standard output, one JSON object a line. It is redacted by construction: each kind of line
// lists its members here and only those are copied, so that no header, token, query or foreign message can slip in.
import { pino } from 'pino';
import type { Receipt } from '../domain/receipt.ts';
import { type Pretty, prettyLine } from './pretty.ts';

/** One answered request. The path stands in receipts only; queries, headers and bodies are written nowhere. */
export interface AccessLine {
  readonly method: string;
  /** A configured service id, or null when the request named none. */
  readonly service: string | null;
  readonly status: number;
  /** The code of a refusal, or null. */
  readonly code: string | null;
  /** The register's id, or null before identity is known. */
  readonly agent: string | null;
  readonly ms: number;
  readonly exchange: string;
  /** The trace id of `traceparent`, or null. */
  readonly trace: string | null;
}

/** Everything an event may say beside its message. Each text is our own or from the configuration, never foreign. */
export interface EventFields {
  readonly version?: string;
  readonly agents?: string;
  readonly operators?: string;
  readonly policy?: string;
  readonly development?: boolean;
  readonly service?: string;
  readonly wallet?: string;
  readonly issuer?: string;
  readonly hold?: string;
  readonly exchange?: string;
  readonly receipt?: string;
  readonly file?: string;
  readonly signal?: string;
  readonly code?: string;
  readonly by?: string;
  readonly detail?: string;
  readonly problems?: readonly string[];
  readonly count?: number;
  readonly ms?: number;
  /** An unexpected error: its class, its code and where in our code it was thrown; see {@link errorFacts}. */
  readonly error?: ErrorFacts;
}

/** What may be said of an error nobody foresaw; its message is left out, since it may quote a secret. */
export interface ErrorFacts {
  readonly name: string;
  readonly code?: string;
  readonly thrownAt?: string;
}

/** How much an event matters. */
export type EventLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where lines go: a file descriptor (1 is standard output), as JSON or made up for people, or nowhere. */
export type LogTarget = { readonly fd: number; readonly pretty?: Pretty | undefined } | 'silent';

/** The gateway's log. Nothing here throws or waits. */
export interface Log {
  access(line: AccessLine): void;
  receipt(receipt: Receipt): void;
  /** Start-up, shutdown, policy reloads, lost stores and the like. */
  event(level: EventLevel, message: string, fields?: EventFields): void;
  /** Hands everything written so far to the operating system, synchronously; for signals and the end. */
  flush(): void;
}

const EVENT_FIELDS = [
  'version',
  'agents',
  'operators',
  'policy',
  'development',
  'service',
  'wallet',
  'issuer',
  'hold',
  'exchange',
  'receipt',
  'file',
  'signal',
  'code',
  'by',
  'detail',
  'problems',
  'count',
  'ms',
  'error',
] as const satisfies readonly (keyof EventFields)[];

const SILENT: Log = { access() {}, receipt() {}, event() {}, flush() {} };

const FLUSH_EVERY_MS = 150;
const BUFFER_BYTES = 16 * 1024;
/** A reader that has stopped may cost this much memory; lines beyond it are dropped rather than held. */
const MOST_BUFFERED_BYTES = 16 * 1024 * 1024;

/** Opens the log. Lines are buffered up to 16 KiB or 150 ms, so that no request waits for whoever reads them. */
export function openLog(target: LogTarget, level: EventLevel = 'info'): Log {
  if (target === 'silent') return SILENT;
  const destination = pino.destination({
    fd: target.fd,
    sync: false,
    // Nothing is on its way by itself: `flush` would overtake it, or the process end before it.
    minLength: BUFFER_BYTES / 2,
    maxLength: MOST_BUFFERED_BYTES,
  });
  const lines = joinLines(destination, target.pretty);
  const logger = pino(
    {
      base: null,
      level,
      timestamp: isoTime(),
      formatters: { level: (label) => ({ level: label }) },
    },
    lines,
  );
  return {
    access: (line) => logger.info(accessMembers(line), 'access'),
    receipt: (receipt) => logger.info(receiptMembers(receipt), 'receipt'),
    event: (at, message, fields = {}) => logger[at](eventMembers(fields), message),
    flush: () => lines.flush(),
  };
}

/**
 * Joins lines and hands them on together: the destination measures all that it holds at each write, which for single
 * lines costs more than making them.
 */
function joinLines(
  destination: Pick<ReturnType<typeof pino.destination>, 'write' | 'flush' | 'flushSync'>,
  pretty: Pretty | undefined,
) {
  let waiting = '';
  const handOn = (): void => {
    if (waiting === '') return;
    destination.write(waiting);
    waiting = '';
  };
  const flush = (): void => {
    handOn();
    destination.flushSync();
  };
  setInterval(() => {
    if (waiting === '') return;
    handOn();
    destination.flush();
  }, FLUSH_EVERY_MS).unref();
  process.once('exit', flush);
  return {
    write(line: string): void {
      waiting += pretty === undefined ? line : prettyLine(line, pretty);
      if (waiting.length >= BUFFER_BYTES) handOn();
    },
    flush,
  };
}

/** The member `time` of a line, made once a millisecond. */
function isoTime(): () => string {
  let at = 0;
  let member = '';
  return () => {
    const now = Date.now();
    if (now !== at) {
      at = now;
      member = `,"time":"${new Date(now).toISOString()}"`;
    }
    return member;
  };
}

/** Names an error without quoting it: class, code and the first line of ours on its stack. */
export function errorFacts(error: unknown): ErrorFacts {
  if (!(error instanceof Error)) return { name: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const stack = error.stack ?? '';
  const frames = stack.slice(stack.indexOf(error.message) + error.message.length);
  const thrownAt = /^ +at .*\/(src\/[^\s)]+)/m.exec(frames)?.[1];
  return {
    name: error.name,
    ...(code !== undefined && /^[\w.-]{1,64}$/.test(code) ? { code } : {}),
    ...(thrownAt === undefined ? {} : { thrownAt }),
  };
}

function accessMembers(line: AccessLine): Record<string, unknown> {
  return {
    method: line.method,
    service: line.service,
    status: line.status,
    code: line.code ?? undefined,
    agent: line.agent,
    ms: Math.round(line.ms * 1000) / 1000,
    exchange: line.exchange,
    trace: line.trace ?? undefined,
  };
}

function receiptMembers(receipt: Receipt): Record<string, unknown> {
  return {
    id: receipt.id,
    exchange: receipt.exchange,
    kind: receipt.kind,
    code: receipt.decision?.code ?? receipt.summary?.code,
    agent: receipt.agent?.id,
    owner: receipt.agent?.owner,
    team: receipt.agent?.team,
    service: receipt.service?.id,
    amount: receipt.hold?.amount,
    budget: receipt.hold?.budgets.map((line) => line.id),
    trace: receipt.trace,
    development: receipt.development,
  };
}

function eventMembers(fields: EventFields): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  for (const name of EVENT_FIELDS) {
    if (fields[name] !== undefined) members[name] = fields[name];
  }
  if (fields.error !== undefined) {
    members.error = { name: fields.error.name, code: fields.error.code, thrownAt: fields.error.thrownAt };
  }
  return members;
}
