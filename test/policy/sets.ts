// Policies for tests: a context, files to policy sets, identities, demands.
import type { Identity } from '../../src/domain/agent.ts';
import type { Offer } from '../../src/domain/offer.ts';
import type { Candidate } from '../../src/policy/decide.ts';
import { buildSet, type PolicyContext } from '../../src/policy/load.ts';
import type { PolicySet } from '../../src/policy/set.ts';
import { showProblem } from '../../src/yaml/problem.ts';

export const TOKEN = `0x${'a'.repeat(40)}`;
export const NOW = Date.UTC(2026, 10, 23, 12);

export const CONTEXT: PolicyContext = {
  services: ['weather', 'casino', 'shop'],
  assets: [
    { id: 'play', network: 'sandbox', token: 'usd' },
    { id: 'usdc', network: 'eip155:8453', token: TOKEN },
  ],
  currency: 'USD',
  timeZone: 'UTC',
  issuers: ['https://idp.test'],
};

/** Builds a set of files, first to last. */
export function build(files: string | readonly string[], context: Partial<PolicyContext> = {}) {
  const texts = typeof files === 'string' ? [files] : files;
  const content = texts.map((text, index) => ({ file: `${index}.yaml`, bytes: new TextEncoder().encode(text) }));
  const { set, problems } = buildSet({ files: content, problems: [] }, { ...CONTEXT, ...context });
  return { set, shown: problems.map(showProblem) };
}

/** A set that must be good. */
export function goodSet(files: string | readonly string[], context: Partial<PolicyContext> = {}): PolicySet {
  const { set, shown } = build(files, context);
  if (!set) throw new Error(shown.join('\n'));
  return set;
}

export function identity(over: Partial<Identity> = {}): Identity {
  return {
    issuer: 'https://idp.test',
    subject: 'research-1',
    jti: 'token-1',
    issuedAt: NOW / 1000 - 60,
    expiresAt: NOW / 1000 + 60,
    task: null,
    actors: [],
    ...over,
  };
}

export const ask = (service = 'weather', path = '/v1/x', method = 'GET', nowMs = NOW) => ({
  service,
  method,
  path,
  nowMs,
  taskClaimed: null,
});

/** An offer on the sandbox, or on the chain when the payee is an address. */
export function candidate(
  micros: bigint,
  over: { payee?: string; asset?: string | null; wallet?: string | null } = {},
): Candidate {
  const { payee = 'acme', asset = 'play', wallet = 'w' } = over;
  const network = asset === 'usdc' ? 'eip155:8453' : 'sandbox';
  const token = asset === 'usdc' ? TOKEN : 'usd';
  const challenge = {
    dialect: 'mpp',
    method: 'sandbox',
    intent: 'charge',
    id: 'c',
    realm: 'r',
    request: 'e30',
    expires: null,
    expiresAt: null,
    digest: null,
    opaque: null,
    description: null,
    hash: '0'.repeat(64),
  } as const;
  const stated = { decimals: null, credentialTypes: null };
  const offer: Offer = { challenge, network, token, atoms: micros, payee, stated };
  const known = asset === null ? null : { id: asset, network, token, decimals: 6, value: { digits: 1n, scale: 0 } };
  return { offer, asset: known, micros: asset === null ? null : micros, wallet, unpayable: null };
}

export const REGISTER = `agents:
  - { id: research-1, owner: dana@x.test, team: research, labels: { env: prod } }
  - { id: support-1, owner: lee@x.test }
`;
export const BUDGETS = `budgets:
  - { id: day, limit: 5 USD, window: day, per: agent }
  - { id: org, limit: 100 USD, window: month, per: all }
`;
/** One entitlement in flow form, with changes. */
export const entitlement = (over = '', id = 'buy'): string =>
  [
    `  - { id: ${id}, agents: { id: "research-*" }, services: [weather], assets: [play, usdc]`,
    `payees: any, ceiling: 0.50 USD, budgets: [day]${over} }\n`,
  ].join(', ');
export const POLICY = `${REGISTER}${BUDGETS}entitlements:\n${entitlement()}`;
