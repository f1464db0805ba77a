// Asks the real decision about a purchase that nobody has asked for: the same functions as for an agent's request, on
// a demand made up from what is known of it. It calls nobody and reads no counter.
import type { Identity } from '../domain/agent.ts';
import { readEvmAddress } from '../domain/evm-address.ts';
import type { BudgetLine } from '../domain/hold.ts';
import type { Micros } from '../domain/money.ts';
import type { Offer } from '../domain/offer.ts';
import type { DecisionCheck } from '../domain/receipt.ts';
import { isRefusal, type Refusal, type RefusalCode } from '../domain/refusal.ts';
import { type Admitted, admit, type Candidate, decide } from '../policy/decide.ts';
import type { Entitlement, PolicySet, Registered } from '../policy/set.ts';
import type { Written } from './written.ts';

/** An asset of the configuration with its worth. */
export type PricedAsset = NonNullable<Candidate['asset']>;

/** What a decision depends on beside the question. */
export interface World extends Written {
  readonly set: PolicySet;
  readonly assets: readonly PricedAsset[];
  /** The wallet that would pay, by the wallets' own judgement, or why none can. */
  readonly walletFor: (offer: Offer, asset: PricedAsset) => Pick<Candidate, 'wallet' | 'unpayable'>;
  readonly nowMs: number;
}

/** A demand as far as it is known. */
export interface AskedDemand {
  readonly micros: Micros;
  /** An asset's id (or the token of one that is not configured); null when nobody said. */
  readonly asset: string | null;
  /** The network of an asset that is not configured. */
  readonly network: string | null;
  readonly payee: string | null;
}

/** A request as it would go upstream, and the demand it would be answered with. */
export interface Asked {
  readonly agent: string;
  readonly service: string;
  readonly method: string;
  /** The normalised path that is sent upstream. */
  readonly path: string;
  readonly task: string | null;
  /** Null: only whether the agent may reach the service is asked. */
  readonly demand: AskedDemand | null;
}

/** What was decided, and on what. */
export interface Judged {
  readonly refusal: Refusal | null;
  readonly checks: readonly DecisionCheck[];
  readonly entry: Registered | undefined;
  /** Null when no entitlement took the request. */
  readonly entitlement: Entitlement | null;
  readonly candidate: Candidate | null;
  /** The budget lines that the payment would touch; empty unless a payment was decided. */
  readonly lines: readonly BudgetLine[];
}

/** Judges what is asked under `set`, which may be another than the world's. */
export function judge(world: World, asked: Asked, set: PolicySet = world.set): Judged {
  const entry = set.agents.find(({ agent }) => agent.id === asked.agent);
  // Patterns of subjects have no subject of their own: the agent is found by its id, whatever its tokens say.
  const seen: PolicySet = { ...set, findAgent: () => entry };
  const request = requestOf(asked, world.nowMs);
  const admitted = admit(seen, identityOf(asked, entry, world.nowMs), request);
  if (isRefusal(admitted)) {
    const checks = admitted.checks ?? [];
    return { refusal: admitted, checks, entry, entitlement: null, candidate: null, lines: [] };
  }
  const { entitlement } = admitted;
  if (asked.demand === null) {
    return { refusal: null, checks: admitted.checks, entry, entitlement, candidate: null, lines: [] };
  }
  const candidate = candidateOf(world, asked.demand, admitted);
  const decision = decide(seen, admitted, { candidates: [candidate], maxPrice: null });
  const refused = isRefusal(decision);
  const lines = refused ? [] : decision.lines;
  return { refusal: refused ? decision : null, checks: decision.checks, entry, entitlement, candidate, lines };
}

/** The request that the policy is asked about. */
export const requestOf = ({ service, method, path }: Asked, nowMs: number) => ({
  service,
  method,
  path,
  nowMs,
  taskClaimed: null,
});

/** Which `guardrails.deny` rule forbids it: the first that does so on its own; -1 when none does. */
export function denying(world: World, asked: Asked): number {
  const { set } = world;
  return set.guardrails.deny.findIndex((rule) => {
    const alone: PolicySet = { ...set, guardrails: { ...set.guardrails, deny: [rule] } };
    return judge(world, asked, alone).refusal?.code === 'denied';
  });
}

/** What was not said of the demand and is therefore taken as what the entitlement allows. */
export function assumptions(asked: Asked, judged: Judged): readonly string[] {
  const { candidate } = judged;
  if (!candidate || !asked.demand) return [];
  const { asset, payee } = asked.demand;
  return [
    ...(asset === null ? [`the asset is not given: taken as ${candidate.asset?.id ?? 'one that is allowed'}`] : []),
    ...(payee === null ? [`the payee is not given: taken as ${candidate.offer.payee}, which the rule allows`] : []),
  ];
}

/** The codes under which a changed entitlement would have allowed it. */
export const AMENDABLE: ReadonlySet<RefusalCode> = new Set([
  'payee_forbidden',
  'asset_unknown',
  'no_entitlement',
  'over_ceiling',
]);

function identityOf(asked: Asked, entry: Registered | undefined, nowMs: number): Identity {
  const issuedAt = Math.floor(nowMs / 1_000);
  const { task, agent: subject } = asked;
  const times = { issuedAt, expiresAt: issuedAt + 900 };
  return { issuer: entry?.issuer ?? '', subject, jti: null, ...times, task, actors: [] };
}

function candidateOf(world: World, demand: AskedDemand, { entitlement }: Admitted): Candidate {
  const asset = assetOf(world, demand, entitlement);
  const network = asset?.network ?? demand.network ?? 'another network';
  const payee = demand.payee ?? somePayee(entitlement, network);
  const atoms = asset ? atomsOf(demand.micros, asset) : 1n;
  const offer: Offer = {
    challenge: { ...CHALLENGE, method: network === 'sandbox' ? 'sandbox' : 'evm' },
    network,
    token: asset?.token.toLowerCase() ?? demand.asset ?? '',
    atoms,
    payee: readEvmAddress(payee) ?? payee,
    stated: { decimals: null, credentialTypes: ['authorization'] },
  };
  if (!asset) return { offer, asset: null, micros: null, wallet: null, unpayable: null };
  return { offer, asset, micros: demand.micros, ...world.walletFor(offer, asset) };
}

function assetOf({ assets }: World, demand: AskedDemand, entitlement: Entitlement): PricedAsset | null {
  const { asset, network } = demand;
  if (asset === null) return assets.find(({ id }) => entitlement.assets.has(id)) ?? null;
  return assets.find((known) => known.id === asset && (network === null || known.network === network)) ?? null;
}

/** One that the entitlement allows; where it allows any, an address or account that nobody has. */
function somePayee({ payees }: Entitlement, network: string): string {
  const listed = payees === 'any' ? [] : [...(network === 'sandbox' ? payees.sandbox : payees.evm)];
  return listed[0] ?? (network === 'sandbox' ? 'anybody' : `0x${'1'.padStart(40, '0')}`);
}

/** The fewest atoms that cost at least so much; what they cost was given, so nothing is computed back from them. */
function atomsOf(micros: Micros, { value, decimals }: PricedAsset): bigint {
  const worth = value.digits * 1_000_000n;
  return worth === 0n ? 1n : (micros * 10n ** BigInt(decimals + value.scale) + worth - 1n) / worth;
}

const CHALLENGE: Offer['challenge'] = {
  dialect: 'mpp',
  method: 'sandbox',
  intent: 'charge',
  id: 'nobody-asked',
  realm: '',
  request: '',
  expires: null,
  expiresAt: null,
  digest: null,
  opaque: null,
  description: null,
  hash: '0'.repeat(64),
};
