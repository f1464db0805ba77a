// The whole of config.yaml as one schema, made of the schemas its sections are read by. It is for references that are
// generated: reading goes section by section.
import { z } from 'zod';
import { identity, issuer, service } from './parties.ts';
import type { Sources } from './secrets.ts';
import { accounting, budgets, limits, listen, operators, policies, state } from './sections.ts';
import { asset, network, wallet } from './wallets.ts';
import { witness } from './witnesses.ts';

const NOWHERE: Sources = { folder: '/', env: {}, secrets: 'skip' };

/** Nothing is opened and nothing read by it. */
export function configShape() {
  return z.strictObject({
    listen: listen(NOWHERE),
    state: state(NOWHERE),
    budgets: budgets(NOWHERE),
    accounting,
    identity: identity
      .unwrap()
      .extend({ issuers: z.array(issuer(NOWHERE)).optional() })
      .optional(),
    services: z.array(service(NOWHERE)).optional(),
    witnesses: z.array(witness(NOWHERE)).max(16).optional(),
    networks: z.array(network(NOWHERE)).optional(),
    assets: z.array(asset).optional(),
    wallets: z.array(wallet(NOWHERE)).optional(),
    operators,
    policies: policies(NOWHERE).optional(),
    limits,
  });
}
