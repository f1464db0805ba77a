// Opens the configured wallets; in development a sandbox wallet whose key file is missing gets a new one.
import { existsSync, readFileSync } from 'node:fs';
import type { Config, WalletConfig } from '../config/config.ts';
import type { Random } from '../domain/clock.ts';
import { openWallets, type WalletOptions } from '../rail/open-wallets.ts';
import type { Wallet } from '../rail/rail.ts';
import { generateSandboxKey } from '../rail/sandbox.ts';

/**
 * Opens all of them, in the order of the configuration. Throws when a key cannot be used; the message names the wallet.
 */
export async function openConfiguredWallets(config: Config, random: Random): Promise<Wallet[]> {
  return openWallets(config.wallets.map(walletOptions), random);
}

function walletOptions(wallet: WalletConfig): WalletOptions {
  const { id, proofLifetimeMs } = wallet;
  if (wallet.rail === 'evm') {
    return { rail: 'evm', id, proofLifetimeMs, networks: wallet.networks, key: wallet.key.reveal() };
  }
  return { rail: 'sandbox', id, proofLifetimeMs, pem: wallet.key?.reveal() ?? madeKey(wallet.keyFile) };
}

function madeKey(file: string | null): string {
  if (file === null) throw new Error('a sandbox wallet without a key has a place for one');
  if (!existsSync(file)) generateSandboxKey(file);
  return readFileSync(file, 'utf8');
}
