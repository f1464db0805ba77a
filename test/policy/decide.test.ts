// The decision on a demand: each offer in order, the least value of those that may be paid, and the lines it touches.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_MICROS } from '../../src/domain/money.ts';
import { type Admitted, admit, type Candidate, decide, linesOf, reach } from '../../src/policy/decide.ts';
import type { PolicySet } from '../../src/policy/load.ts';
import { budgetsOf } from '../../src/policy/reach.ts';
import { ask, candidate, goodSet, identity, NOW, POLICY } from './sets.ts';

const ADDRESS = `0x${'b'.repeat(40)}`;
const LISTED = POLICY.replace('payees: any', `payees: [acme, "${ADDRESS}"]`);

function admitted(set: PolicySet, who = identity()): Admitted {
  const judged = admit(set, who, ask());
  if (judged.kind === 'refused') throw new Error(judged.detail);
  return judged;
}

function judge(text: string, candidates: Candidate[], maxMicros: bigint | null = null, who = identity()) {
  const set = goodSet(text);
  const maxPrice = maxMicros === null ? null : { micros: maxMicros, currency: 'USD' };
  return decide(set, admitted(set, who), { candidates, maxPrice });
}
const codeOf = (...given: Parameters<typeof judge>) => {
  const judged = judge(...given);
  return judged.kind === 'refused' ? judged.code : judged.kind;
};

test('what the entitlement allows is decided, with every check and its numbers', () => {
  const judged = judge(LISTED, [candidate(500_000n)], 600_000n);
  expect(judged.kind).toBe('decided');
  expect(judged.checks).toEqual([
    { check: 'standing', outcome: 'passed' },
    { check: 'guardrails.deny', outcome: 'passed' },
    { check: 'entitlement', outcome: 'passed' },
    { check: 'asset', outcome: 'passed' },
    { check: 'payee', outcome: 'passed' },
    { check: 'ceiling', outcome: 'passed', limit: '0.500000', asked: '0.500000' },
    { check: 'max_price', outcome: 'passed', limit: '0.600000', asked: '0.500000' },
    { check: 'guardrails.deny', outcome: 'passed' },
    { check: 'wallet', outcome: 'passed' },
  ]);
});

test('each way to say no has its code', () => {
  expect(codeOf(LISTED, [candidate(1n, { asset: null })])).toBe('asset_unknown');
  expect(codeOf(LISTED.replace('[play, usdc]', '[usdc]').replace('acme, ', ''), [candidate(1n)])).toBe('asset_unknown');
  expect(codeOf(LISTED, [candidate(1n, { payee: 'evil' })])).toBe('payee_forbidden');
  expect(codeOf(LISTED, [candidate(500_001n)])).toBe('over_ceiling');
  expect(codeOf(LISTED, [candidate(2n)], 1n)).toBe('over_max_price');
  expect(codeOf(LISTED, [candidate(1n, { wallet: null })])).toBe('rail_unavailable');
  const unpayable = { ...candidate(1n), wallet: null, unpayable: { code: 'challenge_mismatch', detail: 'x' } as const };
  expect(codeOf(LISTED, [unpayable])).toBe('challenge_mismatch');
  const deny = `${LISTED}guardrails: { deny: [ { payees: [acme], because: x } ] }\n`;
  expect(codeOf(deny, [candidate(1n)])).toBe('denied');
  expect(codeOf(`${LISTED}guardrails: { deny: [ { assets: [usdc] } ] }\n`, [candidate(1n)])).toBe('decided');
  expect(codeOf(LISTED, [])).toBe('challenge_unsupported');
});

test('a payee counts on its own network alone', () => {
  expect(codeOf(LISTED, [candidate(1n, { asset: 'usdc', payee: ADDRESS })])).toBe('decided');
  expect(codeOf(LISTED, [candidate(1n, { asset: 'usdc', payee: 'acme' })])).toBe('payee_forbidden');
  expect(codeOf(LISTED, [candidate(1n, { payee: ADDRESS })])).toBe('payee_forbidden');
});

test('MONEY-04 more than a store can count is over the ceiling, however large', () => {
  expect(codeOf(LISTED, [candidate(MAX_MICROS + 1n)])).toBe('over_ceiling');
  expect(codeOf(LISTED, [candidate(10n ** 90n)])).toBe('over_ceiling');
});

