// The smallest policy line: put where it says, it allows what was refused, and without it the same is refused.
import { expect, test } from 'vitest';
import { amend } from '../../src/explain/amend.ts';
import { forecast } from '../../src/explain/forecast.ts';
import { type Asked, type AskedDemand, judge, type World } from '../../src/explain/judge.ts';
import { build, NOW, TOKEN } from '../policy/sets.ts';

const ONE = { digits: 1n, scale: 0 };
const ASSETS = [
  { id: 'play', network: 'sandbox', token: 'usd', decimals: 2, value: ONE },
  { id: 'usdc', network: 'eip155:8453', token: TOKEN, decimals: 6, value: ONE },
];

const POLICY = `agents:
  - { id: research-1, owner: dana@x.test, team: research }
  - id: support-1
    owner: lee@x.test
    suspended: "key leaked"
  - { id: loner-1, owner: sam@x.test }
budgets:
  - { id: day, limit: 5 USD, window: day, per: agent }
  - { id: by-team, limit: 5 USD, window: day, per: team }
entitlements:
  - id: research-buys
    agents: { team: research }
    services: [weather]
    requests: ["GET /v1/**"]
    assets: [play]
    payees: [acme]
    ceiling: 0.50 USD
    budgets: [day]
  - id: over
    agents: { team: research }
    services: [casino]
    assets: [play]
    payees: any
    ceiling: 0.10 USD
    budgets: [by-team]
    until: 2026-11-22
guardrails:
  deny:
    - { services: [shop], because: "closed" }
`;

function worldOf(text: string): World {
  const { set, shown } = build(text);
  if (!set) throw new Error(shown.join('\n'));
  const walletFor = () => ({ wallet: 'w', unpayable: null });
  return { set, currency: 'USD', timeZone: 'UTC', assets: ASSETS, walletFor, nowMs: NOW };
}

const demand = (over: Partial<AskedDemand> = {}): AskedDemand => ({
  micros: 20_000n,
  asset: 'play',
  network: null,
  payee: 'acme',
  ...over,
});

const asked = (over: Partial<Asked> = {}): Asked => ({
  agent: 'research-1',
  service: 'weather',
  method: 'GET',
  path: '/v1/x',
  task: null,
  demand: demand(),
  ...over,
});

/** Writes each amendment into the file, as a person would. */
function written(text: string, world: World, question: Asked): string {
  const lines = text.split('\n');
  const { amendments } = amend(world, question, judge(world, question));
  for (const { at, line, where } of amendments) {
    const index = Number(at.split(':')[1]) - 1;
    if (where.startsWith('a new line')) {
      lines.splice(lines.indexOf('guardrails:'), 0, `  ${line}`);
      continue;
    }
    const indent = /^[ -]*/.exec(lines[index] ?? '')?.[0] ?? '';
    expect(lines[index]?.slice(indent.length).split(':')[0]).toBe(line.split(':')[0]);
    lines[index] = `${indent}${line}`;
  }
  return lines.join('\n');
}

test.each<[string, Partial<Asked>, string[]]>([
  ['payee_forbidden', { demand: demand({ payee: 'mallory' }) }, ['0.yaml:16 payees: [acme, mallory]']],
  ['asset_unknown', { demand: demand({ asset: 'usdc', payee: null }) }, ['0.yaml:15 assets: [play, usdc]']],
  ['over_ceiling', { demand: demand({ micros: 2_000_001n }) }, ['0.yaml:17 ceiling: 2.000001 USD']],
  ['no_entitlement', { method: 'POST' }, ['0.yaml:14 requests: ["GET /v1/**", "POST /v1/x"]']],
  ['no_entitlement', { service: 'casino', demand: demand({ micros: 10_000n }) }, ['0.yaml:26 until: 2026-11-23']],
  ['no_entitlement', { agent: 'loner-1' }, ['0.yaml:12 agents: [{ team: research }, { id: loner-1 }]']],
  [
    'payee_forbidden',
    { demand: demand({ payee: 'true', micros: 900_000n }) },
    ['0.yaml:16 payees: [acme, "true"]', '0.yaml:17 ceiling: 0.90 USD'],
  ],
])('a refusal %s names the line that would allow it, and only that line does', (code, over, lines) => {
  const world = worldOf(POLICY);
  const question = asked(over);
  const told = forecast(world, question);
  expect(told).toMatchObject({ outcome: 'refused', code, afterwards: 'allowed', beyond: null });
  if (over.demand?.asset !== 'usdc') expect(told.amendments.map(({ at, line }) => `${at} ${line}`)).toEqual(lines);
  const amended = judge(worldOf(written(POLICY, world, question)), question);
  expect(amended.refusal).toBeNull();
});

