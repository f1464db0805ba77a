// Policies: every class of mistake is told with its place and its fix; the version is that of the content.
import { expect, test } from 'vitest';
import { BUDGETS, build, entitlement, goodSet, POLICY, REGISTER } from './sets.ts';

test('a good policy has no problems, and its version is that of its content, not of its form', () => {
  const { set, shown } = build(POLICY);
  expect(shown.filter((line) => !line.includes('warning:'))).toEqual([]);
  expect(set?.version).toMatch(/^[0-9a-f]{64}$/);
  expect(goodSet(`# a comment\n${POLICY.replace('limit: 5 USD', 'limit:   "5 USD"')}`).version).toBe(set?.version);
  expect(goodSet(POLICY.replace('5 USD', '6 USD')).version).not.toBe(set?.version);
});

test('limits, windows and scopes come out canonical', () => {
  const set = goodSet(`${REGISTER}budgets:
  - { id: day, limit: 5.25 USD, payments: 3, rolling: 24h, per: [service, agent] }
  - { id: org, limit: 9007199254 USD, window: total, per: all }
entitlements:\n${entitlement()}guardrails: { budgets: [org] }\n`);
  expect(set.budgets.get('day')).toMatchObject({
    window: { kind: 'rolling', lengthMs: 86_400_000 },
    per: 'agent,service',
    limitMicros: 5_250_000n,
    limitPayments: 3,
  });
  expect(set.budgets.get('org')).toMatchObject({ window: { kind: 'total' }, per: 'all', limitPayments: null });
});

const one = (change: string, id = 'buy') => `${REGISTER}${BUDGETS}entitlements:\n${entitlement(change, id)}`;
const swap = (from: string, to: string) => POLICY.replace(from, to);

