// `purser check`: every problem of configuration and policies at once, before anything is started.

import type { Config, Outline } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { DEVELOPMENT_ISSUER } from '../identity/issuer.ts';
import { loadPolicies, type PolicyContext } from '../policy/load.ts';
import type { PolicySet } from '../policy/set.ts';
import { hasErrors, type Problem, showProblem } from '../yaml/problem.ts';
import { githubAnnotations, gitlabReport } from './annotations.ts';
import { elsewhere, placeOf } from './as-operator.ts';
import type { Io } from './io.ts';
import { visible } from './table.ts';

/** The flags of the command. */
export interface CheckOptions {
  readonly config: string;
  /** The same as the format `json`. */
  readonly json: boolean;
  /** Default: text; in a job of GitHub Actions, github. */
  readonly format?: 'text' | 'json' | 'github' | 'gitlab';
  readonly withoutSecrets: boolean;
  /** A running gateway, whose budgets and counters the policies are compared with. */
  readonly gateway?: string;
  /** Where the operator token for it lies. */
  readonly tokenFile?: string;
}

/** What was found. */
interface Findings {
  readonly ok: boolean;
  readonly problems: readonly Problem[];
  readonly set: PolicySet | undefined;
}

/** Prints the problems; 1 when any is an error, else 0. */
export async function check(options: CheckOptions, io: Io): Promise<number> {
  const secrets = options.withoutSecrets ? 'skip' : 'read';
  const { config, outline, problems } = loadConfig(options.config, { env: io.env, secrets });
  const policies = outline?.policies.length ? loadPolicies(outline.policies, contextOf(outline)) : undefined;
  const live = policies?.set && options.gateway !== undefined ? await compared(policies.set, config, options, io) : [];
  if (!live) return 1;
  const all = [...problems, ...(policies?.problems ?? []), ...live];
  const findings = { ok: !hasErrors(all), problems: all, set: policies?.set };
  io.out(shown(findings, options, io));
  return findings.ok ? 0 : 1;
}

/** Undefined when the gateway did not answer as it should; that is printed then. */
async function compared(
  set: PolicySet,
  config: Config | undefined,
  options: CheckOptions,
  io: Io,
): Promise<Problem[] | undefined> {
  const { compareLive, liveBudgets } = await import('./check-live.ts');
  try {
    const own = config && !options.withoutSecrets;
    const place = own ? placeOf(config, options, io) : elsewhere(options.gateway ?? '', options, io);
    return place && compareLive(set, await liveBudgets(place));
  } catch (error) {
    const lines = (error instanceof Error ? error.message : 'an unexpected error').split('\n');
    io.err(`purser: ${lines.map(visible).join('\n')}\n`);
    return undefined;
  }
}

function shown(findings: Findings, options: CheckOptions, io: Io): string {
  const { problems } = findings;
  const usual = io.env.GITHUB_ACTIONS === 'true' ? 'github' : 'text';
  const format = options.json ? 'json' : (options.format ?? usual);
  if (format === 'json') return asJson(findings, options);
  if (format === 'gitlab') return gitlabReport(problems, io.env.CI_PROJECT_DIR || '.');
  const lines = problems.map((problem) => `${showProblem(problem)}\n`).join('');
  const marked = format === 'github' ? githubAnnotations(problems, io.env.GITHUB_WORKSPACE || '.') : lines;
  return marked + summary(options, findings);
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
  'Not compared with the budget store, which keeps the window and per of each budget: serve does that.';

function asJson({ ok, problems, set }: Findings, { gateway }: CheckOptions): string {
  const notCompared = gateway === undefined ? ['budget store'] : [];
  return `${JSON.stringify({ ok, policy: set?.version ?? null, problems, notCompared }, null, 2)}\n`;
}

function summary(options: CheckOptions, { problems, set }: Findings): string {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const found = `${count(errors, 'error')}, ${count(problems.length - errors, 'warning')}`;
  if (errors > 0 || !set) return `${options.config}: ${found}\n`;
  const size = [
    count(set.agents.length, 'agent'),
    count(set.entitlements.length, 'entitlement'),
    count(set.budgets.size, 'budget'),
  ].join(', ');
  const scope = options.gateway === undefined ? NOT_COMPARED : `Compared with the budgets of ${options.gateway}.`;
  const unread = options.withoutSecrets ? ' No secret was opened.' : '';
  return `${options.config} is valid (${found}): ${size}; policy ${set.version}.${unread}\n${scope}\n`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
