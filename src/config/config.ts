// What the gateway runs with: the frozen outcome of config.yaml. Types are those of the schemas.
import type { z } from 'zod';
import type { Secret } from '../domain/secret.ts';
import type { HostPort } from './addresses.ts';
import type { issuer, service } from './parties.ts';
import type { accounting, limits, listen, operators, state } from './sections.ts';
import type { asset, network, wallet } from './wallets.ts';
import type { witness } from './witnesses.ts';

export type Listen = z.output<ReturnType<typeof listen>>;
export type State = z.output<ReturnType<typeof state>>;
export type Accounting = z.output<typeof accounting>;
export type Issuer = z.output<ReturnType<typeof issuer>>;
export type Asset = z.output<typeof asset>;
export type NetworkConfig = z.output<ReturnType<typeof network>>;
export type WalletConfig = z.output<ReturnType<typeof wallet>>;
export type Operators = z.output<typeof operators>;
export type Limits = z.output<typeof limits>;
export type WitnessConfig = z.output<ReturnType<typeof witness>>;
type WrittenService = z.output<ReturnType<typeof service>>;
/** A service with its own or the general time limits, in milliseconds. */
export type ServiceConfig = Omit<WrittenService, 'upstreamHeadersMs' | 'paymentSettleMs'> & {
  readonly upstreamHeadersMs: number;
  readonly paymentSettleMs: number;
};

/** Where budgets are counted. */
export type BudgetsConfig =
  | { readonly store: 'embedded' }
  | {
      readonly store: 'redis';
      /** Null where sentinels or a cluster say where Redis is, and it takes neither user nor password. */
      readonly url: Secret | null;
      readonly tls: boolean;
      /** PEM certificates to trust instead of the system's, or null. */
      readonly ca: string | null;
      readonly sentinels: { readonly nodes: readonly HostPort[]; readonly master: string } | null;
      readonly cluster: readonly HostPort[] | null;
      readonly namespace: string;
      /** 32 bytes in hex, lower case. */
      readonly key: Secret;
      readonly replicas: number;
      readonly missingAfterMs: number;
    };

/** The configuration. Times end in `Ms`, sizes in `Bytes`; paths are absolute; nothing in it can be changed. */
export interface Config {
  /** The file it was read from, absolute. */
  readonly file: string;
  readonly listen: Listen;
  readonly state: State;
  readonly budgets: BudgetsConfig;
  readonly accounting: Accounting;
  readonly identity: { readonly development: boolean; readonly issuers: readonly Issuer[] };
  readonly services: readonly ServiceConfig[];
  /** Who cosigns the log's checkpoints. */
  readonly witnesses: readonly WitnessConfig[];
  readonly networks: readonly NetworkConfig[];
  readonly assets: readonly Asset[];
  readonly wallets: readonly WalletConfig[];
  readonly operators: Operators;
  /** The folders of the policies, in order. */
  readonly policies: readonly string[];
  readonly limits: Limits;
}

/** What policies refer to, as far as it could be read: good enough to judge them beside a faulty configuration. */
export interface Outline {
  readonly policies: readonly string[];
  readonly currency: string;
  readonly timeZone: string;
  readonly development: boolean;
  readonly issuers: readonly string[];
  readonly services: readonly string[];
  readonly assets: readonly { readonly id: string; readonly network: string; readonly token: string }[];
}
