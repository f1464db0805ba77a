// Builds the identifier from the configuration: the configured issuers, and the development issuer where it is allowed.
import type { Config, Issuer } from '../config/config.ts';
import type { Clock } from '../domain/clock.ts';
import { openDevelopmentIssuer } from '../identity/development-issuer.ts';
import { createIdentifier, type Identifier } from '../identity/identify.ts';
import type { IssuerOptions, KeySource } from '../identity/issuer.ts';
import type { Log } from '../observe/log.ts';
import { fetchDocument } from '../upstream/door.ts';

/** Opens no connection; the development key is made when it is missing. */
export async function openIdentifier(config: Config, clock: Clock, log: Log): Promise<Identifier> {
  const issuers = config.identity.issuers.map(issuerOptions);
  if (config.identity.development) issuers.push((await openDevelopmentIssuer(config.state.dir)).options);
  const report = (issuer: string, problem: string) => log.event('warn', 'key set', { issuer, problems: [problem] });
  return createIdentifier({ issuers, clock, report });
}

function issuerOptions(issuer: Issuer): IssuerOptions {
  const { allowPrivateNetwork, ca, keys, ...rest } = issuer;
  return { ...rest, keys: keySource(keys, { allowPrivateNetwork, ca }) };
}

/** Key sets are fetched through the same door as everything else that leaves. */
function keySource(keys: Issuer['keys'], route: { allowPrivateNetwork: boolean; ca: string | null }): KeySource {
  if ('file' in keys) return { kind: 'file', path: keys.file };
  return { kind: 'url', url: keys.url, fetch: (url, limits) => fetchDocument(url, route, limits) };
}
