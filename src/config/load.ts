// config.yaml as a frozen Config, or every problem of it at once. It reads files and nothing else: no network, no keys
// made, and no secret in any message.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Secret } from '../domain/secret.ts';
import { MAX_FILE_BYTES, readYaml, type YamlFile } from '../yaml/document.ts';
import { hasErrors, type Problem, sortProblems } from '../yaml/problem.ts';
import { Sections } from '../yaml/section.ts';
import { anybodyCanWrite } from '../yaml/writable.ts';
import type { BudgetsConfig, Config, Outline } from './config.ts';
import { judgeConfig } from './judge.ts';
import { type Parts, readParts } from './parts.ts';
import type { Sources } from './secrets.ts';
import { SECTIONS } from './sections.ts';

/** How a configuration is read. */
export interface LoadOptions {
  readonly env: NodeJS.ProcessEnv;
  /** `skip` judges references to secrets by their form and opens none; revealing one then throws. */
  readonly secrets: 'read' | 'skip';
}

/** `config` is undefined when any problem is an error; `outline` when not even the YAML could be read. */
export interface LoadedConfig {
  readonly config: Config | undefined;
  readonly outline: Outline | undefined;
  readonly problems: readonly Problem[];
}

/** Reads the configuration. Never throws for what the file holds. */
export function loadConfig(path: string, options: LoadOptions): LoadedConfig {
  const file = resolve(path);
  const yaml = readFile(file, path);
  if (yaml.problems.length > 0) return { config: undefined, outline: undefined, problems: yaml.problems };
  const sections = new Sections(yaml, SECTIONS);
  const sources: Sources = { folder: dirname(file), ...options };
  const parts = readParts(sections, sources);
  judgeConfig(sections, parts, options.secrets === 'read');
  const problems = sortProblems(sections.problems);
  return {
    config: hasErrors(problems) ? undefined : compose(file, parts),
    outline: outlineOf(sections, parts),
    problems,
  };
}

function readFile(file: string, name: string): YamlFile {
  const shown = name || '""';
  const refused = (message: string): YamlFile => {
    const problem: Problem = { file: shown, line: 1, col: 1, path: '', message, severity: 'error' };
    return { file: shown, value: undefined, problems: [problem], problem: () => problem };
  };
  if (anybodyCanWrite(file)) return refused(`can be changed by anybody; run: chmod go-w ${file}`);
  try {
    return readYaml(shown, readFileSync(file).subarray(0, MAX_FILE_BYTES + 1));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown';
    if (code === 'ENOENT')
      return refused('does not exist; start from config.example.yaml, or name another with --config');
    return refused(`cannot be read (${code}); it must be a file that purser's user may read`);
  }
}

/** Only called without errors: then no part is missing. */
function compose(file: string, parts: Parts): Config | undefined {
  const { listen, state, budgets, accounting, identity, operators, policies, limits } = parts;
  if (!listen || !state || !budgets || !accounting || !identity || !operators || !policies || !limits) return undefined;
  const stores = budgetsOf(budgets, parts.redisUrl);
  if (!stores) return undefined;
  const services = parts.services.map(({ value }) => ({
    ...value,
    upstreamHeadersMs: value.upstreamHeadersMs ?? limits.upstreamHeadersMs,
    paymentSettleMs: value.paymentSettleMs ?? limits.paymentSettleMs,
  }));
  return freeze({
    file,
    listen,
    state,
    budgets: stores,
    accounting,
    identity: { development: identity.development, issuers: parts.issuers.map(({ value }) => value) },
    services,
    witnesses: parts.witnesses.map(({ value }) => value),
    networks: parts.networks.map(({ value }) => value),
    assets: parts.assets.map(({ value }) => value),
    wallets: parts.wallets.map(({ value }) => value),
    operators,
    policies,
    limits,
  });
}

function budgetsOf(budgets: NonNullable<Parts['budgets']>, url: Secret | undefined): BudgetsConfig | undefined {
  if (budgets.store === 'embedded') return { store: 'embedded' };
  if (!budgets.redis) return undefined;
  const { namespace, key, replicas, missingAfter, tls, sentinels: nodes, master, cluster } = budgets.redis;
  return {
    ...{ store: 'redis', url: url ?? null, namespace, key, replicas, missingAfterMs: missingAfter },
    ...{ tls: tls !== undefined, ca: tls?.ca ?? null, cluster: cluster ?? null },
    sentinels: nodes && master !== undefined ? { nodes, master } : null,
  };
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
}

function outlineOf(sections: Sections, parts: Parts): Outline {
  const texts = (list: readonly string[], key: string) =>
    sections.items(list).flatMap((item) => (typeof item[key] === 'string' ? [item[key]] : []));
  const read = new Map(parts.assets.map(({ value }) => [value.id, value]));
  return {
    policies: parts.policies ?? [],
    currency: parts.accounting?.currency ?? 'USD',
    timeZone: parts.accounting?.timeZone ?? 'UTC',
    development: sections.raw(['identity', 'development']) === true,
    issuers: texts(['identity', 'issuers'], 'issuer'),
    services: texts(['services'], 'id'),
    assets: texts(['assets'], 'id').map((id) => {
      const asset = read.get(id);
      return { id, network: asset?.network ?? 'unknown', token: asset?.token ?? '' };
    }),
  };
}
