// config.yaml section by section, so that a mistake in one does not hide those of the others.
import { Secret } from '../domain/secret.ts';
import type { Sections } from '../yaml/section.ts';
import { identity, issuer, service } from './parties.ts';
import type { Sources } from './secrets.ts';
import { accounting, budgets, limits, listen, operators, policies, redisAddress, state } from './sections.ts';
import { asset, network, wallet } from './wallets.ts';
import { witness } from './witnesses.ts';

/** Everything that could be read; what has problems is undefined or missing from its list. */
export type Parts = ReturnType<typeof readParts>;

/** Reads each section by its schema; what is wrong is gathered in `sections`. */
export function readParts(sections: Sections, sources: Sources) {
  const store = sections.raw(['budgets', 'store']);
  const storeSources: Sources = store === 'redis' ? sources : { ...sources, secrets: 'skip' };
  const readBudgets = sections.one(budgets(storeSources), ['budgets']);
  return {
    listen: sections.one(listen(sources), ['listen']),
    state: sections.one(state(sources), ['state']),
    budgets: readBudgets,
    redisUrl: readRedisUrl(sections, storeSources, readBudgets?.redis?.url),
    accounting: sections.one(accounting, ['accounting']),
    identity: sections.one(identity, ['identity']),
    issuers: sections.each(issuer(sources), ['identity', 'issuers']),
    services: sections.each(service(sources), ['services']),
    witnesses: sections.each(witness(sources), ['witnesses']),
    networks: sections.each(network(sources), ['networks']),
    assets: sections.each(asset, ['assets']),
    wallets: sections.each(wallet(sources), ['wallets']),
    operators: sections.one(operators, ['operators']),
    policies: sections.one(policies(sources), ['policies']),
    limits: sections.one(limits, ['limits']),
  };
}

function readRedisUrl(
  sections: Sections,
  sources: Sources,
  url: { literal: string } | { reference: unknown } | undefined,
): Secret | undefined {
  if (!url) return undefined;
  return 'literal' in url ? new Secret(url.literal) : sections.one(redisAddress(sources), ['budgets', 'redis', 'url']);
}
