// One node of an EVM chain and what it says of finalised blocks. It remembers the newest of them, so that a node that
// falls back or changes its history is found out; whatever is doubtful is a fault, never a value.
import { CLOCK_SKEW_MS } from './evidence.ts';
import { type AskNode, callNode, NodeUnusable, readBytes, readList, readObject, readQuantity } from './json-rpc.ts';

/** A block as evidence needs it. */
export interface Block {
  readonly number: bigint;
  readonly hash: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

/** An event of a contract in a block. */
export interface ChainLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  readonly index: bigint;
  readonly block: bigint;
  readonly blockHash: string;
  readonly transaction: string;
}

/** Events of one contract; each topic may be one of several. */
interface LogFilter {
  readonly address: string;
  readonly topics: readonly (string | readonly string[])[];
}

/** The node contradicts itself, the other node or time: somebody has to look. */
export class NodeContradicts extends NodeUnusable {}

/** A finalised block that is older than this is no finality any more, or the node has stopped following. */
const MOST_BEHIND_MS = 3_600_000;
/** The most blocks that one `eth_getLogs` asks for, and the most such questions of one look-up. */
const LOG_BLOCKS = 1_000n;
const LOG_QUESTIONS = 100;
const MOST_LOGS = 10_000;
/** The block of a time is searched for until it is known to so many blocks. */
const CLOSE_BLOCKS = 256n;

/** A node; every method throws {@link NodeUnusable}. */
export class EvmNode {
  readonly #ask: AskNode;
  readonly #chainId: bigint;
  #newest: Block | null = null;

  constructor(ask: AskNode, chainId: bigint) {
    this.#ask = ask;
    this.#chainId = chainId;
  }

