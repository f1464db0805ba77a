// What a gateway's own receipts say of money: the account from which a shared budget store is rebuilt. It stands still
// between two calls of `fold`, so that what is read in pieces belongs together.
import type { RailPayment } from './hold.ts';
import type { Micros } from './money.ts';

/** What was settled on one line and what is held there, with how many payments. `windowStart` as in LineState. */
export interface AccountTotal {
  readonly budget: string;
  readonly scope: string;
  readonly windowStart: number;
  readonly settled: Micros;
  readonly held: Micros;
  readonly payments: number;
}

/** A purchase whose claims stand, from its receipts. Times in ms since 1970; 0 where it has not come to that. */
export interface AccountHold {
  readonly id: string;
  readonly exchange: string;
  /** `exposed` is open. `freed`: voided, and its agent may buy again; `voided` stands for its repeats. */
  readonly state: 'exposed' | 'settled' | 'voided' | 'freed';
  readonly micros: Micros;
  readonly agent: string;
  readonly service: string;
  readonly wallet: string;
  /** (issuer, subject) as in PurchaseClaim. */
  readonly subject: string;
  /** The full keyed hashes (hex) of the purchase's claim. */
  readonly claim: { readonly key: string | null; readonly repeat: string };
  readonly challengeId: string;
  readonly payment: RailPayment;
  readonly redeemableUntil: number;
  readonly lines: readonly { readonly budget: string; readonly scope: string; readonly windowStart: number }[];
  readonly intendedAt: number;
  /** When its request ended, as far as a receipt says so. */
  readonly closedAt: number;
  readonly endedAt: number;
  readonly whole: boolean;
  /** The end of its request as JSON (`Ending`), or empty. */
  readonly ending: string;
}

/** The latest order about one thing that may be stopped (`kind:id`); 0 where there was none. */
export interface AccountOrder {
  readonly name: string;
  readonly stoppedAt: number;
  readonly startedAt: number;
  readonly because: string;
  readonly by: string;
}

/** The account of one log. Every call may throw when the state does not answer. */
export interface Account {
  /** The newest receipt that is sealed. */
  sealed(): number;
  /** Takes in everything sealed so far; answers up to which receipt. */
  fold(): Promise<number>;
  /** What budgets have settled since a window's start (inclusive), and all that is held. */
  totals(budgets: readonly { readonly budget: string; readonly from: number }[]): Promise<AccountTotal[]>;
  /** Purchases in the order of their ids after one of them, at most `most`; those whose time is over are left out. */
  holds(after: string, most: number, now: number): Promise<AccountHold[]>;
  orders(): Promise<AccountOrder[]>;
  /** Other logs' purchases that a person ended at this gateway: only this log knows. */
  others(): Promise<{ readonly id: string; readonly state: 'settled' | 'voided' }[]>;
}

/** A few texts that a gateway keeps in its state folder; lost with the last moments before a power failure. */
export interface Notes {
  read(): Promise<Readonly<Record<string, string>>>;
  write(notes: Readonly<Record<string, string>>): Promise<void>;
}
