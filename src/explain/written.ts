// Parts of a policy as an operator would write them in its file: text that reads back as the same rule.
import { formatMicros, type Micros } from '../domain/money.ts';
import type { Lack } from '../policy/lacking.ts';
import type { Selector } from '../policy/schema.ts';
import type { Entitlement, Payees, Spot } from '../policy/set.ts';

const PLAIN = /^[A-Za-z][A-Za-z0-9_.-]*$/;
const WORDS = new Set(['true', 'false', 'null', 'yes', 'no', 'on', 'off', 'any']);

/** One value: plain where YAML reads plain text back as it stands, else in quotes. */
export function value(text: string): string {
  return PLAIN.test(text) && !WORDS.has(text.toLowerCase()) ? text : JSON.stringify(text);
}

export const list = (texts: Iterable<string>): string => `[${[...texts].map(value).join(', ')}]`;

/** `0.50 USD`: at least two decimals, no more than are needed. */
export function money(micros: Micros, currency: string): string {
  return `${formatMicros(micros).replace(/0{1,4}$/, '')} ${currency}`;
}

export const payees = (listed: Payees): string => (listed === 'any' ? 'any' : list([...listed.sandbox, ...listed.evm]));

/** The selectors of an entitlement's `agents`. */
export function selectors(all: readonly Selector[]): string {
  const each = all.map(selector);
  return each.length === 1 ? (each[0] ?? '') : `[${each.join(', ')}]`;
}

function selector({ id, owner, team, label }: Selector): string {
  const texts = (items: readonly string[]): string => (items.length === 1 ? value(items[0] ?? '') : list(items));
  const labels = Object.entries(label ?? {}).map(([key, values]) => `${value(key)}: ${texts(values)}`);
  const keys = [
    ...(id ? [`id: ${texts(id.map((pattern) => pattern.text))}`] : []),
    ...(owner ? [`owner: ${texts(owner)}`] : []),
    ...(team ? [`team: ${texts(team)}`] : []),
    ...(labels.length > 0 ? [`label: { ${labels.join(', ')} }`] : []),
  ];
  return `{ ${keys.join(', ')} }`;
}

/** The request patterns of an entitlement. */
export const requests = (entitlement: Entitlement): string =>
  list((entitlement.requests ?? []).map(({ method, path }) => `${method} ${path.text}`));

/** The last day of an entitlement, or the day of an instant, where the accounting turns over. */
export function dayOf(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(ms);
}

/** What a key of an entitlement says now. */
export function keyText(entitlement: Entitlement, key: Lack | 'assets' | 'payees' | 'ceiling', of: Written): string {
  switch (key) {
    case 'until':
      return entitlement.untilMs === null ? 'no end' : dayOf(entitlement.untilMs - 1, of.timeZone);
    case 'requests':
      return entitlement.requests === null ? 'every request' : requests(entitlement);
    case 'services':
      return list(entitlement.services);
    case 'agents':
      return selectors(entitlement.agents);
    case 'assets':
      return list(entitlement.assets);
    case 'payees':
      return payees(entitlement.payees);
    case 'ceiling':
      return money(entitlement.ceilingMicros, of.currency);
  }
}

/** What texts of money and days depend on. */
export interface Written {
  readonly currency: string;
  readonly timeZone: string;
}

/** `file:line` of an entry, or of one of its keys where that is written. */
export function at(spot: Spot | undefined, key?: string): string {
  if (spot === undefined) return 'the policies';
  const line = key !== undefined && Object.hasOwn(spot.keys, key) ? spot.keys[key] : undefined;
  return `${spot.file}:${line ?? spot.line}`;
}
