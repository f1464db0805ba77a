// Opens the books of the configured rails: nodes of chains, and services that tell what became of play money. All of it
// goes through the guarded pools of the door.
import type { Config } from '../config/config.ts';
import type { Clock } from '../domain/clock.ts';
import type { Service } from '../exchange/parts.ts';
import type { EvidenceSource } from '../rail/evidence.ts';
import { evmEvidence } from '../rail/evm-evidence.ts';
import type { AskNode } from '../rail/json-rpc.ts';
import { sandboxEvidence } from '../rail/sandbox-evidence.ts';
import { askDocument } from '../upstream/document.ts';
import { openPool } from '../upstream/door.ts';

/** Where evidence is looked for. */
export interface Evidences {
  /** The books that list a payment on this network to this service; undefined when none are configured. */
  of(network: string, service: string): EvidenceSource | undefined;
  /** The rails that can be looked at. */
  readonly rails: readonly EvidenceSource['rail'][];
  close(): Promise<void>;
}

const NODE_HEADER_BYTES = 32 * 1024;
const MOST_NODE_BYTES = 4 * 1024 * 1024;
const MOST_PAGE_BYTES = 1_024;

/** Opens them; no connection is made yet. `services` stay the caller's. */
export function openEvidence(
  { networks, wallets }: Pick<Config, 'networks' | 'wallets'>,
  services: ReadonlyMap<string, Pick<Service, 'pool'>>,
  clock: Clock,
): Evidences {
  const now = () => clock.now();
  const nodes = openNodes(networks);
  const chains = new Map([...nodes.of].map(([id, asks]) => [id, evmEvidence({ network: id, nodes: asks, now })]));
  const pages = new Map(
    [...services].map(([id, { pool }]) => {
      const page = { method: 'GET', mostBytes: MOST_PAGE_BYTES } as const;
      return [id, sandboxEvidence((path, signal) => askDocument(pool, { ...page, path, signal }), now)];
    }),
  );
  return {
    of: (network, service) => (network === 'sandbox' ? pages.get(service) : chains.get(network)),
    rails: [...new Set(wallets.map(({ rail }) => rail))],
    close: () => nodes.close(),
  };
}

/** The nodes of the configured chains by network. */
export interface Nodes {
  readonly of: ReadonlyMap<string, readonly AskNode[]>;
  close(): Promise<void>;
}

/** Opens guarded pools to them; no connection is made yet. */
export function openNodes(networks: Config['networks']): Nodes {
  const closing: (() => Promise<void>)[] = [];
  const node = (url: URL, allowPrivateNetwork: boolean, ca: string | null): AskNode => {
    const pool = openPool({ origin: url.origin, allowPrivateNetwork, ca }, NODE_HEADER_BYTES);
    closing.push(() => pool.destroy());
    const path = `${url.pathname}${url.search}`;
    return (body, signal) => askDocument(pool, { method: 'POST', path, body, mostBytes: MOST_NODE_BYTES, signal });
  };
  const open = networks.map(({ id, rpc, allowPrivateNetwork, ca }): [string, AskNode[]] => [
    id,
    rpc.map((secret) => node(new URL(secret.reveal()), allowPrivateNetwork, ca)),
  ]);
  return {
    of: new Map(open),
    close: async () => {
      await Promise.all(closing.map((close) => close()));
    },
  };
}
