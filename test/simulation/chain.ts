// A chain with one EIP-3009 token: a block every two seconds, final once six more stand on it, and replaced before that
// at times. It takes authorisations as a contract does, also late, and keeps books that a payment is judged by.
import { createHash } from 'node:crypto';
import type { Chance } from './random.ts';
import type { Timeline } from './timeline.ts';

/** What a payer signed, as far as a contract looks at it. */
export interface Authorised {
  readonly payer: string;
  readonly payee: string;
  readonly atoms: bigint;
  readonly nonce: string;
  /** Seconds since 1970: in no block of this time or later. */
  readonly validBefore: number;
}

/** A transaction that succeeds or was never there. */
export interface Transaction extends Authorised {
  readonly does: 'used' | 'cancelled';
  readonly hash: string;
  /** It is in a block for the first time. */
  readonly entered: () => void;
  /** It was in a block that is no more, and can be in none again. */
  readonly lost: () => void;
}

/** A block; it stands at its number in the list of them. */
export interface ChainBlock {
  readonly hash: string;
  /** Seconds since 1970. */
  readonly time: number;
  readonly transactions: readonly Transaction[];
}

const BLOCK_MS = 2_000;
/** So many blocks are there when a run begins. */
const BEFORE = 40;
/** A block is final once so many stand on it. */
export const FINAL_DEPTH = 6;
/** How often the newest blocks are replaced, how many at most, and how often a transaction then comes later. */
const REPLACED = { often: 0.06, most: 3, later: 0.3, byBlocks: 4 };

/** The chain of one run. */
export class SimulatedChain {
  readonly blocks: ChainBlock[] = [];
  /** No block is replaced any more: the end of a run. */
  honest = false;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #told: (what: string) => void;
  #waiting: { readonly transaction: Transaction; readonly from: number }[] = [];
  readonly #entered = new Set<string>();
  #made = 0;
  #nextAt = 0;

  constructor(timeline: Timeline, chance: Chance, told: (what: string) => void) {
    this.#timeline = timeline;
    this.#chance = chance;
    this.#told = told;
    const first = timeline.now - BEFORE * BLOCK_MS;
    for (let number = 0; number < BEFORE; number += 1) this.#add(first + number * BLOCK_MS, []);
    this.#next();
  }

  /** Has a transaction in the next block; answers when that will be, or null when the contract would refuse it. */
  submit(transaction: Omit<Transaction, 'hash'>): number | null {
    const at = this.#nextAt;
    const { nonce } = transaction;
    const known = this.#waiting.some((one) => one.transaction.nonce === nonce) || this.#spent(nonce);
    if (known || !mayEnter(transaction, seconds(at))) return null;
    const hash = hashOf(`transaction ${transaction.does} ${nonce}`);
    this.#waiting.push({ transaction: { ...transaction, hash }, from: this.blocks.length });
    return at;
  }

  #next(): void {
    this.#nextAt = this.#timeline.now + BLOCK_MS;
    this.#timeline.after(BLOCK_MS, () => {
      if (!this.honest && this.#chance.happens(REPLACED.often)) this.#replace(this.#chance.between(1, REPLACED.most));
      this.#add(this.#timeline.now, this.#due(seconds(this.#timeline.now)));
      this.#next();
    });
  }

  #add(timeMs: number, transactions: readonly Transaction[]): void {
    this.#made += 1;
    const number = this.blocks.length;
    this.blocks.push({ hash: hashOf(`block ${number} ${this.#made}`), time: seconds(timeMs), transactions });
    for (const transaction of transactions) {
      if (this.#entered.has(transaction.hash)) continue;
      this.#entered.add(transaction.hash);
      transaction.entered();
    }
  }

  /** What waits for the block that comes, and may still be in it. */
  #due(time: number): Transaction[] {
    const due = this.#waiting.filter(({ from }) => from <= this.blocks.length).map(({ transaction }) => transaction);
    this.#waiting = this.#waiting.filter(({ from }) => from > this.blocks.length);
    for (const transaction of due) if (!mayEnter(transaction, time)) this.#lose(transaction);
    return due.filter((transaction) => mayEnter(transaction, time));
  }

  #lose(transaction: Transaction): void {
    this.#told('chain lost a payment');
    transaction.lost();
  }

  /** Other blocks in the place of the newest; some of their transactions come later then. */
  #replace(depth: number): void {
    this.#told(`chain replaced ${depth}`);
    const old = this.blocks.splice(-depth);
    for (const { time, transactions } of old) {
      for (const transaction of transactions) {
        const later = this.#chance.happens(REPLACED.later) ? this.#chance.between(1, REPLACED.byBlocks) : 0;
        this.#waiting.push({ transaction, from: this.blocks.length + later });
      }
      this.#add(time * 1_000, this.#due(time));
    }
  }

  #spent(nonce: string): boolean {
    return this.blocks.some(({ transactions }) => transactions.some((one) => one.nonce === nonce));
  }
}

/** A cancellation may come at any time. */
const mayEnter = ({ does, validBefore }: Omit<Transaction, 'hash'>, time: number): boolean =>
  does === 'cancelled' || time < validBefore;

const seconds = (ms: number): number => Math.floor(ms / 1_000);

/** 32 bytes that stand for a name. */
export const hashOf = (name: string): string => `0x${createHash('sha256').update(name).digest('hex')}`;
