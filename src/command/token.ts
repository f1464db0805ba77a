// `purser token`: makes a token of the development issuer, or an operator's token. It must never print an operator's
// token a second time: only its hash is configured.
import { createHash, randomBytes } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { policyContext } from '../gateway/authority.ts';
import { isName } from '../identity/claims.ts';
import {
  DEVELOPMENT_MAX_TTL_SECONDS,
  type DevelopmentIssuer,
  openDevelopmentIssuer,
} from '../identity/development-issuer.ts';
import { DEVELOPMENT_ISSUER } from '../identity/issuer.ts';
import { loadPolicies } from '../policy/load.ts';
import { escapeControls, showProblem } from '../yaml/problem.ts';
import { readDuration } from '../yaml/units.ts';
import type { Io } from './io.ts';

/** What the command line said; exactly one of `agent`, `operator` and `check`. */
export interface TokenOptions {
  readonly configPath: string;
  /** The token's subject. */
  readonly agent?: string;
  readonly task?: string;
  /** A duration such as `15m`, which is the default; at most `1h`. */
  readonly ttl?: string;
  /** The name of an operator. */
  readonly operator?: string;
  /** The file of a token to look at; `-` is standard input. */
  readonly check?: string;
  readonly json?: boolean;
}

const DEFAULT_TTL = '15m';
const OPERATOR_TOKEN_BYTES = 32;
const MAX_OPERATOR_NAME_LENGTH = 100;
const NAME_RULE = '1 to 256 characters without control characters';

/** Prints a token on standard output. Exit code: 0, 1 when this gateway has no such token to give, 2 for bad usage. */
export async function token(options: TokenOptions, io: Io): Promise<number> {
  const usage = misuse(options);
  if (usage !== undefined) return say(io, usage, 2);
  if (options.check !== undefined) {
    const { checkToken } = await import('./check-token.ts');
    return checkToken({ config: options.configPath, file: options.check, json: options.json === true }, io);
  }
  if (options.operator !== undefined) return operatorToken(options.operator, io);
  return agentToken(options.agent ?? '', options, io);
}

function misuse(options: TokenOptions): string | undefined {
  const { agent, task, ttl, operator, check } = options;
  if (check !== undefined) {
    const alone = [agent, operator, task, ttl].every((other) => other === undefined);
    return alone ? undefined : '--check stands alone, without --agent, --operator, --task and --ttl.';
  }
  if ((agent === undefined) === (operator === undefined)) {
    return 'Name one of --agent ID, --operator NAME and --check FILE.';
  }
  if (operator !== undefined) {
    if (task !== undefined || ttl !== undefined) return '--task and --ttl belong to --agent, not to --operator.';
    return isName(operator) && operator.length <= MAX_OPERATOR_NAME_LENGTH
      ? undefined
      : `--operator takes 1 to ${MAX_OPERATOR_NAME_LENGTH} characters without control characters.`;
  }
  if (!isName(agent)) return `--agent takes ${NAME_RULE}.`;
  if (task !== undefined && !isName(task)) return `--task takes ${NAME_RULE}.`;
  if (readTtlSeconds(ttl) === undefined) return '--ttl takes a time in whole seconds from 1s to 1h, such as 15m.';
  return undefined;
}

function readTtlSeconds(ttl = DEFAULT_TTL): number | undefined {
  const seconds = (readDuration(ttl) ?? 0) / 1_000;
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= DEVELOPMENT_MAX_TTL_SECONDS ? seconds : undefined;
}

function operatorToken(name: string, io: Io): number {
  const secret = randomBytes(OPERATOR_TOKEN_BYTES).toString('base64url');
  const sha256 = createHash('sha256').update(secret).digest('hex');
  io.err('The token, shown this once, and the line for operators.tokens in the configuration:\n');
  // JSON strings are YAML strings, whatever the name looks like.
  io.out(`${secret}\n- { name: ${JSON.stringify(name)}, sha256: "${sha256}" }\n`);
  return 0;
}

async function agentToken(agent: string, options: TokenOptions, io: Io): Promise<number> {
  const config = readConfig(options.configPath, io);
  if (!config) return 1;
  if (!config.identity.development) {
    const file = options.configPath;
    return say(
      io,
      `${file} has no development issuer. Ask your own issuer for a token, or set identity.development: true.`,
      1,
    );
  }
  const issuer = await openIssuer(config.state.dir, io);
  if (!issuer) return 1;
  warnUnregistered(config, agent, io);
  const { task } = options;
  const ttlSeconds = readTtlSeconds(options.ttl) ?? 0;
  const nowMs = Date.now();
  io.out(`${await issuer.issue({ agent, ttlSeconds, nowMs, ...(task !== undefined && { task }) })}\n`);
  return 0;
}

/** A token may be made before its agent is registered; until then a gateway refuses it. */
function warnUnregistered(config: Config, agent: string, io: Io): void {
  const { set } = loadPolicies(config.policies, policyContext(config));
  if (!set || set.findAgent(DEVELOPMENT_ISSUER, agent)) return;
  const wrong = `no agent of ${config.policies.join(', ')} has the subject ${agent}, so this token buys nothing yet`;
  say(io, `Warning: ${wrong}; register it under \`agents\` in a policy file, or check the name.`, 0);
}

function readConfig(path: string, io: Io): Config | undefined {
  const { config, problems } = loadConfig(path, { env: io.env, secrets: 'skip' });
  if (!config) for (const problem of problems) io.err(`${showProblem(problem)}\n`);
  return config;
}

async function openIssuer(stateDir: string, io: Io): Promise<DevelopmentIssuer | undefined> {
  try {
    return await openDevelopmentIssuer(stateDir);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unknown';
    say(io, `The development issuer's key in ${stateDir} cannot be used: ${why}`, 1);
    return undefined;
  }
}

function say(io: Io, text: string, code: number): number {
  io.err(`${escapeControls(text)}\n`);
  return code;
}
