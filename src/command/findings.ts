// What `purser explain ID` finds out beside the receipts themselves: which rule of the folder decided, what would allow
// it, and whether the log's bytes hold. It only reads.
import type { Config } from '../config/config.ts';
import { microsOfDecimal, readDecimal } from '../domain/money.ts';
import type { Receipt } from '../domain/receipt.ts';
import { amend } from '../explain/amend.ts';
import { ruleOf } from '../explain/forecast.ts';
import { type Asked, judge, type World } from '../explain/judge.ts';
import { type Findings, type Story, storyOf } from '../explain/story.ts';
import { at } from '../explain/written.ts';
import { policyContext } from '../gateway/authority.ts';
import { worldOf } from '../gateway/explaining.ts';
import { exportLines } from '../ledger/export.ts';
import { logEnd, ownKeys } from '../ledger/own-log.ts';
import type { LedgerReader } from '../ledger/reader.ts';
import { verifyLog } from '../ledger/verify.ts';
import { loadPolicies } from '../policy/load.ts';
import { showProblem } from '../yaml/problem.ts';

/** An exchange of the log, and the story of it. */
export interface FoundExchange {
  readonly receipts: readonly Receipt[];
  readonly story: Story;
}

/** Everything under an id: of a receipt, an exchange or a hold. `missing` says what the id is not. */
export function findExchange(reader: LedgerReader, id: string): FoundExchange | { readonly missing: string } {
  const named = reader.find(id)?.receipt;
  const ofExchange = (exchange: string): Receipt[] =>
    Array.from(reader.iterate({ exchange, ascending: true }), ({ receipt }) => receipt);
  if (named) {
    const receipts = named.exchange === undefined ? [named] : ofExchange(named.exchange);
    return { receipts, story: storyOf(receipts, named) };
  }
  // A hold's id is that of its exchange and the number of the attempt.
  const direct = ofExchange(id);
  const receipts = direct.length > 0 ? direct : ofExchange(id.replace(/\.[0-9]+$/, ''));
  const [first] = receipts;
  if (first) return { receipts, story: storyOf(receipts, first) };
  const [log] = id.split('.');
  const elsewhere =
    id.includes('.') && log !== reader.log ? ` It is of the log ${log}, which another gateway keeps.` : '';
  const missing = `No receipt, exchange or hold ${id} in log ${reader.log}.${elsewhere}`;
  return { missing: `${missing} See "purser receipts list".` };
}

/** Looks at the policies and at the log's bytes. */
export async function findingsOf(
  config: Config,
  reader: LedgerReader,
  { receipts, story }: FoundExchange,
  hold: Findings['hold'],
): Promise<Findings> {
  const log = await verifyLinks(config, reader, receipts);
  const { set, problems } = loadPolicies(config.policies, policyContext(config));
  const unjudged = { today: null, amendments: [], afterwards: null, beyond: null };
  if (!set) {
    const wrong = problems.find(({ severity }) => severity === 'error');
    const problem = wrong ? showProblem(wrong) : null;
    return { policy: { inFolder: null, problem, same: false, rule: null }, ...unjudged, hold, log };
  }
  const same = set.version === story.policy;
  const world = worldOf({ config, set, wallets: null, nowMs: Date.now() });
  const asked = story.end === 'refused' ? askedOf(config, story) : undefined;
  const judged = asked && judge(world, asked);
  const rule = same ? (ofEntitlement(world, story) ?? (asked && judged ? ruleOf(world, asked, judged) : null)) : null;
  const policy = { inFolder: set.version, problem: null, same, rule };
  // A code that no rule decides (a budget, a demand that cannot be read) is not judged again by rules.
  if (!asked || !judged || !BY_RULES.has(story.code ?? '')) return { policy, ...unjudged, hold, log };
  const today = same
    ? null
    : ({ outcome: judged.refusal ? 'refused' : 'allowed', code: judged.refusal?.code ?? null } as const);
  return { policy, today, ...amend(world, asked, judged), hold, log };
}

const BY_RULES = new Set([
  ...['payee_forbidden', 'asset_unknown', 'no_entitlement', 'over_ceiling', 'denied'],
  ...['agent_unknown', 'agent_suspended', 'agent_expired'],
]);

function ofEntitlement({ set }: World, { entitlement, code }: Story): Findings['policy']['rule'] {
  const spot = entitlement === null || code === 'denied' ? undefined : set.spots.entitlements.get(entitlement);
  return spot ? { kind: 'entitlement', id: entitlement, at: at(spot) } : null;
}

/** The request of a receipt as it was put to the policies; undefined when it never was. */
function askedOf(config: Config, { agent, service, request, offer }: Story): Asked | undefined {
  const known = config.services.find(({ id }) => id === service?.id);
  if (agent?.id === undefined || !request || !known) return undefined;
  const amount = offer ? readDecimal(offer.value) : undefined;
  const micros = amount && microsOfDecimal(amount);
  const demand =
    offer && micros !== undefined ? { micros, asset: offer.asset, network: offer.network, payee: offer.payee } : null;
  const path = `${known.basePath}${request.path}`;
  return { agent: agent.id, service: known.id, method: request.method, path, task: agent.task ?? null, demand };
}

/** Each receipt with the one before and after it: hash, signature and links, from the bytes as they are stored. */
async function verifyLinks(
  config: Config,
  reader: LedgerReader,
  receipts: readonly Receipt[],
): Promise<Findings['log']> {
  const seqs = receipts.map(({ seq }) => seq);
  const head = reader.head().seq;
  const about = { name: reader.log, head, seqs };
  try {
    const { dir } = config.state;
    for (const seq of seqs) {
      const range = { first: Math.max(1, seq - 1), last: Math.min(head, seq + 1) };
      const end = logEnd(reader, dir, Date.now(), range.last);
      const verdict = await verifyLog(exportLines(reader.stored(range), end), { keys: ownKeys(reader, dir) });
      if (!verdict.ok) return { ...about, intact: false, fault: `at seq ${verdict.seq}: ${verdict.fault}` };
    }
    return { ...about, intact: true, fault: null };
  } catch (error) {
    return { ...about, intact: false, fault: error instanceof Error ? error.message : 'the log cannot be read' };
  }
}
