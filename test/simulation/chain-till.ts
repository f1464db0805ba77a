// How a service of the simulation is paid on the chain: what it asks for (draft-evm-charge-00), and what it does with
// an authorisation, at once or when it likes.
import { encodePacked, keccak256 } from 'viem/utils';
import type { Authorisation } from '../fakes/chain.ts';
import type { Authorised, SimulatedChain } from './chain.ts';
import { CHAIN_ID, TOKEN } from './chain-node.ts';
import type { Timeline } from './timeline.ts';

/** What the payload of an evm credential says. */
export type AuthorisationPayload = Authorisation & { readonly type: 'authorization' };

/** What was asked for, and by whom. */
interface Asked {
  readonly id: string;
  readonly realm: string;
  readonly atoms: bigint;
  readonly payee: string;
}

/** Told when the money moved, and when a block that had moved it is no more. */
export interface Moved {
  readonly entered: () => void;
  readonly lost: () => void;
}

const STRANGER = `0x${'5f'.repeat(20)}`;
const OTHER_TOKEN = `0x${'71'.repeat(20)}`;

/** The till of one service. */
export class ChainTill {
  readonly #chain: SimulatedChain;
  readonly #timeline: Timeline;

  constructor(chain: SimulatedChain, timeline: Timeline) {
    this.#chain = chain;
    this.#timeline = timeline;
  }

  /** The request of a demand, in canonical order; `foreign`: what is not what the policy allows. */
  request(atoms: bigint, payee: string, foreign: 'asset' | 'payee' | null) {
    return {
      ...{ amount: String(atoms), currency: foreign === 'asset' ? OTHER_TOKEN : TOKEN },
      methodDetails: { chainId: CHAIN_ID, credentialTypes: ['authorization'], decimals: 2 },
      recipient: foreign === 'payee' ? STRANGER : payee,
    };
  }

  /** What a contract would be told, or what is wrong with the payload. Its signature is a real chain's to judge. */
  read(payload: AuthorisationPayload, { id, realm, atoms, payee }: Asked): Authorised | string {
    const nonce = keccak256(encodePacked(['string', 'string'], [id, realm]));
    if (payload.nonce !== nonce) return 'the nonce of another demand';
    if (payload.value !== String(atoms) || payload.validAfter !== '0') return 'other terms';
    if (payload.to.toLowerCase() !== payee) return 'the money of somebody else';
    return { payer: payload.from.toLowerCase(), payee, atoms, nonce, validBefore: Number(payload.validBefore) };
  }

  /** Has it moved with the next block; when that is, or null when it is too late for that. */
  settle(authorised: Authorised, moved: Moved): number | null {
    return this.#chain.submit({ ...authorised, ...moved, does: 'used' });
  }

  /** After so many milliseconds, whatever was said to the payer meanwhile. */
  settleLater(afterMs: number, authorised: Authorised, moved: Moved): void {
    this.#timeline.after(afterMs, () => void this.settle(authorised, moved));
  }

  /** The wallet's owner takes it back. */
  cancelLater(afterMs: number, authorised: Authorised): void {
    const nobody = { entered: () => {}, lost: () => {} };
    this.#timeline.after(afterMs, () => void this.#chain.submit({ ...authorised, ...nobody, does: 'cancelled' }));
  }
}
