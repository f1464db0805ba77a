// The chains' side of an audit: what the wallets that receipts name moved of the tokens they paid with, asked of the
// nodes in `networks`. A node that cannot be used ends the audit: half a chain would show as differences.
import type { AuditPeriod } from '../audit/against-rails.ts';
import type { Purchase } from '../audit/purchases.ts';
import type { Book, Transfer } from '../audit/transfer.ts';
import type { Config } from '../config/config.ts';
import { openNodes } from '../gateway/evidence.ts';
import { type EvmTransfer, evmTransfers } from '../rail/evm-transfers.ts';
import { type AskNode, NodeUnusable } from '../rail/json-rpc.ts';

/** A chain could not be read; the message is for people. */
export class ChainUnread extends Error {}

/** A book for each wallet and token, and the networks that were not asked because no node of them is configured. */
export interface Chains {
  readonly books: readonly Book[];
  readonly unasked: readonly string[];
}

const WITHIN_MS = 600_000;
/** `network:token:payer:nonce`, as the evm rail names a payment. */
const EVM_IDENTITY = /^(eip155:[0-9]+):(0x[0-9a-f]{40}):(0x[0-9a-f]{40}):0x[0-9a-f]{64}$/;

/** Reads them. Throws {@link ChainUnread}. */
export async function readChains(
  config: Pick<Config, 'networks' | 'assets'>,
  purchases: readonly Purchase[],
  period: AuditPeriod,
  nowMs: number,
): Promise<Chains> {
  const wallets = new Map<string, Wallet>();
  for (const { identity, at } of purchases) {
    const [, network, token, payer] = EVM_IDENTITY.exec(identity) ?? [];
    if (network === undefined || token === undefined || payer === undefined) continue;
    const name = `${network}:${token}:${payer}`;
    const since = Math.min(at, wallets.get(name)?.since ?? at);
    wallets.set(name, { name, network, token, payer, since: period.sinceMs ?? since });
  }
  const nodes = openNodes(config.networks);
  try {
    const books: Book[] = [];
    const unasked = new Set<string>();
    for (const wallet of wallets.values()) {
      const asks = nodes.of.get(wallet.network);
      if (asks) books.push(await bookOf(wallet, asks, config.assets, nowMs));
      else unasked.add(wallet.network);
    }
    return { books, unasked: [...unasked] };
  } finally {
    await nodes.close();
  }
}

interface Wallet {
  /** What the names of its payments begin with. */
  readonly name: string;
  readonly network: string;
  readonly token: string;
  readonly payer: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

async function bookOf(
  wallet: Wallet,
  asks: readonly AskNode[],
  assets: Config['assets'],
  nowMs: number,
): Promise<Book> {
  const { name, network, token, since } = wallet;
  const time = { sinceMs: since, nowMs, signal: AbortSignal.timeout(WITHIN_MS) };
  const read = await evmTransfers(asks, network, wallet, time).catch((error: unknown) => {
    if (error instanceof NodeUnusable) throw new ChainUnread(`a node of ${network} ${error.message}; nothing is said`);
    throw error;
  });
  const asset = assets.find((known) => known.network === network && known.token === token)?.id ?? token;
  const transfers = read.transfers.map((transfer) => transferOf(name, asset, transfer));
  const covers = ({ identity }: Purchase): boolean => identity.startsWith(`${name}:`);
  return { name: `${network} ${wallet.payer}`, transfers, covers, untilMs: read.untilMs };
}

function transferOf(name: string, asset: string, transfer: EvmTransfer): Transfer {
  const { nonce, payee, atoms, at, block, transaction } = transfer;
  const payment = nonce === null ? transaction : `${name}:${nonce}`;
  return { payment, atoms, asset, payee, at, where: `block ${block}, transaction ${transaction}` };
}
