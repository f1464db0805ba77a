// Which policy set is in force. A new one is taken up whole or not at all: it must be valid, and agree with what the
// store has recorded about budgets; whatever becomes of it is sealed.
import { basename } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Budget } from '../budget/budget.ts';
import type { Config } from '../config/config.ts';
import type { ReceiptEntry } from '../domain/receipt.ts';
import { DEVELOPMENT_ISSUER } from '../identity/issuer.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Log } from '../observe/log.ts';
import type { LoadedPolicies, PolicyContext } from '../policy/load.ts';
import type { PolicySet, Registered } from '../policy/set.ts';
import { watchPolicies } from '../policy/watch.ts';
import { type Problem, showProblem } from '../yaml/problem.ts';

/** The policy set in force and how it came about. */
export interface Authority {
  current(): PolicySet;
  lastReloadSuccessful(): boolean;
  /** What was wrong with the last reload, as `file:line:col  path  message`. */
  problems(): readonly string[];
  /** That an older set is in force, where the newer one is wrong and what to do; null when none was rejected. */
  rejected(): string | null;
  /** Have the set's budgets been compared with the store's record? Until then nothing is bought. */
  agreed(): boolean;
  /** Compares again; throws when the store does not answer, answers what differs. */
  agree(): Promise<readonly string[]>;
  /** Seals the set of the start, unless the log's latest policy receipt names it already. */
  sealFirst(): Promise<void>;
  /** Looks at the files now (SIGHUP). */
  reload(): Promise<void>;
  close(): void;
}

/** What an authority works with. */
export interface AuthorityParts {
  readonly budget: Budget;
  readonly ledger: Ledger;
  readonly log: Log;
}

/** A set that was not taken up. */
interface Rejected {
  readonly problems: readonly string[];
  readonly place: string;
}

const VERSION_SHOWN = 12;

/** What a configuration's policies may refer to. */
export function policyContext(config: Config): PolicyContext {
  const issuers = config.identity.issuers.map(({ issuer }) => issuer);
  return {
    services: config.services.map(({ id }) => id),
    assets: config.assets,
    currency: config.accounting.currency,
    timeZone: config.accounting.timeZone,
    issuers: config.identity.development ? [...issuers, DEVELOPMENT_ISSUER] : issuers,
  };
}

/** Takes up `first` and watches the folder for others. */
export function createAuthority(config: Config, parts: AuthorityParts, first: PolicySet): Authority {
  const { currency, timeZone } = config.accounting;
  let current = first;
  let agreed = false;
  let rejected: Rejected | null = null;

  async function agreeOn(set: PolicySet): Promise<readonly string[]> {
    return parts.budget.agree({ currency, timeZone, budgets: [...set.budgets.values()] });
  }

  async function take(loaded: LoadedPolicies): Promise<void> {
    const wrong = loaded.set ? await differences(loaded.set) : loaded.problems.map(showProblem);
    if (!loaded.set || wrong.length > 0) return reject(wrong, placeOf(loaded.problems));
    const before = current;
    if (loaded.set.version === before.version && !rejected) return;
    current = loaded.set;
    rejected = null;
    parts.log.event('info', 'policy set taken up', { policy: current.version });
    await sealAll(parts.ledger, [policyEntry('applied', current.version), ...agentEntries(before, current)]);
  }

  /** A store that does not answer cannot say; the set counts (it may take authority away) but nothing is bought. */
  async function differences(set: PolicySet): Promise<readonly string[]> {
    try {
      const wrong = await agreeOn(set);
      agreed ||= wrong.length === 0;
      return wrong;
    } catch {
      agreed = false;
      return [];
    }
  }

  async function reject(wrong: readonly string[], place: string): Promise<void> {
    rejected = { problems: wrong, place };
    parts.log.event('error', 'policy set rejected; the last good one stays in force', { problems: wrong });
    await sealAll(parts.ledger, [policyEntry('rejected', current.version, wrong[0] ?? 'the set cannot be read')]);
  }

  let turn = Promise.resolve();
  const inTurn = (loaded: LoadedPolicies): void => {
    turn = turn.then(() => take(loaded));
  };
  const watcher = watchPolicies(config.policies, policyContext(config), inTurn);
  return {
    current: () => current,
    lastReloadSuccessful: () => rejected === null,
    problems: () => rejected?.problems ?? [],
    rejected: () => rejected && rejectedText(current, rejected),
    agreed: () => agreed,
    agree: async () => {
      const compared = current;
      const wrong = await agreeOn(compared);
      // Another set may have been taken up meanwhile: about that one nothing was said.
      if (current === compared) agreed = wrong.length === 0;
      return wrong;
    },
    sealFirst: () => sealFirst(parts, first),
    reload: async () => {
      await watcher.reload();
      await turn;
    },
    close: () => watcher.close(),
  };
}

async function sealAll(ledger: Ledger, entries: readonly ReceiptEntry[]): Promise<void> {
  for (const entry of entries) await ledger.seal(entry).catch(() => undefined);
}

/** Without the folder: the probes' port tells it to anybody. */
function placeOf(problems: readonly Problem[]): string {
  const wrong = problems.find(({ severity }) => severity === 'error');
  return wrong ? ` at ${basename(wrong.file)}:${wrong.line}:${wrong.col}` : '';
}

function rejectedText({ version }: PolicySet, { place }: Rejected): string {
  const inForce = `an older set (${version.slice(0, VERSION_SHOWN)}) is in force`;
  return `${inForce}: the one in the folder was rejected${place}; "purser check --gateway URL" says why`;
}

/** The receipt of a policy set that was taken up, or was not. */
export function policyEntry(outcome: 'applied' | 'rejected', version: string, because?: string): ReceiptEntry {
  const what = outcome === 'applied' ? 'policy set taken up' : 'policy set rejected, the last good one stays in force';
  return { kind: 'policy', change: { what, outcome, version, ...(because === undefined ? {} : { because }) } };
}

async function sealFirst({ ledger, log }: AuthorityParts, first: PolicySet): Promise<void> {
  const [latest] = await ledger.list({ kind: 'policy', limit: 1 });
  const change = latest?.receipt.change;
  if (change?.outcome === 'applied' && change.version === first.version) return;
  await ledger.seal(policyEntry('applied', first.version));
  log.event('info', 'policy set taken up', { policy: first.version });
}

/** One receipt for each agent whose place in the register changed. */
function agentEntries(before: PolicySet, after: PolicySet): ReceiptEntry[] {
  const [old, now] = [registerOf(before), registerOf(after)];
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((id) => {
    const what = changeOf(old.get(id), now.get(id));
    if (what === undefined) return [];
    const because = now.get(id)?.suspended ?? null;
    const change = { what: `agent ${id} ${what}`, outcome: 'applied' as const, version: after.version };
    return [{ kind: 'agent', change: { ...change, ...(because === null ? {} : { because }) } }];
  });
}

const registerOf = (set: PolicySet): Map<string, Registered> =>
  new Map(set.agents.map((entry) => [entry.agent.id, entry]));

function changeOf(old: Registered | undefined, now: Registered | undefined): string | undefined {
  if (!old) return 'registered';
  if (!now) return 'removed';
  if (isDeepStrictEqual(old, now)) return undefined;
  return now.suspended !== null && old.suspended === null ? 'suspended' : 'changed';
}