const mistakes: [string, string, RegExp][] = [
  [
    'CONF-03 one agent twice',
    swap('id: support-1', 'id: research-1'),
    /^0\.yaml:3:11 {2}agents\[1\]\.id {2}stands twice, first at 0\.yaml:2/,
  ],
  ['CONF-03 one budget twice', swap('id: org', 'id: day'), /0\.yaml:6:11 {2}budgets\[1\]\.id {2}stands twice/],
  ['CONF-03 one key twice', swap('limit: 5 USD', 'limit: 5 USD, limit: 6 USD'), /budgets\[0\]\.limit {2}stands twice/],
  [
    'CONF-05 a misspelt key',
    swap('limit: 5', 'limitt: 5'),
    /5:16 {2}budgets\[0\]\.limitt {2}is not a known key; did you mean `limit`/,
  ],
  [
    'CONF-05 a word of another product',
    swap('window: day', 'window: daily'),
    /budgets\[0\]\.window {2}.*did you mean `day`/,
  ],
  [
    'CONF-05 a window as a key',
    swap('window: day', 'Daily: 5'),
    /budgets\[0\]\.Daily {2}is not a known key; did you mean `window: day`/,
  ],
  [
    'CONF-05 budgets at the wrong level',
    `${POLICY}limits: {}\n`,
    /limits {2}is not a known key; did you mean `budgets`/,
  ],
  ['AGENT-09 an agent without owner', swap(', owner: dana@x.test', ''), /2:5 {2}agents\[0\]\.owner {2}is required/],
  ['CONF-02 a key that reaches a prototype', swap('env: prod', '__proto__: prod'), /cannot be a key/],
  ['CONF-14 a tag', swap('dana@x.test', '!!js/function x'), /tags/],
  [
    'a number where text belongs',
    swap('env: prod', 'env: 4711'),
    /agents\[0\]\.labels\.env {2}must be text; put it in quotes/,
  ],
  [
    'an unknown service',
    swap('services: [weather]', 'services: [wether]'),
    /8:57 {2}entitlements\[0\]\.services\[0\] {2}there is no service of this name; did you mean `weather`/,
  ],
  [
    'an unknown asset',
    swap('assets: [play', 'assets: [plya'),
    /assets\[0\] {2}there is no asset of this name; did you mean `play`/,
  ],
  [
    'an unknown budget',
    swap('budgets: [day]', 'budgets: [dya]'),
    /budgets\[0\] {2}there is no budget of this name; did you mean `day`/,
  ],
  [
    'an unknown guardrail budget',
    `${POLICY}guardrails: { budgets: [orgg] }\n`,
    /guardrails\.budgets\[0\] {2}there is no budget/,
  ],
  ['no budgets', swap('budgets: [day]', 'budgets: []'), /entitlements\[0\]\.budgets {2}must not be empty/],
  ['no payees', swap(', payees: any', ''), /entitlements\[0\]\.payees {2}is required/],
  [
    'an empty selector',
    swap('agents: { id: "research-*" }', 'agents: {}'),
    /entitlements\[0\]\.agents.* {2}selects nothing/,
  ],
  [
    'an empty deny rule',
    `${POLICY}guardrails: { deny: [ { because: x } ] }\n`,
    /guardrails\.deny\[0\] {2}selects nothing/,
  ],
  [
    'a pattern where names are compared',
    swap('{ id: "research-*" }', '{ team: "res*" }'),
    /agents.*team.* {2}is compared as it stands/,
  ],
  [
    'another currency',
    swap('limit: 5 USD', 'limit: 5 EUR'),
    /budgets\[0\]\.limit {2}must be in the accounting currency, USD/,
  ],
  [
    'MONEY-04 a limit beyond what stores count',
    swap('limit: 5 USD', 'limit: 9007199255 USD'),
    /budgets\[0\]\.limit {2}can be at most 9007199254 USD/,
  ],
  [
    'a limit without currency',
    swap('limit: 5 USD', 'limit: 5.00'),
    /budgets\[0\]\.limit {2}must be an amount and a currency/,
  ],
  ['a ceiling of nothing', swap('ceiling: 0.50', 'ceiling: 0'), /ceiling {2}must be more than 0/],
  [
    'window and rolling',
    swap('window: day', 'window: day, rolling: 1h'),
    /budgets\[0\] {2}needs window or rolling, one of both/,
  ],
  ['neither window nor rolling', swap('window: day, ', ''), /budgets\[0\] {2}needs window or rolling/],
  ['a rolling window of seconds', swap('window: day', 'rolling: 30s'), /budgets\[0\]\.rolling {2}must be from 1m/],
  ['all beside others', swap('per: agent', 'per: [agent, all]'), /budgets\[0\]\.per {2}all stands alone/],
  [
    'a day that is not in the calendar',
    swap('owner: lee@x.test', 'owner: lee, until: 2027-02-30'),
    /agents\[1\]\.until {2}must be a day/,
  ],
  [
    'an instant without zone',
    `${POLICY}revoked: [ { agent: research-1, issuedBefore: "2026-11-23T10:00:00", because: x } ]\n`,
    /revoked\[0\]\.issuedBefore {2}must be an instant/,
  ],
  [
    'a revocation of nobody',
    `${POLICY}revoked: [ { agent: reserch-1, issuedBefore: "2026-11-23T10:00:00Z", because: x } ]\n`,
    /revoked\[0\]\.agent {2}there is no agent of this name; did you mean `research-1`/,
  ],
  [
    'half a revocation',
    `${POLICY}revoked: [ { agent: research-1, because: x } ]\n`,
    /revoked\[0\] {2}needs agent and issuedBefore/,
  ],
  ['a request without method', one(', requests: ["/v1/**"]'), /requests\[0\] {2}must be a method/],
  ['a request with a query', one(', requests: ["GET /v1?x=*"]'), /requests\[0\] {2}cannot have a query/],
  ['** within a segment', one(', requests: ["GET /v1**"]'), /requests\[0\] {2}has \*\* within a segment/],
  [
    'a payee with a wrong checksum',
    swap('payees: any', 'payees: ["0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02914"]'),
    /payees\[0\] {2}must be an address.*EIP-55/,
  ],
  ['the zero address', swap('payees: any', `payees: ["0x${'0'.repeat(40)}"]`), /payees\[0\] {2}is the zero address/],
  [
    'per payee with any payee',
    swap('per: agent', 'per: [agent, payee]'),
    /entitlements\[0\]\.payees {2}cannot be any, since budget day counts per payee/,
  ],
  [
    'per payee in a guardrail with any payee',
    `${swap('per: all', 'per: payee')}guardrails: { budgets: [org] }\n`,
    /entitlements\[0\]\.payees {2}cannot be any, since budget org/,
  ],
  [
    'per team for an agent without team',
    swap('per: agent', 'per: team').replace('"research-*"', '"*"'),
    /entitlements\[0\]\.agents {2}selects support-1, which has no team/,
  ],
  [
    'an unknown issuer',
    swap('id: research-1', 'id: research-1, issuer: "https://idp.tset"'),
    /agents\[0\]\.issuer {2}is no issuer.*did you mean `https:\/\/idp\.test`/,
  ],
  [
    'patterns that meet',
    swap('id: research-1', 'id: research-1, subjects: ["r-*"]').replace(
      'id: support-1',
      'id: support-1, subjects: ["*-1"]',
    ),
    /subjects {2}`.*` could name the same token/,
  ],
  [
    'one subject for two agents',
    swap('id: support-1', 'id: support-1, subjects: [research-1]'),
    /agents\[1\]\.subjects {2}`research-1` could name the same token/,
  ],
];

