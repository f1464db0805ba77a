// The columns of FOCUS 1.2, and what stands in them.
import { expect, test } from 'vitest';
import { FOCUS_COLUMNS, FOCUS_DIMENSIONS, focusRecord } from '../../src/report/focus.ts';
import { NOTHING } from '../../src/report/totals.ts';

/** What version 1.2 of the specification makes mandatory; null where a column may have no value. */
const MANDATORY: Readonly<Record<string, 'value' | 'null'>> = {
  BilledCost: 'value',
  BillingAccountId: 'value',
  BillingAccountName: 'null',
  BillingCurrency: 'value',
  BillingPeriodEnd: 'value',
  BillingPeriodStart: 'value',
  ChargeCategory: 'value',
  ChargeClass: 'null',
  ChargeDescription: 'value',
  ChargePeriodEnd: 'value',
  ChargePeriodStart: 'value',
  ContractedCost: 'value',
  EffectiveCost: 'value',
  InvoiceIssuerName: 'value',
  ListCost: 'value',
  PricingQuantity: 'value',
  PricingUnit: 'value',
  ProviderName: 'value',
  PublisherName: 'value',
  ServiceCategory: 'value',
  ServiceName: 'value',
};

const PERIOD = {
  dayStart: '2026-11-22T23:00:00Z',
  dayEnd: '2026-11-23T23:00:00Z',
  monthStart: '2026-10-31T23:00:00Z',
  monthEnd: '2026-11-30T23:00:00Z',
};

const VALUES: Readonly<Record<string, string | null>> = {
  day: '2026-11-23',
  wallet: 'play',
  agent: 'research-1',
  owner: 'dana@example.com',
  team: 'research',
  service: 'weather',
  provider: null,
  payee: 'sandbox:acme',
  asset: 'usd.sandbox',
  entitlement: 'buys-weather',
  labels: '{"costCenter":"4711"}',
};

function record(changes: Readonly<Record<string, string | null>> = {}): Record<string, string | null> {
  const values = FOCUS_DIMENSIONS.map(({ name }) => ({ ...VALUES, ...changes })[name] ?? null);
  const totals = { ...NOTHING, settled: 1_500_000n, settledFees: 20_000n, payments: 3n, uncertain: 7n };
  const cells = focusRecord({ values, totals: { ...totals, uncertainPayments: 1n } }, 'USD', () => PERIOD);
  return Object.fromEntries(FOCUS_COLUMNS.map((name, index) => [name, cells[index] ?? null]));
}

test('every mandatory column is there, and has a value where it must', () => {
  const cells = record();
  for (const [name, value] of Object.entries(MANDATORY)) {
    expect(cells, name).toHaveProperty(name);
    if (value === 'value') expect(cells[name], name).toMatch(/./);
  }
});

test('columns of the specification come first and are in its case; ours come after, and say that they are ours', () => {
  const ours = FOCUS_COLUMNS.findIndex((name) => name.startsWith('x_'));
  for (const name of FOCUS_COLUMNS.slice(0, ours)) expect(name).toMatch(/^[A-Z][A-Za-z]+$/);
  for (const name of FOCUS_COLUMNS.slice(ours)) expect(name).toMatch(/^x_[A-Z][A-Za-z]+$/);
});

test('only settled money is cost; uncertain money and fees stand apart', () => {
  expect(record()).toMatchObject({
    BilledCost: '1.500000',
    EffectiveCost: '1.500000',
    ContractedCost: '1.500000',
    ListCost: '1.500000',
    x_FeeCost: '0.020000',
    x_UncertainCost: '0.000007',
    x_UncertainPayments: '1',
    PricingQuantity: '3',
    BillingCurrency: 'USD',
  });
});

test('times are UTC in whole seconds, as the specification writes them', () => {
  const { BillingPeriodStart, BillingPeriodEnd, ChargePeriodStart, ChargePeriodEnd } = record();
  expect([BillingPeriodStart, BillingPeriodEnd, ChargePeriodStart, ChargePeriodEnd]).toEqual([
    PERIOD.monthStart,
    PERIOD.monthEnd,
    PERIOD.dayStart,
    PERIOD.dayEnd,
  ]);
});

test('a service without a provider is known by its name; labels are tags, ours are prefixed', () => {
  expect(record().ProviderName).toBe('weather');
  expect(record({ provider: 'Acme' }).ProviderName).toBe('Acme');
  const tags = { costCenter: '4711', 'purser/owner': 'dana@example.com', 'purser/team': 'research' };
  expect(JSON.parse(record().Tags ?? '')).toEqual(tags);
  expect(JSON.parse(record({ team: null, labels: '{"__proto__":"x"}' }).Tags ?? '')).toEqual(
    JSON.parse('{"__proto__":"x","purser/owner":"dana@example.com"}'),
  );
});
