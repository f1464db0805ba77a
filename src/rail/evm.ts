// The evm rail: EIP-3009 authorisations, signed offline (draft-evm-charge-00, "Authorization Payload"). Token, chain
// and signing domain come from the operator's own table, and no authorisation may outlive the wallet's proof lifetime.
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { encodePacked, getAddress, keccak256 } from 'viem/utils';
import { GatewayFault } from '../domain/fault.ts';
import type { Challenge, Offer } from '../domain/offer.ts';
import { endOfLife } from './life.ts';
import type { PayableOutcome, PlannedPayment, Proof, RailAsset, Wallet } from './rail.ts';

/** What an evm wallet is opened with. */
export interface EvmWalletOptions {
  readonly id: string;
  /** 32 bytes in hex, with or without `0x`. */
  readonly key: string;
  /** The networks it may pay on, CAIP-2 (`eip155:8453`). */
  readonly networks: readonly string[];
  /** No proof can be redeemed later than this many milliseconds after it was planned. */
  readonly proofLifetimeMs: number;
}

const ZERO_ADDRESS = `0x${'0'.repeat(40)}`;

/** EIP-3009, `transferWithAuthorization`. */
const AUTHORISATION = {
  TransferWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const;

/** Opens the wallet; throws GatewayFault('rail_unavailable') that names it when its key is not usable. */
export function openEvmWallet({ id, key, networks, proofLifetimeMs }: EvmWalletOptions): Wallet {
  const account = readAccount(id, key);
  const payer = payerOf(account);
  const judge = (offer: Offer, asset: RailAsset) =>
    judgeRail(id, networks, offer, asset) ?? judgeDemand(payer, offer, asset) ?? true;
  return {
    id,
    answers: ['evm/charge'],
    payable: judge,
    plan(offer: Offer, nowMs: number): PlannedPayment {
      const nonce = challengeHash(offer.challenge);
      const identity = `${offer.network}:${offer.token}:${payer}:${nonce}`;
      return { offer, identity, redeemableUntil: endOfLife(offer.challenge, nowMs, proofLifetimeMs), nonce };
    },
    async prove(payment: PlannedPayment, asset: RailAsset): Promise<Proof> {
      const judged = judge(payment.offer, asset);
      if (judged !== true) throw new GatewayFault('rail_unavailable', 'exposed', judged.detail);
      return authorise(id, account, payment, asset);
    },
  };
}

/** The address that the wallet of this key pays from, in lower case; throws as {@link openEvmWallet} does. */
export const evmPayer = (id: string, key: string): string => payerOf(readAccount(id, key));

const payerOf = ({ address }: PrivateKeyAccount): string => address.toLowerCase();

function readAccount(id: string, key: string): PrivateKeyAccount {
  // What a library says about a key may hold the key, so the cause is dropped.
  const unreadable = () =>
    new GatewayFault('rail_unavailable', 'untouched', `wallet "${id}": its key is not 32 bytes in hex on secp256k1`);
  const digits = /^(?:0x)?([0-9a-fA-F]{64})\s*$/.exec(key)?.[1];
  if (digits === undefined) throw unreadable();
  try {
    return privateKeyToAccount(`0x${digits}`);
  } catch {
    throw unreadable();
  }
}

/** May this wallet pay that asset at all? Undefined: yes. */
function judgeRail(id: string, networks: readonly string[], offer: Offer, asset: RailAsset): Refused | undefined {
  const { method, intent } = offer.challenge;
  if (method !== 'evm' || intent !== 'charge') {
    return unavailable(`Wallet "${id}" pays evm charges only.`);
  }
  if (!networks.includes(offer.network) || chainId(offer.network) === undefined) {
    return unavailable(`Wallet "${id}" does not pay on ${offer.network}.`);
  }
  if (asset.network !== offer.network || asset.token.toLowerCase() !== offer.token) {
    return unavailable(`Asset "${asset.id}" is not what the service asks for.`);
  }
  if (asset.eip712 === null) {
    return unavailable(
      `Asset "${asset.id}" has no eip712 name and version in the configuration, so nothing is signed.`,
    );
  }
  return undefined;
}

/** Is this a demand that an authorisation can answer? Undefined: yes (draft-evm-charge-00, "Method Details"). */
function judgeDemand(payer: string, offer: Offer, asset: RailAsset): Refused | undefined {
  const { decimals, credentialTypes } = offer.stated;
  if (decimals !== null && decimals !== asset.decimals) {
    return {
      code: 'challenge_mismatch',
      detail: `The service states ${decimals} decimals for asset "${asset.id}", which has ${asset.decimals}.`,
    };
  }
  // Without the list a service promises to take transactions only.
  if (!credentialTypes?.includes('authorization')) {
    return unsupported('The service does not take EIP-3009 authorisations ("authorization" in credentialTypes).');
  }
  if (offer.atoms >= 2n ** 256n) return unsupported('The amount is larger than a token can hold (2^256 or more).');
  if (!/^0x[0-9a-f]{40}$/.test(offer.payee)) return unsupported('The recipient is not an address.');
  if (offer.payee === payer) return unsupported('The recipient is the wallet that would pay.');
  if (offer.payee === ZERO_ADDRESS || offer.payee === offer.token) {
    return unsupported('The recipient is the zero address or the token itself: nobody would get the money.');
  }
  return undefined;
}

async function authorise(
  id: string,
  account: PrivateKeyAccount,
  payment: PlannedPayment,
  asset: RailAsset,
): Promise<Proof> {
  const { offer } = payment;
  const chain = chainId(offer.network);
  if (chain === undefined || asset.eip712 === null) throw new TypeError('judged before it is signed');
  const to = getAddress(offer.payee);
  const nonce = challengeHash(offer.challenge);
  const validBefore = BigInt(payment.redeemableUntil / 1000);
  const signature = await account
    .signTypedData({
      domain: { ...asset.eip712, chainId: chain, verifyingContract: getAddress(asset.token.toLowerCase()) },
      types: AUTHORISATION,
      primaryType: 'TransferWithAuthorization',
      message: { from: account.address, to, value: offer.atoms, validAfter: 0n, validBefore, nonce },
    })
    .catch(() => {
      throw new GatewayFault('rail_unavailable', 'exposed', `wallet "${id}" could not sign the authorisation`);
    });
  const terms = { from: account.address, to, value: `${offer.atoms}`, validAfter: '0', validBefore: `${validBefore}` };
  return {
    payload: { type: 'authorization', ...terms, nonce, signature },
    source: `did:pkh:eip155:${chain}:${account.address}`,
  };
}

/** The nonce that binds the authorisation to its challenge (draft-evm-charge-00, "Challenge Binding"). */
function challengeHash({ id, realm }: Challenge): `0x${string}` {
  return keccak256(encodePacked(['string', 'string'], [id, realm]));
}

/** The chain of a canonical CAIP-2 `eip155` network, or undefined. */
function chainId(network: string): number | undefined {
  const digits = /^eip155:([1-9][0-9]{0,15})$/.exec(network)?.[1];
  const chain = Number(digits);
  return Number.isSafeInteger(chain) ? chain : undefined;
}

type Refused = Exclude<PayableOutcome, true>;

function unavailable(detail: string): Refused {
  return { code: 'rail_unavailable', detail };
}

function unsupported(detail: string): Refused {
  return { code: 'challenge_unsupported', detail };
}
