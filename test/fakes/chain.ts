// A local EVM chain in this process (ganache) with one EIP-3009 token on it: where authorisations are really settled.
import { readFileSync } from 'node:fs';
import ganache from 'ganache';
import solc from 'solc';
import {
  type Address,
  createPublicClient,
  createWalletClient,
  custom,
  defineChain,
  type Hex,
  parseAbi,
  parseSignature,
} from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

/** The terms of an authorisation as they stand in an evm credential's payload. */
export interface Authorisation {
  readonly from: string;
  readonly to: string;
  readonly value: string;
  readonly validAfter: string;
  readonly validBefore: string;
  readonly nonce: string;
  readonly signature: string;
}

/** A running chain. */
export interface Chain {
  readonly chainId: number;
  /** CAIP-2. */
  readonly network: string;
  /** The token's contract; 6 decimals. */
  readonly token: Address;
  /** The token's EIP-712 name and version. */
  readonly eip712: { readonly name: string; readonly version: string };
  /** A fresh account that owns `atoms` of the token and nothing else. */
  fund(atoms: bigint): Promise<{ key: Hex; address: Address }>;
  /** In atoms of the token. */
  balanceOf(address: string): Promise<bigint>;
  /** Was this authorisation used? */
  used(payer: string, nonce: string): Promise<boolean>;
  /** Submits it as a merchant would, who pays the gas; the transaction's hash, or throws when the chain refuses it. */
  settle(authorisation: Authorisation): Promise<Hex>;
  /** The payer takes an authorisation back before anybody used it; the transaction's hash. */
  cancel(key: Hex, nonce: string): Promise<Hex>;
  /** Makes a block, with the time of now. */
  mine(): Promise<void>;
  /** What a node of this chain answers to a call of its JSON-RPC; throws what the node says. */
  call(method: string, params: readonly unknown[]): Promise<unknown>;
  /** Moves the chain's clock forward. */
  advance(seconds: number): Promise<void>;
  close(): Promise<void>;
}

const ABI = parseAbi([
  'constructor(string name, string version)',
  'function mint(address to, uint256 value)',
  'function balanceOf(address owner) view returns (uint256)',
  'function authorizationState(address authorizer, bytes32 nonce) view returns (bool)',
  'function transferWithAuthorization(address, address, uint256, uint256, uint256, bytes32, uint8, bytes32, bytes32)',
  'function cancelAuthorization(address, bytes32, uint8, bytes32, bytes32)',
]);

/** Starts a chain (default id 31337) with the token deployed. */
export async function startChain(chainId = 31_337): Promise<Chain> {
  const eip712 = { name: 'Test Dollar', version: '2' };
  const gasPayer = generatePrivateKey();
  const provider = ganache.provider({
    logging: { quiet: true },
    chain: { chainId, networkId: chainId, hardfork: 'merge' },
    wallet: { accounts: [{ secretKey: gasPayer, balance: '0x3635c9adc5dea00000' }] },
  });
  const nativeCurrency = { name: 'Ether', symbol: 'ETH', decimals: 18 };
  const chain = defineChain({ id: chainId, name: 'local', nativeCurrency, rpcUrls: { default: { http: [] } } });
  const transport = custom(provider);
  const reader = createPublicClient({ chain, transport, pollingInterval: 10 });
  const writer = createWalletClient({ chain, transport, account: privateKeyToAccount(gasPayer) });

  // Transactions of one account go in one after the other, however many ask at once.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };

  async function mined(hash: Hex): Promise<Address | null> {
    const { status, contractAddress } = await reader.waitForTransactionReceipt({ hash });
    if (status !== 'success') throw new Error('the chain reverted the transaction');
    return contractAddress ?? null;
  }

  const deploy = { abi: ABI, bytecode: tokenBytecode(), args: [eip712.name, eip712.version] } as const;
  const address = await mined(await writer.deployContract(deploy));
  if (address === null) throw new Error('the token was not deployed');
  const token = { address, abi: ABI };
  return {
    chainId,
    network: `eip155:${chainId}`,
    token: address,
    eip712,
    async fund(atoms) {
      const key = generatePrivateKey();
      const owner = privateKeyToAccount(key).address;
      await mined(await inTurn(() => writer.writeContract({ ...token, functionName: 'mint', args: [owner, atoms] })));
      return { key, address: owner };
    },
    balanceOf: (owner) => reader.readContract({ ...token, functionName: 'balanceOf', args: [hex(owner)] }),
    used: (payer, nonce) =>
      reader.readContract({ ...token, functionName: 'authorizationState', args: [hex(payer), hex(nonce)] }),
    async settle(authorisation) {
      const args = settlement(authorisation);
      // Simulated first, so that a refusal of the chain is an error with its reason and costs no gas.
      await reader.simulateContract({
        ...token,
        functionName: 'transferWithAuthorization',
        args,
        account: writer.account,
      });
      const hash = await inTurn(() =>
        writer.writeContract({ ...token, functionName: 'transferWithAuthorization', args }),
      );
      await mined(hash);
      return hash;
    },
    async cancel(key, nonce) {
      const payer = privateKeyToAccount(key);
      const signature = await payer.signTypedData({
        domain: { ...eip712, chainId, verifyingContract: address },
        types: {
          CancelAuthorization: [
            { name: 'authorizer', type: 'address' },
            { name: 'nonce', type: 'bytes32' },
          ],
        },
        primaryType: 'CancelAuthorization',
        message: { authorizer: payer.address, nonce: hex(nonce) },
      });
      const { r, s, yParity } = parseSignature(signature);
      const args = [payer.address, hex(nonce), 27 + yParity, r, s] as const;
      const hash = await inTurn(() => writer.writeContract({ ...token, functionName: 'cancelAuthorization', args }));
      await mined(hash);
      return hash;
    },
    async mine() {
      await inTurn(() => provider.request({ method: 'evm_mine', params: [{}] }));
    },
    call: (method, params) => provider.request({ method, params } as Parameters<typeof provider.request>[0]),
    async advance(seconds) {
      await provider.request({ method: 'evm_increaseTime', params: [seconds] });
      await provider.request({ method: 'evm_mine', params: [{}] });
    },
    close: () => provider.disconnect(),
  };
}

function settlement({ from, to, value, validAfter, validBefore, nonce, signature }: Authorisation) {
  const { r, s, yParity } = parseSignature(hex(signature));
  const times = [BigInt(validAfter), BigInt(validBefore)] as const;
  return [hex(from), hex(to), BigInt(value), ...times, hex(nonce), 27 + yParity, r, s] as const;
}

function hex(text: string): Hex {
  if (!/^0x[0-9a-fA-F]*$/.test(text)) throw new TypeError('not hex');
  return `0x${text.slice(2)}`;
}

function tokenBytecode(): Hex {
  const content = readFileSync(new URL('test-token.sol', import.meta.url), 'utf8');
  const outputSelection = { '*': { '*': ['evm.bytecode.object'] } };
  const settings = { evmVersion: 'paris', optimizer: { enabled: true }, outputSelection };
  const input = { language: 'Solidity', sources: { 'test-token.sol': { content } }, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  return `0x${output.contracts['test-token.sol'].TestToken.evm.bytecode.object}`;
}
