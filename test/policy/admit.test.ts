// Before anything goes upstream: standing, then guardrails, then the first entitlement that takes the request.
import { expect, test } from 'vitest';
import { admit, standing } from '../../src/policy/decide.ts';
import { ask, BUDGETS, entitlement, goodSet, identity, NOW, POLICY, REGISTER } from './sets.ts';

const outcome = (text: string, who = identity(), what = ask()) => {
  const judged = admit(goodSet(text), who, what);
  return judged.kind === 'refused' ? judged.code : judged.entitlement.id;
};
const rules = (...list: string[]) => `${REGISTER}${BUDGETS}entitlements:\n${list.join('')}`;

test('default deny: what no entitlement takes is refused', () => {
  expect(outcome(POLICY)).toBe('buy');
  expect(outcome(POLICY, identity(), ask('shop'))).toBe('no_entitlement');
  expect(outcome(POLICY, identity({ subject: 'support-1' }))).toBe('no_entitlement');
  expect(outcome(REGISTER)).toBe('no_entitlement');
});

test('who is not in the register may do nothing, whoever issued the token', () => {
  expect(outcome(POLICY, identity({ subject: 'research-2' }))).toBe('agent_unknown');
  expect(outcome(POLICY, identity({ issuer: 'https://evil.test' }))).toBe('agent_unknown');
});

test('suspended and expired agents are refused, with their reason and owner', () => {
  const suspended = POLICY.replace('owner: dana@x.test', 'owner: dana@x.test, suspended: "key leaked"');
  const judged = admit(goodSet(suspended), identity(), ask());
  expect(judged).toMatchObject({ code: 'agent_suspended', agent: { id: 'research-1' } });
  expect(judged.kind === 'refused' && judged.detail).toContain('key leaked');
  const until = (day: string) => POLICY.replace('owner: dana@x.test', `owner: dana@x.test, until: ${day}`);
  expect(outcome(until('2026-11-22'))).toBe('agent_expired');
  expect(outcome(until('2026-11-23'))).toBe('buy');
});

test('an agent is good through the end of its last day in the accounting time zone', () => {
  const text = POLICY.replace('owner: dana@x.test', 'owner: dana@x.test, until: 2026-11-23');
  const set = goodSet(text, { timeZone: 'America/New_York' });
  const end = Date.UTC(2026, 10, 24, 5);
  expect(standing(set, identity(), end - 1)).toBeUndefined();
  expect(standing(set, identity(), end)?.code).toBe('agent_expired');
});

test('revoked tokens are refused by id, and all of an agent by the time of issue', () => {
  expect(outcome(`${POLICY}revoked: [ { jti: token-1, because: x } ]\n`)).toBe('token_revoked');
  expect(outcome(`${POLICY}revoked: [ { jti: token-2, because: x } ]\n`)).toBe('buy');
  const since = `${POLICY}revoked: [ { agent: research-1, issuedBefore: "2026-11-23T12:00:00Z", because: x } ]\n`;
  expect(outcome(since)).toBe('token_revoked');
  expect(outcome(since, identity({ issuedAt: NOW / 1000 }))).toBe('buy');
});

test('CONF-13 guardrails come before entitlements, and the first entitlement that matches decides', () => {
  const deny = (rule: string) => `${POLICY}guardrails: { deny: [ ${rule} ] }\n`;
  expect(outcome(deny('{ services: [weather], because: "no business" }'))).toBe('denied');
  expect(outcome(deny('{ services: [weather], agents: { id: support-1 } }'))).toBe('buy');
  expect(outcome(deny('{ requests: ["POST /**"] }'))).toBe('buy');
  expect(outcome(deny('{ services: [weather], payees: [evil] }'))).toBe('buy');
  const narrow = entitlement(', requests: ["GET /v1/**"]', 'narrow');
  expect(outcome(rules(narrow, entitlement('', 'wide')))).toBe('narrow');
  expect(outcome(rules(narrow, entitlement('', 'wide')), identity(), ask('weather', '/v2'))).toBe('wide');
  expect(outcome(rules(entitlement(', until: 2026-11-22', 'past'), entitlement('', 'wide')))).toBe('wide');
});

test('entitlements of several files decide in file-name order', () => {
  const set = goodSet([
    REGISTER,
    BUDGETS,
    `entitlements:\n${entitlement('', 'first')}`,
    `entitlements:\n${entitlement('', 'second')}`,
  ]);
  expect(admit(set, identity(), ask())).toMatchObject({ kind: 'admitted', entitlement: { id: 'first' } });
});

test('in a selector all keys must match, and items of a list are alternatives', () => {
  const select = (selector: string) => outcome(POLICY.replace('{ id: "research-*" }', selector));
  expect(select('{ team: research, label: { env: prod } }')).toBe('buy');
  expect(select('{ team: research, label: { env: dev } }')).toBe('no_entitlement');
  expect(select('{ team: [other, research] }')).toBe('buy');
  expect(select('[{ team: other }, { owner: dana@x.test }]')).toBe('buy');
  expect(select('{ label: { toString: prod } }')).toBe('no_entitlement');
});

test('a refusal names neither other agents nor rules', () => {
  const text = `${POLICY}guardrails: { deny: [ { agents: { id: [research-1, support-1] }, because: "audit" } ] }\n`;
  const judged = admit(goodSet(text), identity(), ask());
  expect(judged.kind === 'refused' && judged.detail).toMatch(/audit/);
  expect(JSON.stringify(judged)).not.toMatch(/support-1|"buy"/);
});
