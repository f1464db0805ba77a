// Our "no", as a value. One table says for each code its status, its title and whether a repeat may help.

interface Row {
  readonly status: number;
  /** The problem's title and the HTTP reason phrase. */
  readonly title: string;
  /** Seconds a client should wait, 1 to 30; only where a repeat is safe and may help. */
  readonly retryAfter?: number;
}

/** Every code that an agent can be answered with. */
export const REFUSALS = {
  token_missing: { status: 401, title: 'Identity token missing' },
  token_invalid: { status: 401, title: 'Identity token not accepted' },
  token_expired: { status: 401, title: 'Identity token expired' },
  token_revoked: { status: 401, title: 'Identity token revoked' },
  agent_unknown: { status: 403, title: 'Agent not registered' },
  agent_suspended: { status: 403, title: 'Agent suspended' },
  agent_expired: { status: 403, title: 'Agent past its review date' },
  service_unknown: { status: 404, title: 'No such service' },
  target_forbidden: { status: 400, title: 'Request target not allowed' },
  header_malformed: { status: 400, title: 'Unreadable request header' },
  agent_payment_forbidden: { status: 403, title: 'Agents do not pay around the gateway' },
  denied: { status: 403, title: 'Denied by policy' },
  no_entitlement: { status: 403, title: 'No entitlement for this request' },
  challenge_malformed: { status: 424, title: 'Payment demand unreadable' },
  challenge_unsupported: { status: 424, title: 'Payment demand not supported' },
  challenge_expired: { status: 424, title: 'Payment demand expired' },
  challenge_mismatch: { status: 424, title: 'Payment demand contradicts itself or the request' },
  challenge_reused: { status: 424, title: 'Payment demand seen before' },
  asset_unknown: { status: 403, title: 'Asset not allowed' },
  payee_forbidden: { status: 403, title: 'Payee not allowed' },
  over_ceiling: { status: 403, title: 'Price over the ceiling' },
  over_max_price: { status: 403, title: 'Price over the maximum the agent set' },
  rail_unavailable: { status: 403, title: 'No wallet can pay this demand' },
  budget_exceeded: { status: 403, title: 'Budget exceeded' },
  service_paused: { status: 403, title: 'Service paused for this agent' },
  stopped: { status: 403, title: 'Payments stopped by an operator' },
  slow_down: { status: 429, title: 'Too many refused requests', retryAfter: 30 },
  idempotency_mismatch: { status: 422, title: 'Idempotency key used for another request' },
  in_flight: { status: 409, title: 'The same purchase is still running', retryAfter: 1 },
  body_too_large: { status: 413, title: 'Request body too large to be paid for' },
  payment_rejected: { status: 424, title: 'Payment proof not accepted by the service' },
  payment_uncertain: { status: 424, title: 'Payment outcome unknown' },
  paid_not_delivered: { status: 424, title: 'Service failed after the payment proof' },
  already_paid: { status: 424, title: 'Already paid' },
  redirect_forbidden: { status: 424, title: 'Redirect to another host' },
  upstream_unreachable: { status: 502, title: 'Service unreachable', retryAfter: 1 },
  upstream_timeout: { status: 504, title: 'Service did not answer in time', retryAfter: 5 },
  store_unavailable: { status: 503, title: 'Budget store unavailable', retryAfter: 2 },
  ledger_unavailable: { status: 503, title: 'Receipt log unavailable', retryAfter: 5 },
} as const satisfies Record<string, Row>;

/** A stable code; programs match on it, people read the detail. */
export type RefusalCode = keyof typeof REFUSALS;

/** The row of a code, with every optional member present in the type. */
export const refusalRow = (code: RefusalCode): Row => REFUSALS[code];

/** The numbers of a budget that said no; all money as strings with six decimals. */
export interface BudgetNumbers {
  readonly budget: string;
  readonly asked: string;
  readonly limit: string;
  readonly settled: string;
  readonly held: string;
  /** RFC 3339, or null when the window never turns over. */
  readonly resetsAt: string | null;
}

/** What a refusal says beside its code. Nothing in it may come from a foreign error message. */
export interface Refusal {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  /** One or two sentences for a person: what was wrong, and the next step. */
  readonly detail: string;
  readonly numbers?: BudgetNumbers;
  /** Seconds; overrides the table, for a budget whose window will turn over. */
  readonly retryAfter?: number;
  /** Further members of the problem document, such as `upstreamStatus`. */
  readonly members?: Readonly<Record<string, string | number | null>>;
}

/** Makes a refusal; `extra` adds numbers and members. */
export function refuse(
  code: RefusalCode,
  detail: string,
  extra: Omit<Refusal, 'kind' | 'code' | 'detail'> = {},
): Refusal {
  return { kind: 'refused', code, detail, ...extra };
}

/** Is this value a refusal? Every step of the exchange answers its result or one of these. */
export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'refused';
}
