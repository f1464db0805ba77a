// What all simulated gateways have in common: the policy sets, the assets, the keys, the limits. Made once for a
// process, and the same in every one.
import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Identity } from '../../src/domain/agent.ts';
import { readDecimal } from '../../src/domain/money.ts';
import type { Refusal } from '../../src/domain/refusal.ts';
import type { ExchangeLimits, ValuedAsset } from '../../src/exchange/parts.ts';
import { buildSet } from '../../src/policy/load.ts';
import type { PolicySet } from '../../src/policy/set.ts';
import { CHAIN_ID, TOKEN } from './chain-node.ts';

export const ISSUER = 'https://idp.test';
export const CURRENCY = 'USD';
export const REPEAT_WINDOW_MS = 600_000;
export const PROOF_LIFETIME_MS = 20_000;
export const UPSTREAM_HEADERS_MS = 8_000;
export const PAYMENT_SETTLE_MS = 10_000;
/** How long a rebuild waits for a gateway that does not come. */
export const MISSING_AFTER_MS = 20_000;
export const SHARED_KEY = Buffer.alloc(32, 7);

export const NETWORK = `eip155:${CHAIN_ID}`;

export const LIMITS: ExchangeLimits = {
  replayBodyBytes: 2_000,
  challengeBytes: 65_536,
  holdLeaseMs: 800,
  refusals: { count: 12, periodMs: 60_000 },
  unsettled: 2,
};

export const SERVICES = ['weather', 'writer', 'maps'] as const;
export type ServiceId = (typeof SERVICES)[number];

export const AGENTS = ['ann', 'bob', 'cid', 'dot'] as const;
export type AgentId = (typeof AGENTS)[number];

/** Points do not come out even in micro-units: what they are worth is rounded up. */
export const ASSETS: readonly ValuedAsset[] = [
  { id: 'usd.play', network: 'sandbox', token: 'usd', decimals: 2, eip712: null, value: decimal('1') },
  { id: 'pts.play', network: 'sandbox', token: 'pts', decimals: 3, eip712: null, value: decimal('7.0003337') },
  {
    ...{ id: 'usd.chain', network: NETWORK, token: TOKEN, decimals: 2, value: decimal('1') },
    eip712: { name: 'Test Dollar', version: '2' },
  },
];

/** Where a service is paid on the chain. */
export const addressOf = (service: ServiceId): string =>
  `0x${String(SERVICES.indexOf(service) + 1)
    .padStart(2, '0')
    .repeat(20)}`;

const ADDRESSES = SERVICES.map((id) => `"${addressOf(id)}"`);

/** Which policy sets there are. */
export const POLICIES = ['usual', 'annSuspended', 'tighter', 'bobRevoked'] as const;
export type PolicyName = (typeof POLICIES)[number];

/** Whose review date passes at midnight. */
export const REVIEWED: AgentId = 'dot';

/** The limit of each budget in the usual set, in micro-units: the highest there ever is. */
export const BUDGETS = {
  'agent-hour': { limit: 600_000n, payments: 14, lengthMs: 3_600_000 },
  'team-day': { limit: 1_000_000n, payments: null, lengthMs: 86_400_000 },
  'service-minute': { limit: 450_000n, payments: null, lengthMs: 60_000, rolling: true },
  'all-total': { limit: 1_900_000n, payments: null, lengthMs: null },
} as const;

