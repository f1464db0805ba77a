// `purser check`: every problem of configuration and policies at once, before anything is started.

import type { Outline } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { DEVELOPMENT_ISSUER } from '../identity/development-issuer.ts';
import { loadPolicies, type PolicyContext } from '../policy/load.ts';
import type { PolicySet } from '../policy/set.ts';
import { hasErrors, type Problem, showProblem } from '../yaml/problem.ts';
import type { Io } from './io.ts';

/** The flags of the command. */
export interface CheckOptions {
  readonly config: string;
  readonly json: boolean;
  readonly withoutSecrets: boolean;
}

/** Prints the problems; 1 when any is an error, else 0. */
export async function check(options: CheckOptions, io: Io): Promise<number> {
  const secrets = options.withoutSecrets ? 'skip' : 'read';
  const { outline, problems } = loadConfig(options.config, { env: io.env, secrets });
  const policies = outline?.policies.length ? loadPolicies(outline.policies, contextOf(outline)) : undefined;
  const all = [...problems, ...(policies?.problems ?? [])];
  const ok = !hasErrors(all);
  io.out(options.json ? asJson(ok, all, policies?.set) : asText(options, all, policies?.set));
  return ok ? 0 : 1;
}

function contextOf(outline: Outline): PolicyContext {
  const { services, assets, currency, timeZone, issuers, development } = outline;
  return {
    services,
    assets,
    currency,
    timeZone,
    issuers: development ? [...issuers, DEVELOPMENT_ISSUER] : issuers,
  };
}

const NOT_COMPARED =
  'Not compared with the budget store: whether each budget has the window and per it recorded; serve does.';

function asJson(ok: boolean, problems: readonly Problem[], set: PolicySet | undefined): string {
  return `${JSON.stringify({ ok, policy: set?.version ?? null, problems, notCompared: ['budget store'] }, null, 2)}\n`;
}

function asText(options: CheckOptions, problems: readonly Problem[], set: PolicySet | undefined): string {
  const lines = problems.map(showProblem);
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const warnings = problems.length - errors;
  const found = `${count(errors, 'error')}, ${count(warnings, 'warning')}`;
  if (errors > 0 || !set) return `${[...lines, `${options.config}: ${found}`].join('\n')}\n`;
  const size = [
    count(set.agents.length, 'agent'),
    count(set.entitlements.length, 'entitlement'),
    count(set.budgets.size, 'budget'),
  ].join(', ');
  const unread = options.withoutSecrets ? ' No secret was opened.' : '';
  const summary = `${options.config} is valid (${found}): ${size}; policy ${set.version}.${unread}`;
  return `${[...lines, summary, NOT_COMPARED].join('\n')}\n`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
