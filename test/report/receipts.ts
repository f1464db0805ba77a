// Receipts of purchases for tests of reports, with everything that can be reported by.
import type { ReceiptEntry } from '../../src/domain/receipt.ts';

/** What a test says of one purchase. */
export interface Bought {
  readonly kind: 'intended' | 'settled' | 'voided' | 'uncertain' | 'resolved';
  /** The purchase. */
  readonly n: number;
  readonly amount?: string;
  readonly fee?: string;
  readonly agent?: NonNullable<ReceiptEntry['agent']>;
  readonly service?: NonNullable<ReceiptEntry['service']>;
  readonly currency?: string;
  /** `resolved`: how. */
  readonly as?: string;
  /** The log the hold is of. */
  readonly log?: string;
  readonly windows?: readonly string[];
}

export const AGENT = {
  id: 'research-1',
  subject: 'research-1',
  owner: 'dana@example.com',
  team: 'research',
  labels: { costCenter: '4711', env: 'prod' },
  issuer: 'i',
  task: 't-1',
};

/** One receipt's entry. */
export function bought(about: Bought): ReceiptEntry {
  const { kind, n, amount = '0.010000', fee = '0.000000', agent = AGENT, currency = 'USD', log = 'plog' } = about;
  const { service = { id: 'weather', provider: 'Acme' } } = about;
  return {
    kind,
    exchange: `${log}.${n}`,
    agent,
    service,
    offer: { asset: 'usd.sandbox', network: 'sandbox', atoms: '1', payee: 'acme', value: amount, currency },
    decision: { policy: 'ab'.repeat(32), entitlement: 'buys-weather', outcome: 'allowed', checks: [] },
    hold: {
      id: `${log}.${n}.1`,
      wallet: 'play',
      amount,
      fee,
      budgets: (about.windows ?? []).map((window) => ({ id: 'b', scope: '[]', window })),
    },
    ...(kind === 'resolved'
      ? { change: { what: `resolved as ${about.as}`, outcome: 'applied' as const, by: 'x' } }
      : {}),
  };
}
