// An operator's "no", as a value. One table says for each code its status and title; the detail is written for a person
// and never quotes a foreign message.

/** Every code the operators' port answers with. */
export const OPERATOR_PROBLEMS = {
  token_missing: { status: 401, title: 'Operator token missing' },
  token_unknown: { status: 401, title: 'Operator token not accepted' },
  token_read_only: { status: 403, title: 'Operator token may only read' },
  token_local_only: { status: 403, title: 'Operator token works on loopback only' },
  host_forbidden: { status: 403, title: 'Host not allowed' },
  origin_forbidden: { status: 403, title: 'Origin not allowed' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  query_invalid: { status: 400, title: 'Query not accepted' },
  body_invalid: { status: 400, title: 'Body not accepted' },
  body_too_large: { status: 413, title: 'Body too large' },
  body_not_json: { status: 415, title: 'Body is not JSON' },
  hold_unknown: { status: 404, title: 'No such open hold' },
  hold_running: { status: 409, title: 'The request of this hold has not ended' },
  proof_redeemable: { status: 409, title: 'A proof can still be redeemed' },
  evidence_contradicts: { status: 409, title: 'The evidence of the rail says otherwise' },
  outcome_sealed: { status: 409, title: 'The outcome of this hold is already sealed' },
  not_stopped: { status: 404, title: 'Not stopped' },
  store_unavailable: { status: 503, title: 'Budget store unavailable' },
  ledger_unavailable: { status: 503, title: 'Receipt log unavailable' },
  internal: { status: 500, title: 'Unexpected error' },
} as const;

/** A stable code; programs match on it, people read the detail. */
export type OperatorProblemCode = keyof typeof OPERATOR_PROBLEMS;

/** Why an operator's request was not carried out. */
export interface OperatorProblem {
  readonly kind: 'problem';
  readonly code: OperatorProblemCode;
  /** One or two sentences: what was wrong, and the next step. */
  readonly detail: string;
}

/** Makes a problem. */
export function problem(code: OperatorProblemCode, detail: string): OperatorProblem {
  return { kind: 'problem', code, detail };
}

/** Tells a problem from what was asked for. */
export function isProblem(value: object): value is OperatorProblem {
  return 'kind' in value && value.kind === 'problem';
}
