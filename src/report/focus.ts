// Spend in the columns of the FinOps Open Cost and Usage Specification (FOCUS) 1.2: all that it makes mandatory, the
// recommended ones that we can fill, and those of its conditional ones whose condition holds here. Ours are after them.
import { formatMicros } from '../domain/money.ts';
import { ALL_LABELS, type Dimension, dimension } from './dimensions.ts';
import type { Row } from './spend.ts';

/** The version whose columns these are. */
export const FOCUS_VERSION = '1.2';

/** Prefix of the tags that are not labels of the agent. */
const TAG_PREFIX = 'purser/';

const KEYS = [
  'day',
  'wallet',
  'agent',
  'owner',
  'team',
  'service',
  'provider',
  'payee',
  'asset',
  'entitlement',
] as const;

/** What one line of the data set stands for: an agent's purchases of one day from one payee, by one wallet. */
export const FOCUS_DIMENSIONS: readonly Dimension[] = [
  ...KEYS.map(dimension).filter((found) => found !== undefined),
  ALL_LABELS,
];

/** A day and the month it is in, as date-times of the specification (UTC, whole seconds). */
export interface ChargePeriod {
  readonly dayStart: string;
  readonly dayEnd: string;
  readonly monthStart: string;
  readonly monthEnd: string;
}

/** The column names in their order. */
export const FOCUS_COLUMNS = [
  'BilledCost',
  'BillingAccountId',
  'BillingAccountName',
  'BillingCurrency',
  'BillingPeriodEnd',
  'BillingPeriodStart',
  'ChargeCategory',
  'ChargeClass',
  'ChargeDescription',
  'ChargeFrequency',
  'ChargePeriodEnd',
  'ChargePeriodStart',
  'ContractedCost',
  'EffectiveCost',
  'InvoiceId',
  'InvoiceIssuerName',
  'ListCost',
  'PricingQuantity',
  'PricingUnit',
  'ProviderName',
  'PublisherName',
  'ServiceCategory',
  'ServiceName',
  'ServiceSubcategory',
  'SubAccountId',
  'Tags',
  'x_Asset',
  'x_Entitlement',
  'x_FeeCost',
  'x_FocusVersion',
  'x_Payee',
  'x_UncertainCost',
  'x_UncertainFeeCost',
  'x_UncertainPayments',
] as const;

type FocusRecord = Readonly<Record<(typeof FOCUS_COLUMNS)[number], string | null>>;

/**
 * One line, its cells in the order of the columns. Only settled money is cost, with its fees; what is uncertain stands
 * in our own columns. There is no list price and no discount: all four costs are what was paid. Null is "no value".
 */
export function focusRecord(row: Row, currency: string, periodOf: (day: string) => ChargePeriod): (string | null)[] {
  const [day, wallet, agent, owner, team, service, provider, payee, asset, entitlement, labels] = row.values;
  const { settled, settledFees, payments, uncertain, uncertainFees, uncertainPayments } = row.totals;
  const period = periodOf(day ?? '');
  const cost = formatMicros(settled);
  // A service whose provider is not configured is known by its own name alone.
  const seller = provider ?? service ?? null;
  const cells: FocusRecord = {
    BilledCost: cost,
    BillingAccountId: wallet ?? null,
    BillingAccountName: null,
    BillingCurrency: currency,
    BillingPeriodEnd: period.monthEnd,
    BillingPeriodStart: period.monthStart,
    ChargeCategory: 'Usage',
    ChargeClass: null,
    ChargeDescription: `Requests of agent ${agent} to service ${service}`,
    ChargeFrequency: 'Usage-Based',
    ChargePeriodEnd: period.dayEnd,
    ChargePeriodStart: period.dayStart,
    ContractedCost: cost,
    EffectiveCost: cost,
    InvoiceId: null,
    InvoiceIssuerName: seller,
    ListCost: cost,
    PricingQuantity: payments.toString(),
    PricingUnit: 'Requests',
    ProviderName: seller,
    PublisherName: seller,
    ServiceCategory: 'Other',
    ServiceName: service ?? null,
    ServiceSubcategory: 'Other (Other)',
    SubAccountId: agent ?? null,
    Tags: tagsOf(labels ?? '{}', { owner, team }),
    x_Asset: asset ?? null,
    x_Entitlement: entitlement ?? null,
    x_FeeCost: formatMicros(settledFees),
    x_FocusVersion: FOCUS_VERSION,
    x_Payee: payee ?? null,
    x_UncertainCost: formatMicros(uncertain),
    x_UncertainFeeCost: formatMicros(uncertainFees),
    x_UncertainPayments: uncertainPayments.toString(),
  };
  return FOCUS_COLUMNS.map((column) => cells[column]);
}

/** Labels are the tags of the user, without prefix; owner and team are ours, and prefixed. */
function tagsOf(labels: string, ours: Readonly<Record<string, string | null | undefined>>): string {
  const tags: [string, unknown][] = Object.entries(JSON.parse(labels));
  for (const [name, value] of Object.entries(ours)) if (value) tags.push([TAG_PREFIX + name, value]);
  return JSON.stringify(Object.fromEntries(tags));
}