/** Fifty times as much room, for runs that are long rather than dense. */
const POLICY = (name: PolicyName, times: bigint): string => `
agents:
  - { id: ann, owner: dana@example.com, team: red${name === 'annSuspended' ? ', suspended: "key leaked"' : ''} }
  - { id: bob, owner: dana@example.com, team: red }
  - { id: cid, owner: sam@example.com, team: blue }
  - { id: dot, owner: sam@example.com, team: blue, until: 2027-03-13 }
${name === 'bobRevoked' ? 'revoked: [{ jti: jti-bob, because: "laptop lost" }]' : ''}
budgets:
  - id: agent-hour
    limit: ${money(BUDGETS['agent-hour'].limit * times)}
    payments: ${14n * times}
    window: hour
    per: agent
  - { id: team-day, limit: ${money((name === 'tighter' ? 300_000n : 1_000_000n) * times)}, window: day, per: team }
  - { id: service-minute, limit: ${money(450_000n * times)}, rolling: 1m, per: [agent, service] }
  - { id: all-total, limit: ${money(1_900_000n * times)}, window: total, per: all }
entitlements:
  - id: red-buys
    agents: [{ team: red }]
    services: [weather, writer]
    requests: ["GET /v1/**", "POST /v1/**"]
    assets: [usd.play, pts.play, usd.chain]
    payees: [acme-weather, acme-writer, ${ADDRESSES.slice(0, 2).join(', ')}]
    ceiling: 0.50 USD
    budgets: [agent-hour, team-day]
  - id: blue-buys
    agents: [{ team: blue }]
    services: [weather, writer, maps]
    assets: [usd.play, pts.play, usd.chain]
    payees: [acme-weather, acme-writer, acme-maps, ${ADDRESSES.join(', ')}]
    ceiling: 0.50 USD
    budgets: [team-day, service-minute]
guardrails:
  budgets: [all-total]
  deny:
    - { agents: { id: dot }, services: [maps], requests: ["GET /v1/forbidden"], because: "not a business purpose" }
`;

const CONTEXT = {
  ...{ services: [...SERVICES], assets: ASSETS, currency: CURRENCY, timeZone: 'UTC', issuers: [ISSUER] },
};

const SETS = new Map<string, PolicySet>();

/** A policy set; `times` widens its budgets. */
export function policySet(name: PolicyName, times = 1n): PolicySet {
  const known = SETS.get(`${name} ${times}`);
  if (known) return known;
  const files = [{ file: 'town.yaml', bytes: Buffer.from(POLICY(name, times)) }];
  const { set, problems } = buildSet({ files, problems: [] }, CONTEXT);
  if (!set) throw new Error(`the policies cannot be read: ${JSON.stringify(problems)}`);
  SETS.set(`${name} ${times}`, set);
  return set;
}

function money(micros: bigint): string {
  return `${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')} USD`;
}

function decimal(text: string) {
  const read = readDecimal(text);
  if (!read) throw new Error(`${text} is no decimal`);
  return read;
}

/** A token is the agent's name and when it ends, in seconds from 1970; nothing is signed. */
export function identify(token: string, nowMs: number): Identity | Refusal {
  const [subject = '', ends = '0'] = token.split('~');
  const expiresAt = Number(ends);
  if (expiresAt * 1_000 + 30_000 <= nowMs || subject === 'forged') {
    const code = subject === 'forged' ? 'token_invalid' : 'token_expired';
    return { kind: 'refused', code, detail: 'not a token of this town' };
  }
  const issuedAt = expiresAt - 3_600;
  return { issuer: ISSUER, subject, jti: `jti-${subject}`, issuedAt, expiresAt, task: null, actors: [] };
}

/** The PKCS#8 form of an Ed25519 key made of one repeated byte: the same in every run. */
function pemOf(byte: number): string {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, byte)]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return String(key.export({ type: 'pkcs8', format: 'pem' }));
}

export const WALLET_PEM = pemOf(3);
/** The key of the wallet on the chain; it owns nothing anywhere. */
export const CHAIN_KEY = '03'.repeat(32);

let folder: string | null = null;

/** A folder with the log's two secrets, removed when the process ends. */
export function keyFolder(): string {
  if (folder) return folder;
  const made = mkdtempSync(join(tmpdir(), 'purser-simulation-'));
  writeFileSync(join(made, 'log-key.pem'), pemOf(5), { mode: 0o600 });
  writeFileSync(join(made, 'mask.key'), Buffer.alloc(32, 9), { mode: 0o600 });
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  folder = made;
  return made;
}
