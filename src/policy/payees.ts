// Payees as people write them, made canonical: addresses of EVM chains in lower case after their checksum was looked
// at, accounts of the sandbox as they stand.
import { readEvmAddress, ZERO_ADDRESS } from '../domain/evm-address.ts';
import type { Payees } from './set.ts';

interface KnownAsset {
  readonly id: string;
  readonly network: string;
}

/** The canonical payees, and what is wrong with those that have no reading, by their place in the list. */
export interface ReadPayees {
  readonly payees: Payees;
  readonly wrong: readonly { readonly index: number; readonly message: string }[];
}

/** Reads the payees of a rule for `assets` (null: for all there are); an address must be one where chains are meant. */
export function readPayees(
  written: 'any' | readonly string[],
  assets: readonly string[] | null,
  known: readonly KnownAsset[],
): ReadPayees {
  if (written === 'any') return { payees: 'any', wrong: [] };
  const meant = known.filter((asset) => assets === null || assets.includes(asset.id));
  const onChain = meant.some((asset) => asset.network.startsWith('eip155:'));
  const onSandbox = meant.some((asset) => asset.network === 'sandbox');
  const evm = new Set<string>();
  const sandbox = new Set<string>();
  const wrong: { index: number; message: string }[] = [];
  written.forEach((text, index) => {
    const read = readPayee(text, onChain, onSandbox);
    if ('wrong' in read) wrong.push({ index, message: read.wrong });
    else (read.on === 'evm' ? evm : sandbox).add(read.payee);
  });
  return { payees: { evm, sandbox }, wrong };
}

type Read = { readonly on: 'evm' | 'sandbox'; readonly payee: string } | { readonly wrong: string };

function readPayee(text: string, onChain: boolean, onSandbox: boolean): Read {
  if (onChain && (/^0x/i.test(text) || !onSandbox)) {
    const address = readEvmAddress(text);
    if (address === ZERO_ADDRESS) return { wrong: 'is the zero address, which is nobody’s; write that of the payee' };
    if (address !== undefined) return { on: 'evm', payee: address };
    return { wrong: 'must be an address: 0x and 40 hex digits, mixed case with a right checksum (EIP-55)' };
  }
  if (/^[A-Za-z0-9._:-]{1,64}$/.test(text)) return { on: 'sandbox', payee: text };
  return { wrong: 'must be an account: 1 to 64 letters, digits or any of . _ : -' };
}
