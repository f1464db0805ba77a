// The dashboard and the alerts, against what a running gateway says of itself: every metric, label and value that they
// ask for is there.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { REFUSALS } from '../../src/domain/refusal.ts';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { answer, goods } from '../fakes/script.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { groupingsOf, selectionsOf, seriesOf } from './expressions.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const DEPLOY = new URL('../../deploy/', import.meta.url).pathname;
const ALERTS = join(DEPLOY, 'alerts.yaml');
const rules: Rule[] = parse(readFileSync(ALERTS, 'utf8')).groups.flatMap(({ rules }: { rules: Rule[] }) => rules);
const dashboard: { panels: Panel[]; templating: { list: { name: string; definition?: string }[] } } = JSON.parse(
  readFileSync(join(DEPLOY, 'grafana-dashboard.json'), 'utf8'),
);
const targets = dashboard.panels.flatMap((panel) => panel.targets.map((target) => ({ panel: panel.title, ...target })));
const expressions: [string, string][] = [
  ...rules.map(({ alert, expr }): [string, string] => [alert, expr]),
  ...targets.map(({ panel, expr }): [string, string] => [panel, expr]),
];

let merchant: HostileMerchant;
let gateway: TestGateway;
let scrape: string;

beforeAll(async () => {
  const paid = (nth: number) => (nth === 1 ? goods : answer(402));
  merchant = await hostileMerchant({ paid });
  const agents = '  - { id: buyer-1, owner: dana@example.com, team: research, until: 2099-01-31 }';
  gateway = await startGateway({ upstream: merchant.url, policies: policy({ agents }) });
  for (const path of ['/shop/a', '/shop/b', '/nowhere/c']) await (await gateway.ask(path)).text();
  scrape = await (await fetch(`${gateway.operators}/metrics`)).text();
});
afterAll(async () => {
  await gateway.close();
  await merchant.close();
});

test('the scrape under test has a payment, an uncertain one and a refusal in it', () => {
  expect(scrape).toMatch(/purser_payments_total\{.*state="settled"\} 1\n/);
  expect(scrape).toMatch(/purser_holds\{state="uncertain"\} 1\n/);
  expect(scrape).toMatch(/purser_refusals_total\{code="service_unknown"\} 1\n/);
});

test('every step that a purchase takes is timed', () => {
  const counts = [...scrape.matchAll(/purser_stage_seconds_count\{stage="(\w+)"\} (\d+)/g)];
  const taken = counts.filter(([, , count]) => Number(count) > 0).map(([, stage]) => stage);
  expect(taken).toEqual([
    ...['identify', 'admit', 'forward', 'read', 'decide', 'hold', 'expose', 'seal', 'prove', 'pay'],
  ]);
});

test.each(expressions)('%s asks for metrics, labels and values that are there', (_name, expression) => {
  const series = seriesOf(scrape);
  const selections = selectionsOf(expression);
  expect(selections).not.toEqual([]);
  for (const { metric, matchers } of selections) {
    const labels = series.get(metric);
    expect(labels, metric).toBeDefined();
    for (const { label, operator, value } of matchers) {
      expect([...(labels?.keys() ?? [])], metric).toContain(label);
      const values = operator.endsWith('~') ? value.split('|') : [value];
      for (const wanted of values.filter((text) => !text.startsWith('$'))) {
        expect([...(labels?.get(label) ?? [])], `${metric}.${label}`).toContain(wanted);
      }
    }
  }
  const known = new Set(selections.flatMap(({ metric }) => [...(series.get(metric)?.keys() ?? [])]));
  for (const label of groupingsOf(expression)) expect([...known]).toContain(label);
});

test('texts of alerts and legends name labels that their expressions leave', () => {
  const texts = [
    ...rules.map(({ expr, annotations }) => [expr, Object.values(annotations).join(' ')] as const),
    ...targets.map(({ expr, legendFormat }) => [expr, legendFormat] as const),
  ];
  for (const [expression, text] of texts) {
    const named = [...text.matchAll(/\$labels\.(\w+)|\{\{\s*(\w+)\s*\}\}/g)].map(([, one, other]) => one ?? other);
    for (const label of named) expect(groupingsOf(expression), text).toContain(label);
  }
});

test('codes in alerts are codes of refusals', () => {
  const named = rules.flatMap(({ expr }) =>
    selectionsOf(expr).flatMap(({ matchers }) =>
      matchers.flatMap(({ label, value }) => (label === 'code' ? value.split('|') : [])),
    ),
  );
  expect(named).not.toEqual([]);
  for (const code of named) expect(Object.keys(REFUSALS)).toContain(code);
});

test('every alert says what is wrong and what to do, and how much it matters', () => {
  for (const { labels, annotations } of rules) {
    expect(Object.keys(annotations).sort()).toEqual(['description', 'summary']);
    expect(['critical', 'warning', 'info']).toContain(labels.severity);
  }
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
});

test('panels lie beside each other, and the variables read metrics that are there', () => {
  const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)}/${y + Math.floor(cell / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  const series = seriesOf(scrape);
  for (const { definition } of dashboard.templating.list) {
    if (definition === undefined) continue;
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? [];
    expect([...(series.get(metric)?.keys() ?? [])]).toContain(label);
  }
});