test('what lacks two things is allowed by an entitlement of its own, as narrow as what was asked', () => {
  const world = worldOf(POLICY);
  const question = asked({ agent: 'loner-1', service: 'weather', method: 'POST', path: '/v2/*' });
  const told = forecast(world, question);
  expect(told.nearest?.lacks.map(({ key, at }) => [key, at])).toEqual([
    ['requests', '0.yaml:14'],
    ['agents', '0.yaml:12'],
  ]);
  expect(told.amendments).toMatchObject([{ where: 'a new line under entitlements' }]);
  expect(told.amendments[0]?.line).toBe(
    '- { id: loner-1-weather, agents: { id: loner-1 }, services: [weather], requests: ["POST /v2/*"], ' +
      'assets: [play], payees: [acme], ceiling: 0.02 USD, budgets: [day] }',
  );
  const amended = worldOf(written(POLICY, world, question));
  expect(judge(amended, question).refusal).toBeNull();
  expect(judge(amended, { ...question, agent: 'research-1' }).refusal?.code).toBe('no_entitlement');
});

test('no line is offered where none can help: a strange asset, too high a price, a guardrail, a suspension', () => {
  const world = worldOf(POLICY);
  const strange = forecast(world, asked({ demand: demand({ asset: '0xabc', network: 'eip155:1' }) }));
  expect(strange).toMatchObject({ code: 'asset_unknown', amendments: [], afterwards: null });
  expect(strange.beyond).toContain('Add it under `assets` in config.yaml');
  const huge = forecast(world, asked({ demand: demand({ micros: 9_007_199_254_740_992n }) }));
  expect(huge).toMatchObject({ code: 'over_ceiling', amendments: [] });
  expect(huge.beyond).toContain('the most is 9007199254 USD');
  const closed = forecast(world, asked({ service: 'shop' }));
  expect(closed).toMatchObject({ code: 'denied', amendments: [], rule: { kind: 'deny', at: '0.yaml:29' } });
  const left = forecast(world, asked({ agent: 'support-1' }));
  expect(left).toMatchObject({ code: 'agent_suspended', rule: { kind: 'agent', id: 'support-1', at: '0.yaml:5' } });
  const nobody = forecast(world, asked({ agent: 'nobody' }));
  expect(nobody).toMatchObject({ code: 'agent_unknown', amendments: [], rule: null, nearest: null });
});

test('an agent that needs a team first is told so, and what a wider line opens beside', () => {
  const told = forecast(
    worldOf(POLICY.replace('until: 2026-11-22', 'until: 2027-11-22')),
    asked({
      agent: 'loner-1',
      service: 'casino',
      demand: demand({ micros: 10_000n }),
    }),
  );
  expect(told.amendments[0]?.note).toContain('budget by-team counts per team: give loner-1 a team first (0.yaml:6)');
  expect(told.amendments[0]?.note).toContain('for everything else that over allows, too');
});

test('a line that does not suffice alone says what would still refuse it', () => {
  const world = { ...worldOf(POLICY), walletFor: () => ({ wallet: null, unpayable: NO_WALLET }) };
  const told = forecast(world, asked({ demand: demand({ payee: 'mallory' }) }));
  expect(told.afterwards).toBe('rail_unavailable');
});

const NO_WALLET = { code: 'rail_unavailable', detail: 'none' } as const;
