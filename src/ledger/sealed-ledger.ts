// The ledger as the gateway sees it: every step is a call to the state thread. Foreign failures become faults here.
import { createHmac } from 'node:crypto';
import { GatewayFault, type MoneyState } from '../domain/fault.ts';
import { codeOf, type StateAccess } from '../domain/operations.ts';
import type { Receipt, ReceiptEntry, Sealed } from '../domain/receipt.ts';
import { jwksOf } from './chain.ts';
import type { Cosignature, StoredCheckpoint } from './checkpoints.ts';
import type { IntentsEnd, Ledger, ReceiptFilter, Unfinished } from './ledger.ts';
import type { LedgerAbout, Rotation, SealedLink, SealedRotation } from './ledger-operations.ts';
import type { Rolled } from './roll.ts';
import type { SealedBytes } from './unfinished.ts';

/**
 * The ledger over a running state thread; `sealed` is told of each receipt once it is durable. Throws
 * GatewayFault('ledger_unavailable') when the thread does not answer.
 */
export async function openLedger(state: StateAccess, sealed: (receipt: Receipt) => void = () => {}): Promise<Ledger> {
  const about = await ask<LedgerAbout>(state, 'ledger.about', undefined, 'untouched');
  const ledger = new SealedLedger(state, about, sealed);
  if (about.rotating) await ledger.finishRotation();
  return ledger;
}

type Made = StoredCheckpoint | 'growing' | null;

/** Holds looked up by one call; seals wait meanwhile. */
const INTENDED_PAGE = 500;

class SealedLedger implements Ledger {
  readonly log: string;
  readonly #state: StateAccess;
  #about: LedgerAbout;
  readonly #sealed: (receipt: Receipt) => void;
  #newest: number;

  constructor(state: StateAccess, about: LedgerAbout, sealed: (receipt: Receipt) => void) {
    this.log = about.log;
    this.#state = state;
    this.#about = about;
    this.#sealed = sealed;
    this.#newest = about.newest;
  }

  async seal(entry: ReceiptEntry): Promise<Sealed> {
    const { link, hash } = await ask<SealedLink>(this.#state, 'ledger.seal', entry, moneyOf(entry));
    const receipt = { ...entry, ...link };
    this.#isSealed(receipt);
    return { receipt, hash };
  }

  newest(): number {
    return this.#newest;
  }

  ready(): boolean {
    return this.#state.ready();
  }

  trouble(): string | null {
    return this.#state.trouble();
  }

  find(id: string): Promise<Sealed | undefined> {
    return ask(this.#state, 'ledger.find', id, 'untouched');
  }

  ofExchange(exchange: string): Promise<Sealed[]> {
    return ask(this.#state, 'ledger.exchange', exchange, 'untouched');
  }

  list(filter: ReceiptFilter): Promise<Sealed[]> {
    return ask(this.#state, 'ledger.list', filter, 'untouched');
  }

  async intended(holds: readonly { readonly id: string; readonly exchange: string }[]): Promise<string[]> {
    const found: string[] = [];
    for (let first = 0; first < holds.length; first += INTENDED_PAGE) {
      const page = holds.slice(first, first + INTENDED_PAGE).map(({ id, exchange }) => ({ id, exchange }));
      found.push(...(await ask<string[]>(this.#state, 'ledger.intended', page, 'untouched')));
    }
    return found;
  }

  unfinished(): Promise<Unfinished> {
    return ask(this.#state, 'ledger.unfinished', undefined, 'untouched');
  }

  async endIntents(end: IntentsEnd): Promise<readonly Sealed[]> {
    const sealed = await ask<SealedBytes[]>(this.#state, 'ledger.endIntents', end, 'exposed');
    return sealed.map(({ bytes, hash }) => {
      const receipt = JSON.parse(bytes) as Receipt;
      this.#isSealed(receipt);
      return { receipt, hash };
    });
  }

  applied(...seqs: readonly number[]): Promise<void> {
    return ask(this.#state, 'ledger.applied', seqs, 'untouched');
  }

  mask(text: string): string {
    return createHmac('sha256', this.#about.maskKey).update(text).digest('hex');
  }

  keys(): { keys: Record<string, unknown>[] } {
    return jwksOf(this.log, this.#about.keys);
  }

  async rotateKey(rotation: Rotation): Promise<Sealed> {
    // Of a rotation whose answer was lost, only what is on the disk tells how far it came.
    await this.finishRotation();
    const { entry, link, hash } = await ask<SealedRotation>(this.#state, 'ledger.rotate', rotation, 'untouched');
    const receipt = { ...entry, ...link };
    this.#sealed(receipt);
    await this.finishRotation();
    return { receipt, hash };
  }

  /** Gives up the key before the current one, once it is certain on the disk that it is not needed. */
  async finishRotation(): Promise<void> {
    await ask(this.#state, 'ledger.sync', undefined, 'untouched');
    await ask(this.#state, 'ledger.retire', undefined, 'untouched');
    this.#about = await ask<LedgerAbout>(this.#state, 'ledger.about', undefined, 'untouched');
  }

  #isSealed(receipt: Receipt): void {
    this.#newest = Math.max(this.#newest, receipt.seq);
    this.#sealed(receipt);
  }

  async checkpoint(): Promise<StoredCheckpoint | null> {
    for (;;) {
      const made = await ask<Made>(this.#state, 'ledger.checkpoint', undefined, 'untouched');
      if (made !== 'growing') return made;
    }
  }

  witnessed(): Promise<Record<string, number>> {
    return ask(this.#state, 'ledger.witnessed', undefined, 'untouched');
  }

  grown(sizes: { readonly from: number; readonly to: number }): Promise<readonly string[]> {
    return ask(this.#state, 'ledger.grown', sizes, 'untouched');
  }

  roll(): Promise<Rolled> {
    // Nothing beyond it: what is not durable yet may have to be taken back.
    return ask(this.#state, 'ledger.roll', this.#newest, 'untouched');
  }

  cosigned(cosignature: Cosignature): Promise<void> {
    return ask(this.#state, 'ledger.cosigned', cosignature, 'untouched');
  }
}

async function ask<T>(state: StateAccess, operation: string, argument: unknown, money: MoneyState): Promise<T> {
  try {
    return await state.call<T>(operation, argument);
  } catch (error) {
    if (codeOf(error) === 'entry_invalid') throw new TypeError(error instanceof Error ? error.message : operation);
    throw new GatewayFault('ledger_unavailable', money, 'the receipt log does not take writes', error);
  }
}

// A hold is exposed before `intended` is sealed, and nothing after it takes that back without evidence.
function moneyOf(entry: ReceiptEntry): MoneyState {
  if (entry.kind === 'settled' || entry.kind === 'delivered') return 'settled';
  return entry.hold && entry.kind !== 'refused' && entry.kind !== 'voided' ? 'exposed' : 'untouched';
}