test.each(mistakes)('%s is refused where it stands, with the fix', (_, text, expected) => {
  const { set, shown } = build(text);
  expect(set).toBeUndefined();
  expect(shown.filter((line) => expected.test(line)).length, shown.join('\n')).toBeGreaterThanOrEqual(1);
});

test('with several issuers every agent names its own', () => {
  const issuers = ['https://idp.test', 'https://other.test'];
  expect(build(POLICY, { issuers }).shown[0]).toMatch(/agents\[0\]\.issuer {2}is required with several issuers/);
  const named = POLICY.replaceAll('owner:', 'issuer: "https://other.test", owner:');
  expect(goodSet(named, { issuers }).findAgent('https://other.test', 'research-1')?.agent.id).toBe('research-1');
  expect(goodSet(named, { issuers }).findAgent('https://idp.test', 'research-1')).toBeUndefined();
});

test('all problems of all files are told at once', () => {
  const { shown } = build([
    REGISTER.replace('owner: lee', 'ownr: lee'),
    BUDGETS.replace('5 USD', '5'),
    `entitlements:\n${entitlement(', untli: x')}`,
  ]);
  expect(shown.map((line) => line.split(':')[0])).toEqual(['0.yaml', '0.yaml', '1.yaml', '2.yaml']);
});

test('CONF-13 a rule that can never decide is warned of, with the one that stands before it', () => {
  const rules = (second: string) => `${REGISTER}${BUDGETS}entitlements:\n${entitlement('', 'all')}${second}`;
  const dead = build(rules(entitlement(', requests: ["GET /v1/**"]', 'some')));
  expect(dead.set).toBeDefined();
  expect(dead.shown.join()).toMatch(/0\.yaml:9:5 {2}entitlements\[1\] {2}warning: can never decide: all \(0\.yaml:8\)/);
  const other = entitlement('', 'other').replace('research-*', 'support-*');
  expect(build(rules(other)).shown.join()).not.toContain('can never decide');
  const first = entitlement(', until: 2027-01-01', 'all');
  expect(build(`${REGISTER}${BUDGETS}entitlements:\n${first}${entitlement('', 'later')}`).shown.join()).not.toContain(
    'can never',
  );
});

test('names in selectors that nobody has are warned of, with the one that was meant', () => {
  const register = REGISTER.replace('owner: lee@x.test', 'owner: lee@x.test, team: red, labels: { env: prod }');
  const said = (more: string) => build(`${register}${BUDGETS}entitlements:\n${entitlement()}${more}`).shown.join('\n');
  const denied = (agents: string) => said(`guardrails: { deny: [ { agents: ${agents} } ] }\n`);
  const warned = (name: string) =>
    new RegExp(`guardrails\\.deny\\[0\\]\\.agents {2}warning: no agent of the register has the ${name}`);
  expect(denied('{ team: rde }')).toMatch(warned('team `rde`; did you mean `red`'));
  expect(denied('{ owner: le@x.test }')).toMatch(warned('owner `le@x.test`; did you mean `lee@x.test`'));
  expect(denied('[ { id: "*" }, { id: suport-1 } ]')).toMatch(warned('id `suport-1`; did you mean `support-1`'));
  expect(denied('{ label: { env: [prod, porduction] } }')).toMatch(warned('label env `porduction`'));
  expect(denied('{ label: { toString: x } }')).toMatch(warned('label toString `x`'));
  expect(denied('{ team: red, id: ["support-*", support-1], label: { env: prod } }')).not.toContain('no agent');
  const entitled = build(
    `${register}${BUDGETS}entitlements:\n${entitlement().replace('{ id: "research-*" }', '{ team: rde }')}`,
  );
  expect(entitled.shown.join('\n')).toMatch(
    /entitlements\[0\]\.agents {2}warning: no agent of the register has the team `rde`/,
  );
  expect(entitled.shown.join('\n')).not.toContain('selects no agent');
  expect(entitled.set).toBeDefined();
});

test('payees and subjects are canonical: an address in any case is one payee', () => {
  const set = goodSet(POLICY.replace('payees: any', 'payees: ["0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", acme]'));
  const payees = set.entitlements[0]?.payees;
  expect(payees).toEqual({ evm: new Set(['0x833589fcd6edb6e08f4c7c32d4f71b54bda02913']), sandbox: new Set(['acme']) });
});

test('exact subjects come before patterns', () => {
  const text = POLICY.replace('id: research-1', 'id: research-1, subjects: ["r-*"]').replace(
    'id: support-1',
    'id: support-1, subjects: ["r-special"]',
  );
  const set = goodSet(text);
  expect(set.findAgent('https://idp.test', 'r-7')?.agent.id).toBe('research-1');
  expect(set.findAgent('https://idp.test', 'r-special')?.agent.id).toBe('support-1');
  expect(set.findAgent('https://idp.test', 'research-1')).toBeUndefined();
});