test('FLOW-30 the maximum of an agent only narrows, and is in the accounting currency', () => {
  expect(codeOf(LISTED, [candidate(500_001n)], 10n ** 12n)).toBe('over_ceiling');
  const set = goodSet(LISTED);
  const judged = decide(set, admitted(set), { candidates: [candidate(1n)], maxPrice: { micros: 9n, currency: 'EUR' } });
  expect(judged).toMatchObject({ kind: 'refused', code: 'over_max_price' });
});

test('of the offers that may be paid the least value wins, then the service’s order; else the first one’s no', () => {
  const best = (list: Candidate[]) => {
    const judged = judge(LISTED, list);
    return judged.kind === 'decided' ? list.indexOf(judged.candidate) : judged.code;
  };
  expect(best([candidate(30n), candidate(10n, { payee: 'evil' }), candidate(20n), candidate(20n)])).toBe(2);
  expect(best([candidate(1n, { payee: 'evil' }), candidate(10n ** 9n)])).toBe('payee_forbidden');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.bigInt({ min: 1n, max: 10n ** 6n }), fc.boolean()), { minLength: 1 }),
      (offers) => {
        const list = offers.map(([micros, good]) => candidate(micros, { payee: good ? 'acme' : 'evil' }));
        const allowed = list.filter((c) => c.offer.payee === 'acme' && (c.micros ?? 0n) <= 500_000n);
        const least = allowed.reduce((low, c) => ((c.micros ?? 0n) < low ? (c.micros ?? 0n) : low), 10n ** 9n);
        const judged = judge(LISTED, list);
        if (judged.kind === 'decided') expect(judged.candidate).toBe(allowed.find((c) => c.micros === least));
        else expect(allowed).toEqual([]);
      },
    ),
    { numRuns: 50 },
  );
});

test('a set that is newer than the admission judges the request again', () => {
  const before = admitted(goodSet(LISTED));
  const demand = { candidates: [candidate(1n)], maxPrice: null };
  const suspended = goodSet(LISTED.replace('team: research', 'team: research, suspended: stop'));
  expect(decide(suspended, before, demand)).toMatchObject({ code: 'agent_suspended' });
  const lower = goodSet(LISTED.replace('limit: 5 USD', 'limit: 1 USD'));
  const judged = decide(lower, before, demand);
  expect(judged.kind === 'decided' && judged.lines[0]?.limitMicros).toBe(1_000_000n);
});

function scopes(per: string, over: Parameters<typeof identity>[0] = {}, payee = 'acme'): string | undefined {
  const judged = judge(LISTED.replace('per: agent', `per: ${per}`), [candidate(1n, { payee })], null, identity(over));
  return judged.kind === 'decided' ? judged.lines[0]?.scope : judged.code;
}

test('scopes are canonical JSON arrays of what the budget counts apart', () => {
  expect(scopes('agent')).toBe('["research-1"]');
  expect(scopes('team')).toBe('["research"]');
  expect(scopes('owner')).toBe('["dana@x.test"]');
  expect(scopes('service')).toBe('["weather"]');
  expect(scopes('payee')).toBe('[["sandbox","acme"]]');
  expect(scopes('all')).toBe('[]');
  expect(scopes('[service, agent]')).toBe('["research-1","weather"]');
});

test('a task is the token’s; absent ones of an agent share one scope that no task can name', () => {
  expect(scopes('task', { task: 't-1' })).toBe('[["https://idp.test","t-1"]]');
  expect(scopes('task')).toBe('[[null,"research-1"]]');
});

test('the entitlement’s budgets come first, then the guardrails’, each once', () => {
  const judged = judge(`${LISTED}guardrails: { budgets: [org, day] }\n`, [candidate(1n)]);
  expect(judged.kind === 'decided' && judged.lines.map(({ budget }) => budget)).toEqual(['day', 'org']);
});

test('an agent’s own pages show what it may reach and the lines it touches, and nothing when it may not act', () => {
  const set = goodSet(`${LISTED}guardrails: { budgets: [org] }\n`);
  expect(reach(set, identity(), NOW)).toMatchObject([
    { service: 'weather', requests: ['* /**'], ceiling: '0.500000', budgets: ['day', 'org'], until: null },
  ]);
  expect(linesOf(set, identity(), NOW).map(({ budget, scope }) => [budget, scope])).toEqual([
    ['day', '["research-1"]'],
    ['org', '[]'],
  ]);
  expect(reach(set, identity({ subject: 'support-1' }), NOW)).toEqual([]);
  expect(reach(set, identity({ subject: 'nobody' }), NOW)).toEqual([]);
  expect(budgetsOf(set).map(({ budget, per }) => [budget, per])).toEqual([
    ['day', 'agent'],
    ['org', 'all'],
  ]);
});
