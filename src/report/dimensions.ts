// What spend can be reported by: a name, and where it stands in the `intended` receipt of a purchase.
import { canonicalJson } from '../domain/canonical.ts';
import type { Bought } from '../domain/receipt.ts';

/** A purchase at the moment it was decided, and the day it counts in. */
export interface Decided {
  readonly receipt: Bought;
  /** In the accounting time zone, as `2026-11-23`. */
  readonly day: string;
}

/** One thing to report by. Null stands for "none": an agent without a team, a service without a provider. */
export interface Dimension {
  readonly name: string;
  of(purchase: Decided): string | null;
}

const LABEL = 'label.';

/** By name. What an agent only claims of its task is no `task`. A payee is `<network>:<payee>`, as in budgets. */
const FIXED: Readonly<Record<string, Dimension['of']>> = {
  agent: ({ receipt }) => receipt.agent?.id ?? null,
  owner: ({ receipt }) => receipt.agent?.owner ?? null,
  team: ({ receipt }) => receipt.agent?.team ?? null,
  service: ({ receipt }) => receipt.service?.id ?? null,
  provider: ({ receipt }) => receipt.service?.provider ?? null,
  payee: ({ receipt }) => (receipt.offer ? `${receipt.offer.network}:${receipt.offer.payee}` : null),
  task: ({ receipt }) => receipt.agent?.task ?? null,
  taskClaimed: ({ receipt }) => receipt.agent?.taskClaimed ?? null,
  asset: ({ receipt }) => receipt.offer?.asset ?? null,
  network: ({ receipt }) => receipt.offer?.network ?? null,
  wallet: ({ receipt }) => receipt.hold?.wallet ?? null,
  entitlement: ({ receipt }) => receipt.decision?.entitlement ?? null,
  policy: ({ receipt }) => receipt.decision?.policy ?? null,
  day: ({ day }) => day,
  month: ({ day }) => day.slice(0, 7),
};

/** Every name that can stand after `--by`; `label.<name>` is one for each label. */
export const DIMENSION_NAMES: readonly string[] = [...Object.keys(FIXED), `${LABEL}<name>`];

/** The dimension of this name; undefined when there is none. */
export function dimension(name: string): Dimension | undefined {
  const of = Object.hasOwn(FIXED, name) ? FIXED[name] : undefined;
  if (of) return { name, of };
  if (!name.startsWith(LABEL) || name === LABEL) return undefined;
  const label = name.slice(LABEL.length);
  return { name, of: ({ receipt }) => labelValue(receipt.agent?.labels, label) };
}

/** All labels of the agent as canonical JSON. */
export const ALL_LABELS: Dimension = {
  name: 'labels',
  of: ({ receipt }) => canonicalJson(receipt.agent?.labels ?? {}),
};

function labelValue(labels: Readonly<Record<string, string>> | undefined, name: string): string | null {
  return labels && Object.hasOwn(labels, name) ? (labels[name] ?? null) : null;
}
