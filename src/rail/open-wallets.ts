// Opens the configured wallets. A rail is loaded only when a wallet needs it (viem alone takes a second and tens of
// megabytes), and no message ever holds a key.
import type { Random } from '../domain/clock.ts';
import type { EvmWalletOptions } from './evm.ts';
import type { Wallet } from './rail.ts';
import type { SandboxWalletOptions } from './sandbox.ts';

/** One wallet to open; the key is already read from its file or variable. */
export type WalletOptions =
  | ({ readonly rail: 'sandbox' } & Omit<SandboxWalletOptions, 'random'>)
  | ({ readonly rail: 'evm' } & EvmWalletOptions);

/** Opens one wallet; throws GatewayFault('rail_unavailable') whose message names it when its key is not usable. */
export async function openWallet(options: WalletOptions, random: Random): Promise<Wallet> {
  switch (options.rail) {
    case 'sandbox': {
      const { openSandboxWallet } = await import('./sandbox.ts');
      return openSandboxWallet({ ...options, random });
    }
    case 'evm': {
      const { openEvmWallet } = await import('./evm.ts');
      return openEvmWallet(options);
    }
  }
}

/** Opens all of them, in order; the first that cannot be opened throws as {@link openWallet} does. */
export async function openWallets(wallets: readonly WalletOptions[], random: Random): Promise<Wallet[]> {
  const open: Wallet[] = [];
  for (const wallet of wallets) open.push(await openWallet(wallet, random));
  return open;
}
