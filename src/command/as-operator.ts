// What every operator's command has in common: the configuration says where the gateway is and which token is shown;
// what fails is one line on standard error and exit code 1.
import type { Config } from '../config/config.ts';
import type { Io } from './io.ts';
import { type GatewayPlace, type OperatorClient, OrderFailed, openOperatorClient } from './operator-client.ts';
import { readConfig } from './read-config.ts';
import { visible } from './table.ts';
import { readTokenFile } from './token-file.ts';

/** What every operator's command takes. */
export interface OrderOptions {
  /** The configuration file. */
  readonly config: string;
  readonly json: boolean;
  /** The gateway to ask instead of the configuration's. */
  readonly gateway?: string;
  /** Where the operator token lies. */
  readonly tokenFile?: string;
}

/** Runs a command's work with the running gateway, or on the state when none runs; resolves with the exit code. */
export async function asOperator(
  options: OrderOptions,
  io: Io,
  work: (operator: OperatorClient) => Promise<number>,
): Promise<number> {
  let operator: OperatorClient | undefined;
  try {
    const place = options.gateway === undefined ? ownPlace(options, io) : elsewhere(options.gateway, options, io);
    if (!place) return 1;
    operator = await openOperatorClient(place, () => openState(options, io));
    return await work(operator);
  } catch (error) {
    const lines = (error instanceof Error ? error.message : 'an unexpected error').split('\n');
    io.err(`purser: ${lines.map(visible).join('\n')}\n`);
    return 1;
  } finally {
    await operator?.close();
  }
}

function ownPlace(options: OrderOptions, io: Io): GatewayPlace | undefined {
  const config = readConfig(options.config, io, 'skip');
  return config && placeOf(config, options, io);
}

/** Another gateway. The token of this state folder is never shown to it. */
export function elsewhere(url: string, options: Pick<OrderOptions, 'tokenFile'>, io: Io): GatewayPlace {
  return { url, token: tokenOf(options, io) };
}

function tokenOf({ tokenFile }: Pick<OrderOptions, 'tokenFile'>, io: Io): string | undefined {
  return tokenFile === undefined ? io.env.PURSER_OPERATOR_TOKEN : readTokenFile(tokenFile);
}

/** Is that where the gateway of this configuration listens for operators? */
function isOwn(url: string, { listen }: Config): boolean {
  const { host, port } = listen.operators;
  const own = new URL(`${listen.tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`);
  return new URL(url).origin === own.origin;
}

/**
 * Where to ask. Only with TLS is the configuration read a second time, with its secrets: the certificate is among them.
 */
export function placeOf(config: Config, options: OrderOptions, io: Io): GatewayPlace | undefined {
  if (options.gateway !== undefined && !isOwn(options.gateway, config)) {
    return elsewhere(options.gateway, options, io);
  }
  const full = config.listen.tls ? readConfig(options.config, io, 'read') : config;
  return (
    full && {
      ...full.listen.operators,
      stateDir: full.state.dir,
      cert: full.listen.tls?.cert ?? null,
      token: tokenOf(options, io),
    }
  );
}

async function openState(options: OrderOptions, io: Io) {
  const config = readConfig(options.config, io, 'read');
  if (!config) throw new OrderFailed('No gateway runs, and the configuration cannot be used to open its state.');
  const { openOffline } = await import('../gateway.ts');
  return openOffline(config);
}
