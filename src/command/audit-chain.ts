// The chains' side of an audit: what the wallets that receipts or the configuration name moved of the tokens that they
// pay with, asked of the nodes in `networks`. A node that cannot be used ends the audit: half a chain would show as
// differences.
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

/** Reads them from `sinceMs` on. Throws {@link ChainUnread}. */
export async function readChains(
  config: Pick<Config, 'networks' | 'assets' | 'wallets'>,
  purchases: readonly Purchase[],
  sinceMs: number,
  nowMs: number,
): Promise<Chains> {
  const wallets = new Map<string, Wallet>();
  for (const wallet of [...namedIn(purchases), ...(await configured(config))]) wallets.set(wallet.name, wallet);
  const nodes = openNodes(config.networks);
  try {
    const books: Book[] = [];
    const unasked = new Set<string>();
    for (const wallet of wallets.values()) {
      const asks = nodes.of.get(wallet.network);
      if (asks) books.push(await bookOf(wallet, asks, config.assets, { sinceMs, nowMs }));
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
}

const walletOf = (network: string, token: string, payer: string): Wallet => ({
  ...{ name: `${network}:${token}:${payer}`, network, token, payer },
});

/** Also those that were configured once. */
function namedIn(purchases: readonly Purchase[]): Wallet[] {
  return purchases.flatMap(({ identity }) => {
    const [, network, token, payer] = EVM_IDENTITY.exec(identity) ?? [];
    return network === undefined || token === undefined || payer === undefined ? [] : [walletOf(network, token, payer)];
  });
}

/** Also those that nothing was bought with: whoever has the key may have paid past the gateway. */
async function configured({ wallets, assets }: Pick<Config, 'assets' | 'wallets'>): Promise<Wallet[]> {
  const evm = wallets.filter((wallet) => wallet.rail === 'evm');
  if (evm.length === 0) return [];
  const { evmPayer } = await import('../rail/evm.ts');
  return evm.flatMap(({ id, key, networks }) =>
    assets
      .filter(({ network }) => networks.includes(network))
      .map(({ network, token }) => walletOf(network, token.toLowerCase(), evmPayer(id, key.reveal()))),
  );
}

async function bookOf(
  wallet: Wallet,
  asks: readonly AskNode[],
  assets: Config['assets'],
  period: { readonly sinceMs: number; readonly nowMs: number },
): Promise<Book> {
  const { name, network, token } = wallet;
  const time = { ...period, signal: AbortSignal.timeout(WITHIN_MS) };
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
