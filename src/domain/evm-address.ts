// Addresses of EVM chains, compared by their 20 bytes and never by their spelling (draft-evm-charge-00, "Shared
// Fields").
import { keccak_256 } from '@noble/hashes/sha3.js';

/** Twenty zero bytes: nobody's address. */
export const ZERO_ADDRESS = `0x${'0'.repeat(40)}`;

/**
 * The canonical form (`0x` and 40 lower-case hex digits) of an address; undefined for anything else, names, other
 * lengths and `0X` among it, and for mixed case whose checksum is wrong (EIP-55).
 */
export function readEvmAddress(text: string): string | undefined {
  const digits = /^0x([0-9a-fA-F]{40})$/.exec(text)?.[1];
  if (digits === undefined) return undefined;
  const lower = digits.toLowerCase();
  const mixed = digits !== lower && digits !== digits.toUpperCase();
  return mixed && digits !== checksummed(lower) ? undefined : `0x${lower}`;
}

/** EIP-55: a letter is upper case where the hash of the lower-case digits has a digit of 8 or more. */
function checksummed(lower: string): string {
  const hash = Buffer.from(keccak_256(Buffer.from(lower, 'ascii'))).toString('hex');
  return [...lower]
    .map((digit, at) => (Number.parseInt(hash.charAt(at), 16) >= 8 ? digit.toUpperCase() : digit))
    .join('');
}
