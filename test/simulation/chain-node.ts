// Nodes of the simulated chain, as a gateway asks them by JSON-RPC: they lag, are silent, fail, and of two one may lie.
import type { AskNode } from '../../src/rail/json-rpc.ts';
import { type ChainBlock, FINAL_DEPTH, hashOf, type SimulatedChain, type Transaction } from './chain.ts';
import type { Chance } from './random.ts';
import type { Life, Timeline } from './timeline.ts';

export const CHAIN_ID = 31_337;
export const TOKEN = `0x${'70'.repeat(20)}`;

/** What a lying node says. */
export const LIES = {
  ...{ nothing: 4, unused: 3, unseen: 2, otherAmount: 2, otherPayee: 2, cancelled: 2, otherBlocks: 2 },
  ...{ fromTheFuture: 3, notFinal: 3, otherChain: 1, garbage: 1 },
};
export type Lie = keyof typeof LIES;

/** What a node is to the gateways. */
export interface NodeOptions {
  readonly name: string;
  readonly chain: SimulatedChain;
  readonly timeline: Timeline;
  readonly lie: Lie;
  /** From 0 to 1: how often it does not answer well. */
  readonly storm: () => number;
  readonly seed: (name: string) => Chance;
  readonly told: (what: string) => void;
}

// AuthorizationUsed(address,bytes32), AuthorizationCanceled(address,bytes32), Transfer(address,address,uint256).
const USED = '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5';
const CANCELLED = '0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81';
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';
/** A node is as far behind for so long. */
const LAG_MS = 4_000;
const MOST_LAG = 5;
/** Less than a gateway takes for a fault of clocks. */
const FUTURE_S = 50;

type Params = readonly unknown[];
type Log = Readonly<Record<string, unknown>> & { readonly topics: readonly string[] };

/** How a gateway's process asks one of the nodes. */
export function askNode(options: NodeOptions, life: Life): AskNode {
  const { timeline, chain, name, storm, seed, told } = options;
  const answers = new NodeAnswers(options);
  let asked = 0;
  return (body, signal) => {
    asked += 1;
    const chance = seed(`${life.name} ${name} ${asked}`);
    const bad = !chain.honest && chance.happens(storm() / 3);
    const how = bad ? chance.pick(['hangs', 'breaks', 'busy', 'slow'] as const) : 'well';
    if (bad) told(`node ${how}`);
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('asked no more')), { once: true });
      if (how === 'hangs') return;
      const answer = (): void => {
        if (how === 'breaks') reject(new Error('the connection broke'));
        else resolve(how === 'busy' ? { status: 429, body: Buffer.from('{}') } : answers.to(body));
      };
      timeline.after(how === 'slow' ? chance.between(1_000, 12_000) : chance.between(1, 40), answer, life);
    });
  };
}

class NodeAnswers {
  readonly #options: NodeOptions;

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  to(body: string): { status: number; body: Uint8Array } {
    const { method, params, id } = JSON.parse(body) as { method: string; params: Params; id: number };
    if (this.#lies('garbage')) return { status: 200, body: Buffer.from('<html>') };
    const result = this.#result(method, params);
    return { status: 200, body: Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result })) };
  }

  #lies(lie: Lie): boolean {
    return this.#options.lie === lie && !this.#options.chain.honest;
  }

  #result(method: string, params: Params): unknown {
    switch (method) {
      case 'eth_chainId':
        return hex(this.#lies('otherChain') ? 1 : CHAIN_ID);
      case 'eth_getBlockByNumber':
        return this.#block(params[0] === 'finalized' ? this.#final() : Number(params[0]));
      case 'eth_call':
        return word(this.#isSpent(params[0] as { data: string }, Number(params[1])) ? 1n : 0n);
      case 'eth_getLogs':
        return this.#logs(params[0] as Filter);
      case 'eth_getTransactionReceipt':
        return this.#receipt(String(params[0]));
      default:
        throw new Error(`no gateway asks for ${method}`);
    }
  }

  /** The newest final block, as this node knows it. */
  #final(): number {
    const { chain, timeline, name, seed } = this.#options;
    const head = chain.blocks.length - 1;
    if (this.#lies('notFinal')) return head;
    const chance = seed(`lag ${name} ${Math.floor(timeline.now / LAG_MS)}`);
    return head - FINAL_DEPTH - (chain.honest ? 0 : chance.between(0, MOST_LAG));
  }

  #block(number: number): unknown {
    const block = this.#options.chain.blocks[number];
    if (!block) return null;
    const time = block.time + (this.#lies('fromTheFuture') ? FUTURE_S : 0);
    return { number: hex(number), hash: this.#hash(block), timestamp: hex(time) };
  }

  #hash({ hash }: ChainBlock): string {
    return this.#lies('otherBlocks') ? hashOf(hash) : hash;
  }

  #isSpent({ data }: { data: string }, at: number): boolean {
    if (this.#lies('unused')) return false;
    const [payer, nonce] = [`0x${data.slice(34, 74)}`, `0x${data.slice(74)}`];
    const all = this.#options.chain.blocks.slice(0, at + 1).flatMap(({ transactions }) => transactions);
    return this.#lies('unseen') || all.some((one) => one.payer === payer && one.nonce === nonce);
  }

  #logs({ address, topics, fromBlock, toBlock }: Filter): readonly Log[] {
    if (address !== TOKEN || this.#lies('unseen')) return [];
    const wanted = (log: Log) => topics.every((topic, i) => [topic].flat().includes(log.topics[i] ?? ''));
    const { blocks } = this.#options.chain;
    const numbers = Array.from(blocks.keys()).filter((n) => n >= Number(fromBlock) && n <= Number(toBlock));
    return numbers.flatMap((number) => this.#logsIn(number)).filter(wanted);
  }

  #logsIn(number: number): Log[] {
    const block = this.#options.chain.blocks[number];
    if (!block) return [];
    return block.transactions.flatMap((transaction, i) => {
      const where = { blockNumber: hex(number), blockHash: this.#hash(block), transactionHash: transaction.hash };
      return this.#events(transaction).map((event, k) => ({
        ...{ ...event, ...where, address: TOKEN, logIndex: hex(2 * i + k), removed: false },
      }));
    });
  }

  #events({ does, payer, payee, nonce, atoms }: Transaction): { topics: string[]; data: string }[] {
    const cancelled = does === 'cancelled' || this.#lies('cancelled');
    const first = { topics: [cancelled ? CANCELLED : USED, topic(payer), nonce], data: '0x' };
    if (cancelled) return [first];
    const to = this.#lies('otherPayee') ? `0x${'66'.repeat(20)}` : payee;
    const data = word(this.#lies('otherAmount') ? atoms + 1n : atoms);
    return [first, { topics: [TRANSFER, topic(payer), topic(to)], data }];
  }

  #receipt(hash: string): unknown {
    const { blocks } = this.#options.chain;
    const number = blocks.findIndex(({ transactions }) => transactions.some((one) => one.hash === hash));
    if (number < 0) return null;
    const logs = this.#logsIn(number).filter(({ transactionHash }) => transactionHash === hash);
    return { transactionHash: hash, status: '0x1', logs };
  }
}

interface Filter {
  readonly address: string;
  readonly topics: readonly (string | readonly string[])[];
  readonly fromBlock: string;
  readonly toBlock: string;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

const word = (value: bigint): string => `0x${value.toString(16).padStart(64, '0')}`;

const topic = (address: string): string => `0x${address.slice(2).padStart(64, '0')}`;
