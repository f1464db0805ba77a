// `purser token --check`: what this gateway makes of an identity token, step by step, with the place that decides each.
// It must never print the token, and asks nobody but its issuer's key set.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import type { Identity } from '../domain/agent.ts';
import { isRefusal } from '../domain/refusal.ts';
import { at } from '../explain/written.ts';
import { policyContext } from '../gateway/authority.ts';
import { openIdentifier } from '../gateway/identity.ts';
import type { ExaminedStep } from '../identity/examine.ts';
import { openLog } from '../observe/log.ts';
import { standing } from '../policy/decide.ts';
import { loadPolicies } from '../policy/load.ts';
import type { PolicySet } from '../policy/set.ts';
import type { Io } from './io.ts';
import { readConfig } from './read-config.ts';
import { table, visible } from './table.ts';

/** One line of the check. */
type Line = Omit<ExaminedStep, 'step'> & { readonly check: string };

/** What the command line said; `file` is `-` for standard input. */
export interface CheckTokenOptions {
  readonly config: string;
  readonly file: string;
  readonly json: boolean;
}

const MOST_BYTES = 64 * 1024;
const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

/** Prints every check: 0 when the token would be accepted now, 1 when not, 2 when there is no token to look at. */
export async function checkToken(options: CheckTokenOptions, io: Io): Promise<number> {
  const token = readToken(options.file);
  if ('wrong' in token) {
    io.err(`purser: ${visible(token.wrong)}\n`);
    return 2;
  }
  const config = readConfig(options.config, io, 'skip');
  if (!config) return 1;
  const identifier = await openIdentifier(config, CLOCK, openLog('silent'));
  const { verdict, steps } = await identifier.examine(token.text);
  const { set } = loadPolicies(config.policies, policyContext(config));
  const nowMs = CLOCK.now();
  const identified = isRefusal(verdict) ? undefined : verdict;
  const lines = [
    ...steps.map(({ step, ...rest }): Line => ({ check: step, ...rest })),
    ...registerLines(config, set, identified, nowMs),
  ];
  const lost = identified && set ? standing(set, identified, nowMs) : undefined;
  const code = isRefusal(verdict) ? verdict.code : set ? (lost?.code ?? null) : 'policies unreadable';
  if (options.json) io.out(`${visible(JSON.stringify({ accepted: code === null, code, checks: lines }))}\n`);
  else printLines(lines, code, io);
  return code === null ? 0 : 1;
}

function printLines(lines: readonly Line[], code: string | null, io: Io): void {
  const cells = lines.map((line) => [line.outcome, line.check, line.path ?? '', line.detail].map(visible));
  io.out(table(cells, ['outcome', 'check', 'decided by', 'what was found']));
  io.out(code === null ? '\nThe token would be accepted now.\n' : `\nThe token would be refused now: ${code}.\n`);
}

/** What the register and its revocations make of a genuine token, by the policies in the folder now. */
function registerLines(
  config: Config,
  set: PolicySet | undefined,
  identity: Identity | undefined,
  nowMs: number,
): readonly Line[] {
  const not = (detail: string): Line[] =>
    ['agent', 'revocation', 'standing'].map((check) => ({ check, outcome: 'not judged', detail, path: null }));
  if (!identity) return not('a step before it failed');
  if (!set) return not(`the policies in ${config.policies} cannot be used; see "purser check"`);
  const entry = set.findAgent(identity.issuer, identity.subject);
  const place = entry ? at(set.spots.agents.get(entry.agent.id)) : `${config.policies} (agents)`;
  const lost = standing(set, identity, nowMs);
  const byItself = identity.jti !== null && set.revokedTokens.has(identity.jti);
  const revocation = byItself
    ? set.spots.revokedTokens.get(identity.jti ?? '')
    : set.spots.revokedAgents.get(entry?.agent.id ?? '');
  const line = (check: string, failed: string | undefined, good: string, path: string | null): Line => ({
    check,
    outcome: failed === undefined ? 'passed' : 'failed',
    detail: failed ?? good,
    path,
  });
  const judged = (codes: readonly string[]) => (lost && codes.includes(lost.code) ? lost.detail : undefined);
  const unknown = `no agent has the issuer and subject of this token; add one under \`agents\``;
  const revoked = judged(['token_revoked']);
  return [
    line('agent', entry ? undefined : unknown, entry ? `${entry.agent.id}, owner ${entry.agent.owner}` : '', place),
    line('revocation', revoked, 'not revoked', revoked === undefined ? null : at(revocation)),
    entry
      ? line('standing', judged(['agent_suspended', 'agent_expired']), 'not suspended, review date not passed', place)
      : { check: 'standing', outcome: 'not judged', detail: 'there is no agent', path: null },
  ];
}

function readToken(file: string): { readonly text: string } | { readonly wrong: string } {
  const name = file === '-' ? 'standard input' : file || '""';
  const bytes = Buffer.alloc(MOST_BYTES + 1);
  let length = 0;
  try {
    const descriptor = file === '-' ? 0 : openSync(file, 'r');
    try {
      if (fstatSync(descriptor).isDirectory())
        return { wrong: `${name} is a folder; name the file that holds the token` };
      for (let read = -1; read !== 0 && length < bytes.length; length += read) {
        read = readSync(descriptor, bytes, length, bytes.length - length, null);
      }
    } finally {
      if (descriptor !== 0) closeSync(descriptor);
    }
  } catch {
    return { wrong: `${name} cannot be read; name a file that is there, or - for standard input` };
  }
  if (length > MOST_BYTES)
    return { wrong: `${name} holds more than ${MOST_BYTES} bytes; name the file that holds the token alone` };
  const text = bytes.toString('utf8', 0, length).trim();
  return text === '' ? { wrong: `${name} is empty; it must hold one token` } : { text };
}