const promtool = spawnSync('promtool', ['--version']).status === 0;

/** Runs promtool on files written for it; resolves with what it said when it was not content. */
function promtoolSays(args: readonly string[], files: Readonly<Record<string, string>>, input?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'purser-promtool-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const run = spawnSync('promtool', args, { cwd: folder, input, encoding: 'utf8' });
    return run.status === 0 ? '' : `${run.stdout}${run.stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.runIf(promtool)('promtool takes the alerts, the panels’ expressions and the scrape', () => {
  expect(promtoolSays(['check', 'rules', ALERTS], {})).toBe('');
  const record = targets.map(({ expr }, index) => ({
    record: `panel:${index}`,
    expr: expr.replaceAll('$__rate_interval', '5m'),
  }));
  const panels = stringify({ groups: [{ name: 'panels', rules: record }] });
  expect(promtoolSays(['check', 'rules', 'panels.yaml'], { 'panels.yaml': panels })).toBe('');
  expect(promtoolSays(['check', 'metrics'], {}, scrape)).toBe('');
});

/** Series that make an alert fire, when, and with which labels. */
const FIRES: Readonly<Record<string, { series: Record<string, string>; at: string; labels?: Record<string, string> }>> =
  {
    PurserBudgetNearlySpent: {
      series: {
        'purser_budget_used_micros{budget="b",scope="s",state="settled",instance="1"}': '80x10',
        'purser_budget_used_micros{budget="b",scope="s",state="settled",instance="2"}': '80x10',
        'purser_budget_used_micros{budget="b",scope="s",state="held",instance="1"}': '10x10',
        'purser_budget_limit_micros{budget="b",scope="s",instance="1"}': '100x10',
        'purser_budget_limit_micros{budget="b",scope="s",instance="2"}': '100x10',
      },
      at: '5m',
      labels: { budget: 'b', scope: 's' },
    },
    PurserUncertainHolds: { series: { purser_uncertain_oldest_seconds: '0+60x90' }, at: '62m' },
    PurserEvidenceAlarming: {
      series: { 'purser_evidence_total{rail="evm",result="alarming"}': '0x5 1x20' },
      at: '10m',
      labels: { rail: 'evm' },
    },
    PurserPaymentsNotTaken: {
      series: { 'purser_refusals_total{code="payment_rejected"}': '0+1x30' },
      at: '20m',
      labels: { code: 'payment_rejected' },
    },
    PurserRefusalsJump: {
      series: { 'purser_refusals_total{code="over_ceiling"}': '0x100 0+10x20' },
      at: '112m',
      labels: { code: 'over_ceiling' },
    },
    PurserPolicyNotReloaded: { series: { purser_policy_last_reload_successful: '0x20' }, at: '6m' },
    PurserPolicyDiffers: {
      series: { 'purser_policy_info{version="a"}': '1x20', 'purser_policy_info{version="b"}': '1x20' },
      at: '11m',
    },
    PurserAgentReviewNear: {
      series: {
        'purser_agent_until_seconds{agent="a"}': '1000000x5',
        'purser_agent_until_seconds{agent="z"}': '9000000x5',
      },
      at: '3m',
      labels: { agent: 'a' },
    },
    PurserStoreLost: { series: { 'purser_can_pay{reason="store"}': '0x5' }, at: '2m' },
    PurserSegmentsStuck: { series: { purser_segments_last_move_successful: '0x65' }, at: '61m' },
    PurserLedgerFailing: { series: { 'purser_can_pay{reason="ledger"}': '0x5' }, at: '2m' },
    PurserPolicyDisagrees: { series: { 'purser_can_pay{reason="policy"}': '0x10' }, at: '6m' },
    PurserGone: { series: { unrelated: '1x10' }, at: '3m' },
    PurserBusy: { series: { 'purser_event_loop_delay_seconds{percentile="99"}': '0.5x20' }, at: '11m' },
  };

test('for every alert there is a case in which it fires', () => {
  expect(Object.keys(FIRES).sort()).toEqual(rules.map(({ alert }) => alert).sort());
});

test.runIf(promtool)('by promtool, each alert fires in its case, and one that waits is silent at first', () => {
  const tests = rules.map(({ alert, labels: { severity } }) => {
    const { series, at, labels = {} } = FIRES[alert] ?? { series: {}, at: '0m' };
    const waits = rules.some((rule) => rule.alert === alert && rule.for !== undefined);
    const quiet = waits ? [{ eval_time: '0m', alertname: alert, exp_alerts: [] }] : [];
    return {
      interval: '1m',
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      firing: [...quiet, { eval_time: at, alertname: alert, exp_alerts: [{ exp_labels: { severity, ...labels } }] }],
    };
  });
  const cases = stringify({
    rule_files: ['alerts.yaml'],
    evaluation_interval: '1m',
    tests: tests.map(({ firing, ...rest }) => ({ ...rest, alert_rule_test: firing })),
  });
  // What it expects of texts would have to be written twice: they are left out.
  const bare = stringify({ groups: [{ name: 'all', rules: rules.map(({ annotations: _, ...rule }) => rule) }] });
  const said = promtoolSays(['test', 'rules', 'cases.yaml'], { 'cases.yaml': cases, 'alerts.yaml': bare });
  expect(said).toBe('');
});
