// What a scrape shows, and that nothing an agent sends can make it grow.
import { afterEach, expect, test } from 'vitest';
import type { LineState } from '../../src/domain/hold.ts';
import { REFUSALS } from '../../src/domain/refusal.ts';
import { createMetrics, type Metrics, type MetricsOptions } from '../../src/observe/metrics.ts';

const line = (budget: string, scope: string): LineState => ({
  budget,
  scope,
  limitMicros: 5_000_000n,
  settledMicros: 1_000_000n,
  heldMicros: 250_000n,
  limitPayments: null,
  payments: 3,
  windowStart: 0,
  resetsAt: null,
});

const open: Metrics[] = [];
afterEach(() => {
  for (const metrics of open.splice(0)) metrics.close();
});

function metricsOf(changes: Partial<MetricsOptions> = {}): Metrics {
  const metrics = createMetrics({
    services: ['weather', 'news'],
    rails: ['evm'],
    store: async () => ({
      holds: { held: 1, exposed: 2, uncertain: 3 },
      oldestUncertainSeconds: 7,
      budgets: [line('day', '["research-1"]')],
    }),
    policy: () => ({
      version: 'abc',
      lastReloadSuccessful: true,
      agentsUntil: [{ agent: 'research-1', until: 1.8e9 }],
    }),
    segmentsStuck: () => true,
    blocked: () => ({ draining: false, ledger: false, policy: false, store: true }),
    ...changes,
  });
  open.push(metrics);
  return metrics;
}

test('a scrape shows every documented family with its labels and values', async () => {
  const metrics = metricsOf();
  metrics.request('weather', 'paid');
  metrics.request('weather', 'paid');
  metrics.payment('weather', 'sandbox', 'settled');
  metrics.refusal('over_ceiling');
  metrics.spend('research', 'weather', 30_000n);
  metrics.spend(null, 'weather', 1n);
  metrics.stage('hold', 0.002);
  const text = await metrics.text();
  for (const expected of [
    'purser_requests_total{service="weather",outcome="paid"} 2',
    'purser_payments_total{service="weather",rail="sandbox",state="settled"} 1',
    'purser_refusals_total{code="over_ceiling"} 1',
    'purser_refusals_total{code="denied"} 0',
    'purser_spend_micros_total{team="research",service="weather"} 30000',
    'purser_spend_micros_total{team="",service="weather"} 1',
    'purser_holds{state="uncertain"} 3',
    'purser_budget_limit_micros{budget="day",scope="[\\"research-1\\"]"} 5000000',
    'purser_budget_used_micros{budget="day",scope="[\\"research-1\\"]",state="settled"} 1000000',
    'purser_budget_used_micros{budget="day",scope="[\\"research-1\\"]",state="held"} 250000',
    'purser_policy_info{version="abc"} 1',
    'purser_policy_last_reload_successful 1',
    'purser_agent_until_seconds{agent="research-1"} 1800000000',
    'purser_stage_seconds_count{stage="hold"} 1',
    'purser_segments_last_move_successful 0',
    'purser_can_pay{reason="store"} 0',
    'purser_can_pay{reason="ledger"} 1',
  ]) {
    expect(text).toContain(`${expected}\n`);
  }
  expect(text).toMatch(/purser_event_loop_delay_seconds\{percentile="99"\} \d/);
});

test('LEAK-08 a hundred thousand invented services, codes, stages and teams make no series of their own', async () => {
  const metrics = metricsOf();
  for (let index = 0; index < 100_000; index++) {
    metrics.request(`invented-${index}`, 'refused');
    metrics.payment(`invented-${index}`, 'sandbox', 'settled');
    metrics.refusal(`invented-${index}`);
    metrics.stage(`invented-${index}`, 0.001);
    metrics.spend(`team-${index}`, 'weather', 1n);
  }
  const text = await metrics.text();
  expect(text).not.toContain('invented');
  expect(text).toContain('purser_requests_total{service="unknown",outcome="refused"} 100000\n');
  expect(text).toContain('purser_refusals_total{code="other"} 100000\n');
  expect(text).toContain('purser_spend_micros_total{team="other",service="other"} 99000\n');
  expect(text.split('\n').length).toBeLessThan(2_000);
});

test('LEAK-08 a budget shows its 1,000 fullest scopes, a register its 1,000 soonest review dates', async () => {
  const scopes = Array.from({ length: 3_000 }, (_, index) => line('day', `["agent-${index}"]`));
  const agentsUntil = Array.from({ length: 3_000 }, (_, index) => ({ agent: `agent-${index}`, until: 3_000 - index }));
  const metrics = metricsOf({
    store: async () => ({
      holds: { held: 0, exposed: 0, uncertain: 0 },
      oldestUncertainSeconds: 7,
      budgets: [...scopes, line('month', '[]')],
    }),
    policy: () => ({ version: 'abc', lastReloadSuccessful: true, agentsUntil }),
  });
  const text = await metrics.text();
  expect(text.match(/^purser_budget_limit_micros\{budget="day"/gm)).toHaveLength(1_000);
  expect(text).toContain('purser_budget_limit_micros{budget="month",scope="[]"} 5000000\n');
  expect(text.match(/^purser_agent_until_seconds\{/gm)).toHaveLength(1_000);
  expect(text).toContain('{agent="agent-2999"} 1\n');
});

test('a store that does not answer takes its own gauges away, old values too, and nothing else', async () => {
  let answers = true;
  const metrics = metricsOf({
    store: async () => {
      if (!answers) throw new Error('lost');
      return { holds: { held: 1, exposed: 0, uncertain: 0 }, oldestUncertainSeconds: 7, budgets: [line('day', '[]')] };
    },
  });
  expect(await metrics.text()).toContain('purser_budget_limit_micros{');
  answers = false;
  const text = await metrics.text();
  expect(text).not.toContain('purser_budget_limit_micros{');
  expect(text).not.toContain('purser_holds{');
  expect(text).toContain('purser_policy_info{version="abc"} 1\n');
});

test('a former policy version is gone once another is in force', async () => {
  let version = 'one';
  const metrics = metricsOf({ policy: () => ({ version, lastReloadSuccessful: false, agentsUntil: [] }) });
  await metrics.text();
  version = 'two';
  const text = await metrics.text();
  expect(text).toContain('purser_policy_info{version="two"} 1\n');
  expect(text).not.toContain('version="one"');
  expect(text).toContain('purser_policy_last_reload_successful 0\n');
});

test('scrapes at the same time read the store once, and two gateways of one process share no counter', async () => {
  let reads = 0;
  const store = async () => {
    reads++;
    return { holds: { held: 0, exposed: 0, uncertain: 0 }, oldestUncertainSeconds: 7, budgets: [] };
  };
  const [one, other] = [metricsOf({ store }), metricsOf()];
  one.refusal('denied');
  await Promise.all(Array.from({ length: 20 }, () => one.text()));
  expect(reads).toBe(1);
  await one.text();
  expect(reads).toBe(2);
  expect(await other.text()).toContain('purser_refusals_total{code="denied"} 0\n');
  expect(Object.keys(REFUSALS).every((code) => /^[a-z_]+$/.test(code))).toBe(true);
});
