// What an entitlement lacks, held against the decision itself.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { entitles } from '../../src/policy/admit.ts';
import { lacksOf, nearest } from '../../src/policy/lacking.ts';
import { ask, BUDGETS, build, entitlement, goodSet, NOW, POLICY, REGISTER } from './sets.ts';

test('nothing is lacking exactly where the decision finds the entitlement', () => {
  const more = ', requests: ["GET /v1/**"], until: 2026-11-23';
  const set = goodSet(`${REGISTER}${BUDGETS}entitlements:\n${entitlement()}${entitlement(more, 'b')}`);
  const question = fc.record({
    agent: fc.constantFrom(...set.agents.map(({ agent }) => agent)),
    service: fc.constantFrom('weather', 'casino'),
    path: fc.constantFrom('/v1/x', '/v2/x'),
    method: fc.constantFrom('GET', 'POST'),
    later: fc.constantFrom(0, 43_199_999, 43_200_000, 86_400_000),
  });
  fc.assert(
    fc.property(question, ({ agent, service, path, method, later }) => {
      const request = ask(service, path, method, NOW + later);
      for (const one of set.entitlements) {
        expect(lacksOf(one, agent, request).length === 0).toBe(entitles(one, agent, request));
      }
    }),
  );
});

test('the nearest lacks the least; of two equal ones the earlier', () => {
  const file = `${REGISTER}${BUDGETS}entitlements:\n${[
    entitlement(', requests: ["POST /**"]', 'first'),
    entitlement(', until: 2026-11-01', 'ended'),
    entitlement(', until: 2026-11-01', 'ended-too'),
  ].join('')}`;
  const set = goodSet(file);
  const [agent] = set.agents.map((entry) => entry.agent);
  if (!agent) throw new Error('an agent');
  expect(nearest(set, agent, ask())?.entitlement.id).toBe('ended');
  expect(nearest(set, agent, ask('casino'))?.entitlement.id).toBe('ended');
  expect(nearest({ ...set, entitlements: [] }, agent, ask())).toBeUndefined();
});

test('every entry and key knows its line, and where they stand is no part of the version', () => {
  const moved = `# a comment\n\n${POLICY}`;
  const [here, there] = [goodSet(['budgets: []\n', POLICY]), goodSet(['budgets: []\n', moved])];
  expect(here.spots.agents.get('support-1')).toMatchObject({ file: '1.yaml', line: 3 });
  expect(there.spots.agents.get('support-1')).toMatchObject({ file: '1.yaml', line: 5 });
  expect(here.spots.entitlements.get('buy')?.keys.ceiling).toBe(8);
  expect(here.spots.budgets.get('org')?.line).toBe(6);
  expect(there.version).toBe(here.version);
});

test('revocations and deny rules know their lines', () => {
  const more = `revoked:
  - { jti: gone, because: x }
  - { agent: research-1, issuedBefore: 2026-11-23T10:00:00Z, because: x }
guardrails:
  deny:
    - { services: [casino] }
    - services: [shop]
`;
  const set = build([POLICY, more]).set;
  expect(set?.spots.revokedTokens.get('gone')).toMatchObject({ file: '1.yaml', line: 2 });
  expect(set?.spots.revokedAgents.get('research-1')?.line).toBe(3);
  expect(set?.spots.deny.map(({ line }) => line)).toEqual([6, 7]);
});
