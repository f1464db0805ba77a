// A policy set as decisions use it: canonical, complete and never changed. A newer set replaces it whole.
import type { Agent } from '../domain/agent.ts';
import type { BudgetLine } from '../domain/hold.ts';
import type { Micros } from '../domain/money.ts';
import type { Partition, RequestPattern, Selector } from './schema.ts';

/** A budget for whatever scope: what the store and its terms need. */
export type BudgetTerms = Omit<BudgetLine, 'scope'> & {
  /** What it counts apart, in canonical order; empty for `all`. */
  readonly partitions: readonly Partition[];
};

/** A register entry with what decides about its standing. */
export interface Registered {
  readonly agent: Agent;
  readonly issuer: string;
  /** The first millisecond after its review date, or null. */
  readonly untilMs: number | null;
  readonly suspended: string | null;
  /** Tokens issued before this are refused; milliseconds since 1970, 0 for none. */
  readonly revokedBeforeMs: number;
}

/** `any`, or canonical payees: addresses in lower case, and accounts of the sandbox. */
export type Payees = 'any' | { readonly evm: ReadonlySet<string>; readonly sandbox: ReadonlySet<string> };

/** A right to spend. */
export interface Entitlement {
  readonly id: string;
  readonly agents: readonly Selector[];
  readonly services: ReadonlySet<string>;
  /** null: every request. */
  readonly requests: readonly RequestPattern[] | null;
  readonly assets: ReadonlySet<string>;
  readonly payees: Payees;
  readonly ceilingMicros: Micros;
  readonly budgets: readonly string[];
  readonly because: string | null;
  /** The first millisecond after its last day, or null. */
  readonly untilMs: number | null;
}

/** A rule that forbids; null members select everything. */
export interface Denial {
  readonly agents: readonly Selector[] | null;
  readonly services: ReadonlySet<string> | null;
  readonly requests: readonly RequestPattern[] | null;
  readonly assets: ReadonlySet<string> | null;
  readonly payees: Payees | null;
  readonly because: string | null;
}

/** Where an entry stands: for people, never part of a decision or of the version. Lines count from 1. */
export interface Spot {
  /** As the folder was named, and the file in it. */
  readonly file: string;
  readonly line: number;
  /** The line of each key that is written. */
  readonly keys: Readonly<Record<string, number>>;
}

/** Where everything stands that has an id; deny rules in the order in which they are judged. */
export interface Spots {
  readonly agents: ReadonlyMap<string, Spot>;
  readonly budgets: ReadonlyMap<string, Spot>;
  readonly entitlements: ReadonlyMap<string, Spot>;
  readonly deny: readonly Spot[];
  /** Of revoked tokens by their id, and of agents' revocations by the agent's id. */
  readonly revokedTokens: ReadonlyMap<string, Spot>;
  readonly revokedAgents: ReadonlyMap<string, Spot>;
}

/** Who may do what, and within which budgets. */
export interface PolicySet {
  /** SHA-256 in hex of the canonical content. */
  readonly version: string;
  readonly currency: string;
  readonly agents: readonly Registered[];
  /** The register entry of a token's (issuer, subject): exact subjects before patterns. */
  findAgent(issuer: string, subject: string): Registered | undefined;
  /** Revoked token ids. */
  readonly revokedTokens: ReadonlySet<string>;
  readonly budgets: ReadonlyMap<string, BudgetTerms>;
  readonly entitlements: readonly Entitlement[];
  readonly guardrails: { readonly budgets: readonly string[]; readonly deny: readonly Denial[] };
  readonly spots: Spots;
}
