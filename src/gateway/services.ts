// Opens the guarded pools to the configured services.

import type { Service } from '../exchange/parts.ts';
import { openAgent, openPool } from '../upstream/door.ts';

/** A service as it is configured. */
export interface ServiceOptions {
  readonly id: string;
  readonly provider: string | null;
  readonly origin: string;
  readonly basePath: string;
  readonly allowPrivateNetwork: boolean;
  readonly ca: string | null;
  readonly upstreamHeadersMs: number;
  readonly paymentSettleMs: number;
}

/** Room for an answer's other headers beside the largest challenge. */
const OTHER_HEADERS_BYTES = 32 * 1024;

/** Opens a pool for each; no connection is made yet. */
export function openServices(services: readonly ServiceOptions[], challengeBytes: number): Map<string, Service> {
  return new Map(services.map((service) => [service.id, openService(service, challengeBytes)]));
}

function openService(options: ServiceOptions, challengeBytes: number): Service {
  const { id, provider, origin, basePath, upstreamHeadersMs, paymentSettleMs } = options;
  const route = { origin, allowPrivateNetwork: options.allowPrivateNetwork, ca: options.ca };
  const pool = openPool(route, challengeBytes + OTHER_HEADERS_BYTES);
  const calls = { pool, agent: openAgent(route), upstreamHeadersMs, paymentSettleMs };
  return { id, provider, origin, host: new URL(origin).host, basePath, ...calls };
}
