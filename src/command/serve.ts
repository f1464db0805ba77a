// `purser serve`: runs the gateway until SIGTERM or SIGINT, then lets it finish what is under way. Standard output
// belongs to the log; what is said to a person goes to standard error.
import { isatty } from 'node:tty';
import type { Config } from '../config/config.ts';
import type { Gateway } from '../gateway.ts';
import { openLog } from '../observe/log.ts';
import type { Io } from './io.ts';
import { readConfig } from './read-config.ts';
import { VERSION } from './version.ts';

/** What `serve` is told. */
export interface ServeOptions {
  readonly config: string;
  readonly acceptCopy?: string;
}

/** Resolves with the exit code once the gateway has ended: 0 after a signal, 1 when it has no state or lost it. */
export async function serve(options: ServeOptions, io: Io): Promise<number> {
  const config = readConfig(options.config, io, 'read');
  if (!config) return 1;
  const { openGateway } = await import('../gateway.ts');
  const { openTracer } = await import('../gateway/tracing.ts');
  const log = openLog({ fd: STANDARD_OUTPUT, pretty: prettyFor(io.env) });
  const signalled = firstSignal();
  const tracer = await openTracer(io.env, VERSION, log);
  let gateway: Gateway | undefined;
  let code = 0;
  // Before there is a gateway there is nothing to reload, but the signal must not end the process.
  const reload = () => void gateway?.reload();
  process.on('SIGHUP', reload);
  try {
    gateway = await openGateway(config, log, { tracer, acceptCopy: options.acceptCopy ?? null });
    const urls = await gateway.listen();
    log.event('info', 'listening', { ...urls, development: config.identity.development });
    io.err(welcome(config, options.config, urls));
    await Promise.race([
      signalled.then((signal) => log.event('info', 'draining', { signal })),
      gateway.lost.then((reason) => {
        code = 1;
        log.event('error', 'the state is lost; stopping', { problems: [reason] });
      }),
    ]);
  } finally {
    await gateway?.close();
    await tracer?.close();
    process.off('SIGHUP', reload);
    if (gateway) log.event('info', 'stopped');
    log.flush();
  }
  return code;
}

const STANDARD_OUTPUT = 1;

/** A terminal gets lines for people, everything else JSON. */
export function prettyFor(env: Io['env']): 'plain' | 'coloured' | undefined {
  if (!isatty(STANDARD_OUTPUT)) return undefined;
  return env.NO_COLOR || env.TERM === 'dumb' ? 'plain' : 'coloured';
}

/** The first of either signal; a second one ends the process as it would have without us. */
function firstSignal(): Promise<NodeJS.Signals> {
  const signals = ['SIGTERM', 'SIGINT'] as const;
  return new Promise((resolve) => {
    const heard = (signal: NodeJS.Signals) => {
      for (const name of signals) process.off(name, heard);
      resolve(signal);
    };
    for (const name of signals) process.on(name, heard);
  });
}

function welcome(config: Config, file: string, urls: { agents: string; operators: string }): string {
  const first = config.services[0]?.id ?? 'SERVICE';
  const token = config.identity.development
    ? `purser token --config ${file} --agent AGENT   (development identity: for trying out only)`
    : 'one of your identity provider, for an agent of the register';
  return [
    `purser: agents call ${urls.agents}/<service>/…, operators ${urls.operators}`,
    `  a token:   ${token}`,
    `  a call:    curl -H "Purser-Token: $TOKEN" ${urls.agents}/${first}/`,
    `  budgets:   purser budgets --config ${file}`,
    `  receipts:  purser receipts list --config ${file}`,
    '',
  ].join('\n');
}