  /** The newest finalised block, after everything that can be held against it. */
  async finalised(signal: AbortSignal, nowMs: number): Promise<Block> {
    const before = this.#newest;
    const chain = readQuantity(await callNode(this.#ask, signal, 'eth_chainId', []));
    if (chain !== this.#chainId) throw new NodeContradicts(`is a node of chain ${chain}, not ${this.#chainId}`);
    const final = await this.#block('finalized', signal);
    if (final.timeMs > nowMs + CLOCK_SKEW_MS) throw new NodeContradicts('finalised a block of the future');
    if (final.timeMs < nowMs - MOST_BEHIND_MS) {
      throw new NodeUnusable(`is behind: its finalised block is of ${new Date(final.timeMs).toISOString()}`);
    }
    if (!before) return final;
    if (final.number < before.number) {
      throw new NodeUnusable(`is behind: it had finalised block ${before.number}, now ${final.number}`);
    }
    await this.confirm(before, signal);
    return final;
  }

  /** Is this block still the one of its number? Remembers it as finalised. */
  async confirm(block: Block, signal: AbortSignal): Promise<void> {
    const { hash } = await this.blockAt(block.number, signal);
    if (hash !== block.hash) throw new NodeContradicts(`has another block ${block.number} than the one it finalised`);
    if (!this.#newest || this.#newest.number < block.number) this.#newest = block;
  }

  blockAt(number: bigint, signal: AbortSignal): Promise<Block> {
    return this.#block(hexOf(number), signal);
  }

  /** `authorizationState` of EIP-3009 at a block. */
  async isSpent(token: string, payer: string, nonce: string, at: Block, signal: AbortSignal): Promise<boolean> {
    const data = `${AUTHORIZATION_STATE}${topicOf(payer).slice(2)}${nonce.slice(2)}`;
    const answer = await callNode(this.#ask, signal, 'eth_call', [{ to: token, data }, hexOf(at.number)]);
    const word = BigInt(readBytes(answer, 32));
    if (word > 1n) throw new NodeUnusable('answers authorizationState with neither yes nor no');
    return word === 1n;
  }

  /**
   * The events of a contract with these topics, from the blocks of `sinceMs` to `final`, oldest first; as many as can
   * be read with {@link LOG_QUESTIONS}.
   */
  async logsSince(filter: LogFilter, sinceMs: number, final: Block, signal: AbortSignal): Promise<ChainLog[]> {
    const logs: ChainLog[] = [];
    let from = await this.#blockBefore(sinceMs, final, signal);
    for (let asked = 0; from <= final.number && asked < LOG_QUESTIONS; asked += 1) {
      const to = lastOf(from, final);
      logs.push(...(await this.#logsIn(filter, from, to, signal)));
      from = to + 1n;
    }
    return logs;
  }

  /** As {@link logsSince}, but all of them, however many blocks have to be asked for. */
  async *everyLogSince(
    filter: LogFilter,
    sinceMs: number,
    final: Block,
    signal: AbortSignal,
  ): AsyncGenerator<ChainLog> {
    for (let from = await this.#blockBefore(sinceMs, final, signal); from <= final.number; ) {
      const to = lastOf(from, final);
      yield* await this.#logsIn(filter, from, to, signal);
      from = to + 1n;
    }
  }

  async #logsIn(filter: LogFilter, from: bigint, to: bigint, signal: AbortSignal): Promise<ChainLog[]> {
    const range = { fromBlock: hexOf(from), toBlock: hexOf(to) };
    const found = readList(await callNode(this.#ask, signal, 'eth_getLogs', [{ ...filter, ...range }]), MOST_LOGS);
    const logs = found.map(readLog);
    if (logs.every(({ block }) => block >= from && block <= to)) return logs;
    throw new NodeContradicts('gives an event of a block nobody asked for');
  }

  /** All events of a transaction that succeeded, in order. */
  async logsOf(transaction: string, signal: AbortSignal): Promise<ChainLog[]> {
    const receipt = readObject(await callNode(this.#ask, signal, 'eth_getTransactionReceipt', [transaction]));
    if (readBytes(receipt.transactionHash, 32) !== transaction) throw new NodeContradicts('gives another transaction');
    if (readQuantity(receipt.status) !== 1n) throw new NodeContradicts('gives an event of a transaction that failed');
    return readList(receipt.logs, MOST_LOGS)
      .map(readLog)
      .sort((a, b) => (a.index < b.index ? -1 : 1));
  }

  /** A block that is older than a time, as near to it as need be; 0 where the chain is younger. */
  async #blockBefore(timeMs: number, final: Block, signal: AbortSignal): Promise<bigint> {
    let [older, newer] = [final.number, final.number];
    for (let step = CLOSE_BLOCKS; older > 0n; step *= 2n) {
      older = older > step ? older - step : 0n;
      if ((await this.#blockWithin(older, final, signal)).timeMs < timeMs) break;
      newer = older;
    }
    while (newer - older > CLOSE_BLOCKS) {
      const middle = (older + newer) / 2n;
      if ((await this.#blockWithin(middle, final, signal)).timeMs < timeMs) older = middle;
      else newer = middle;
    }
    return older;
  }

  async #blockWithin(number: bigint, final: Block, signal: AbortSignal): Promise<Block> {
    const block = await this.blockAt(number, signal);
    if (block.timeMs > final.timeMs) throw new NodeContradicts(`has a block ${number} that is younger than its head`);
    return block;
  }

  async #block(name: string, signal: AbortSignal): Promise<Block> {
    const found = await callNode(this.#ask, signal, 'eth_getBlockByNumber', [name, false]);
    if (found === null) throw new NodeUnusable(`has no block ${name}`);
    const block = readObject(found);
    const number = readQuantity(block.number);
    if (name.startsWith('0x') && name !== hexOf(number)) throw new NodeContradicts('gives another block');
    const seconds = readQuantity(block.timestamp);
    if (seconds > MOST_SECONDS) throw new NodeUnusable('gives a time that cannot be read');
    return { number, hash: readBytes(block.hash, 32), timeMs: Number(seconds) * 1_000 };
  }
}

/** The end of the year 9999. */
const MOST_SECONDS = 253_402_300_799n;

/** The first four bytes of the hash of `authorizationState(address,bytes32)`. */
const AUTHORIZATION_STATE = '0xe94a0102';

/** An address as a topic or argument: 32 bytes. */
export function topicOf(address: string): string {
  return `0x${address.slice(2).padStart(64, '0')}`;
}

/** The last block of the question that begins with `from`. */
function lastOf(from: bigint, final: Block): bigint {
  const last = from + LOG_BLOCKS - 1n;
  return last < final.number ? last : final.number;
}

const hexOf = (number: bigint): string => `0x${number.toString(16)}`;

function readLog(value: Parameters<typeof readObject>[0]): ChainLog {
  const log = readObject(value);
  if (log.removed === true) throw new NodeUnusable('gives an event of a block that was dropped');
  const { data } = log;
  if (typeof data !== 'string' || !/^0x[0-9a-fA-F]*$/.test(data)) throw new NodeUnusable('gives an unreadable event');
  return {
    address: readBytes(log.address, 20),
    topics: readList(log.topics, 4).map((topic) => readBytes(topic, 32)),
    data: data.toLowerCase(),
    index: readQuantity(log.logIndex),
    block: readQuantity(log.blockNumber),
    blockHash: readBytes(log.blockHash, 32),
    transaction: readBytes(log.transactionHash, 32),
  };
}
