// What a wallet moved on its chain, from finalised blocks: every use of its EIP-3009 authorisations of a token, and
// every other transfer of that. With two nodes both must show the same.
import { CLOCK_SKEW_MS } from './evidence.ts';
import { readTransfer, TRANSFER, USED } from './evm-evidence.ts';
import { type Block, type ChainLog, EvmNode, NodeContradicts, topicOf } from './evm-node.ts';
import { type AskNode, NodeUnusable } from './json-rpc.ts';

/** Whose transfers of what; lower case. */
export interface PayerOfToken {
  readonly token: string;
  readonly payer: string;
}

/** One transfer. */
export interface EvmTransfer {
  /** The nonce of the authorisation it was made by; null for any other transfer. */
  readonly nonce: string | null;
  readonly payee: string;
  readonly atoms: bigint;
  readonly transaction: string;
  readonly block: bigint;
  /** The block's time, milliseconds since 1970. */
  readonly at: number;
}

/** All of them, and up to when they are told: what came later is not finalised yet. */
export interface EvmTransfers {
  readonly transfers: readonly EvmTransfer[];
  readonly untilMs: number;
}

/** How many blocks are asked for at once when their times are looked up. */
const AT_ONCE = 8;

/** Reads them from the blocks of `sinceMs` on. Throws {@link NodeUnusable}, also when two nodes do not agree. */
export async function evmTransfers(
  nodes: readonly AskNode[],
  network: string,
  of: PayerOfToken,
  time: { readonly sinceMs: number; readonly nowMs: number; readonly signal: AbortSignal },
): Promise<EvmTransfers> {
  const chainId = BigInt(network.slice('eip155:'.length));
  const told = await Promise.all(nodes.map((ask) => readNode(new EvmNode(ask, chainId), of, time)));
  const [first, ...others] = told;
  if (!first) throw new NodeUnusable('no node is configured');
  const untilMs = Math.min(...told.map((one) => one.untilMs));
  const texts = told.map(({ transfers }) => textOf(transfers.filter(({ at }) => at <= untilMs)));
  if (others.length > 0 && texts.some((text) => text !== texts[0])) {
    throw new NodeContradicts('and the other node do not show the same transfers');
  }
  return { transfers: first.transfers.filter(({ at }) => at <= untilMs), untilMs };
}

async function readNode(
  node: EvmNode,
  { token, payer }: PayerOfToken,
  { sinceMs, nowMs, signal }: { readonly sinceMs: number; readonly nowMs: number; readonly signal: AbortSignal },
): Promise<EvmTransfers> {
  const final = await node.finalised(signal, nowMs);
  const filter = { address: token, topics: [[TRANSFER, USED], topicOf(payer)] };
  const logs: ChainLog[] = [];
  for await (const log of node.everyLogSince(filter, sinceMs - CLOCK_SKEW_MS, final, signal)) {
    const [event, whose] = log.topics;
    const own = log.address === token && whose === topicOf(payer);
    if (!own || (event !== TRANSFER && event !== USED)) {
      throw new NodeContradicts('gives an event that nobody asked for');
    }
    logs.push(log);
  }
  const blocks = await blocksOf(node, logs, signal);
  await node.confirm(final, signal);
  const transfers = Map.groupBy(logs, ({ transaction }) => transaction);
  return { transfers: [...transfers.values()].flatMap((all) => ofTransaction(all, blocks)), untilMs: final.timeMs };
}

/** Each block once: its time, and that it is still the one the events are of. */
async function blocksOf(node: EvmNode, logs: readonly ChainLog[], signal: AbortSignal): Promise<Map<bigint, Block>> {
  const hashes = new Map(logs.map(({ block, blockHash }) => [block, blockHash]));
  const numbers = [...hashes.keys()];
  const blocks = new Map<bigint, Block>();
  for (let from = 0; from < numbers.length; from += AT_ONCE) {
    const some = numbers.slice(from, from + AT_ONCE);
    for (const block of await Promise.all(some.map((number) => node.blockAt(number, signal)))) {
      blocks.set(block.number, block);
    }
  }
  for (const { block, blockHash } of logs) {
    if (blocks.get(block)?.hash !== blockHash) throw new NodeContradicts(`gives an event of another block ${block}`);
  }
  return blocks;
}

/** The transfers of one use stand between its event and the next; a transfer before the first use is of none. */
function ofTransaction(logs: readonly ChainLog[], blocks: ReadonlyMap<bigint, Block>): EvmTransfer[] {
  const found: EvmTransfer[] = [];
  let nonce: string | null = null;
  for (const log of [...logs].sort((a, b) => (a.index < b.index ? -1 : 1))) {
    if (log.topics[0] === USED) nonce = log.topics[2] ?? null;
    else {
      const { block, transaction } = log;
      found.push({ nonce, ...readTransfer(log), transaction, block, at: blocks.get(block)?.timeMs ?? 0 });
    }
  }
  return found;
}

const textOf = (transfers: readonly EvmTransfer[]): string =>
  transfers.map((one) => [one.nonce, one.payee, one.atoms, one.transaction, one.block].join(' ')).join('\n');
