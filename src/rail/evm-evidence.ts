// What became of an EIP-3009 authorisation, read from finalised blocks. `authorizationState` alone shows no payment: it
// is also true after a cancellation, and names no amount. With two nodes both must show the same.
import { alarming, CLOCK_SKEW_MS, type Evidence, type EvidenceSource, type ExposedProof, unknown } from './evidence.ts';
import { type Block, type ChainLog, EvmNode, NodeContradicts, topicOf } from './evm-node.ts';
import { type AskNode, NodeUnusable } from './json-rpc.ts';

/** Where a chain is read. */
export interface EvmEvidenceOptions {
  /** CAIP-2, such as `eip155:8453`. */
  readonly network: string;
  /** One node, or two that must agree. */
  readonly nodes: readonly AskNode[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What the chain shows of one authorisation at a finalised block. */
export interface ChainFacts {
  readonly final: Block;
  /** Used or cancelled, as the token's state has it. */
  readonly spent: boolean;
  /** Its `AuthorizationUsed` and `AuthorizationCanceled` events; looked for only when it is spent. */
  readonly used: readonly Redemption[];
  readonly cancelled: readonly ChainLog[];
}

/** A use of the authorisation, and what its payer paid by it. */
export interface Redemption {
  readonly log: ChainLog;
  readonly transfers: readonly { readonly payee: string; readonly atoms: bigint }[];
}

// Hashes of the events `Transfer(address,address,uint256)` (ERC-20), `AuthorizationUsed(address,bytes32)` and
// `AuthorizationCanceled(address,bytes32)` (EIP-3009).
export const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';
export const USED = '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5';
const CANCELLED = '0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81';

/** The books of one chain. */
export function evmEvidence({ network, nodes, now }: EvmEvidenceOptions): EvidenceSource {
  const chainId = BigInt(network.slice('eip155:'.length));
  const known = nodes.map((ask) => new EvmNode(ask, chainId));
  return {
    rail: 'evm',
    async evidence(proof, signal) {
      const named = readIdentity(network, proof.identity);
      if (!named) return unknown('its name on the rail cannot be read');
      const sightings = await Promise.all(known.map((node) => look(node, { ...proof, ...named }, signal, now())));
      const [first, second] = sightings;
      if (!first) return unknown('no node is configured');
      if (!second) return first.evidence;
      const forked = await compare(known, sightings, signal);
      return forked ?? agree(first.evidence, second.evidence);
    },
  };
}

/** An authorisation, as the rail's wallet names it. */
interface Authorisation extends ExposedProof {
  /** The contract of the token, and whose money it is; lower case. */
  readonly token: string;
  readonly payer: string;
  readonly nonce: string;
}

function readIdentity(network: string, identity: string) {
  const [, token, payer, nonce] =
    /^(0x[0-9a-f]{40}):(0x[0-9a-f]{40}):(0x[0-9a-f]{64})$/.exec(identity.slice(network.length + 1)) ?? [];
  if (!identity.startsWith(`${network}:`) || !token || !payer || !nonce) return undefined;
  return { token, payer, nonce };
}

interface Sighting {
  readonly evidence: Evidence;
  readonly final: Block | null;
}

async function look(node: EvmNode, proof: Authorisation, signal: AbortSignal, nowMs: number): Promise<Sighting> {
  try {
    const facts = await readFacts(node, proof, signal, nowMs);
    // Everything was read by number: had the chain changed meanwhile, it would be of two histories.
    await node.confirm(facts.final, signal);
    return { evidence: judgeChain(proof, facts), final: facts.final };
  } catch (error) {
    if (!(error instanceof NodeUnusable)) throw error;
    const say = error instanceof NodeContradicts ? alarming : unknown;
    return { evidence: say(`the node ${error.message}`), final: null };
  }
}

async function readFacts(node: EvmNode, proof: Authorisation, signal: AbortSignal, nowMs: number): Promise<ChainFacts> {
  const { token, payer, nonce } = proof;
  const final = await node.finalised(signal, nowMs);
  const spent = await node.isSpent(token, payer, nonce, final, signal);
  if (!spent) return { final, spent, used: [], cancelled: [] };
  const topics = [[USED, CANCELLED], topicOf(payer), nonce];
  const sinceMs = proof.heldAt - CLOCK_SKEW_MS;
  const used: Redemption[] = [];
  const cancelled: ChainLog[] = [];
  for (const log of await node.logsSince({ address: token, topics }, sinceMs, final, signal)) {
    const own = log.address === token && log.topics[1] === topicOf(payer) && log.topics[2] === nonce;
    if (!own) throw new NodeContradicts('gives an event that nobody asked for');
    const { hash, timeMs } = await node.blockAt(log.block, signal);
    if (hash !== log.blockHash) throw new NodeContradicts(`gives an event of another block ${log.block}`);
    // A service chooses what the nonce is made of: an event of before this proof is that of another payment.
    if (timeMs < sinceMs) continue;
    if (log.topics[0] === USED) used.push(redemption(log, await node.logsOf(log.transaction, signal)));
    else cancelled.push(log);
  }
  return { final, spent, used, cancelled };
}

/**
 * What the payer paid by this use. One transaction may use several authorisations of one payer: the transfers of one
 * stand between its event and the next.
 */
function redemption(log: ChainLog, all: readonly ChainLog[]): Redemption {
  const { transaction, blockHash } = log;
  const whole = all.every((one) => one.transaction === transaction && one.blockHash === blockHash);
  const ofPayer = all.filter((one) => one.address === log.address && one.topics[1] === log.topics[1]);
  const uses = ofPayer.filter(({ topics: [event] }) => event === USED);
  const next = uses.find(({ index }) => index > log.index);
  if (!whole || !uses.some(({ index, topics }) => index === log.index && topics[2] === log.topics[2])) {
    throw new NodeContradicts('gives a transaction that does not hold its own event');
  }
  const between = ({ index }: ChainLog) => uses.length === 1 || (index > log.index && (!next || index < next.index));
  const transfers = ofPayer.filter((one) => one.topics[0] === TRANSFER && between(one));
  return { log, transfers: transfers.map(readTransfer) };
}

/** Whom a `Transfer` paid, and how much. */
export function readTransfer({ topics, data }: ChainLog): Redemption['transfers'][number] {
  if (topics.length !== 3 || data.length !== 66) throw new NodeUnusable('gives a transfer that cannot be read');
  return { payee: `0x${topics[2]?.slice(26)}`, atoms: BigInt(data) };
}

/** What the chain's facts mean for this proof. */
export function judgeChain(proof: ExposedProof, { final, spent, used, cancelled }: ChainFacts): Evidence {
  const block = { number: final.number, hash: final.hash };
  const at = `finalised block ${final.number} (${final.hash}) of ${new Date(final.timeMs).toISOString()}`;
  if (!spent) {
    const dead = `unused at ${at}`;
    if (final.timeMs >= proof.redeemableUntil) return conclusive('dead', dead, dead, block);
    return unknown(`${dead}; it can be used until ${new Date(proof.redeemableUntil).toISOString()}`, block);
  }
  const [use, ...more] = used;
  const [cancellation] = cancelled;
  if (!use) {
    if (!cancellation) return unknown(`spent at ${at}, but neither its use nor its cancellation is found`, block);
    const seen = `cancelled in block ${cancellation.block}, transaction ${cancellation.transaction}`;
    return conclusive('dead', seen, seen, { number: cancellation.block, hash: cancellation.blockHash });
  }
  const where = { number: use.log.block, hash: use.log.blockHash };
  const seen = `used in block ${use.log.block}, transaction ${use.log.transaction}`;
  if (more.length > 0 || cancellation) return alarming(`${seen}, and used or cancelled once more`, where);
  const [transfer, ...others] = use.transfers;
  if (transfer?.payee === proof.payee && transfer.atoms === proof.atoms && others.length === 0) {
    return conclusive('redeemed', seen, use.log.transaction, where);
  }
  const paid = use.transfers.map(({ payee, atoms }) => `${atoms} atoms to ${payee}`).slice(0, 3);
  const decided = `decided were ${proof.atoms} atoms to ${proof.payee}`;
  return alarming(`${seen}, which moved ${paid.join(' and ') || 'nothing'}; ${decided}`, where);
}

/** Do both nodes tell one history? The one that is further on is asked for the block where the other stands. */
async function compare(
  nodes: readonly EvmNode[],
  sightings: readonly Sighting[],
  signal: AbortSignal,
): Promise<Evidence | undefined> {
  const [a, b] = sightings.map(({ final }) => final);
  const [first, second] = nodes;
  if (!a || !b || !first || !second) return undefined;
  const [lower, further] = a.number < b.number ? [a, second] : [b, first];
  try {
    const { hash } = await further.blockAt(lower.number, signal);
    if (hash !== lower.hash) return alarming(`the two nodes finalised different blocks ${lower.number}`);
    return undefined;
  } catch (error) {
    if (!(error instanceof NodeUnusable)) throw error;
    return unknown(`a node ${error.message}`);
  }
}

/** What two nodes show together. */
export function agree(first: Evidence, second: Evidence): Evidence {
  const one = first.reference === second.reference && first.block?.hash === second.block?.hash;
  if (first.verdict === second.verdict && (first.verdict === 'dead' || (first.verdict === 'redeemed' && one))) {
    return first;
  }
  const seen = `the two nodes do not agree: ${first.seen}; ${second.seen}`;
  const shown = first.verdict !== 'unknown' && second.verdict !== 'unknown';
  return shown || first.alarming || second.alarming ? alarming(seen) : unknown(seen);
}

function conclusive(verdict: 'redeemed' | 'dead', seen: string, reference: string, block: Evidence['block']): Evidence {
  return { verdict, alarming: false, seen, reference, block };
}
