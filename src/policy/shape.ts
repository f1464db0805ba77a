// A whole policy file as one schema, made of the schemas its entries are read by; for references that are generated.
import { z } from 'zod';
import { agent, budget, deny, entitlement, guardrails, revocation } from './schema.ts';

/** Every section of a policy file, each of which may be left out. */
export const policiesShape = z.strictObject({
  agents: z.array(agent).optional(),
  revoked: z.array(revocation).optional(),
  budgets: z.array(budget).optional(),
  entitlements: z.array(entitlement).optional(),
  guardrails: guardrails
    .unwrap()
    .extend({ deny: z.array(deny).optional() })
    .optional(),
});
