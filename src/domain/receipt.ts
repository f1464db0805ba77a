// The shape of a receipt: one zod schema, from which the type is inferred. Nothing sealed can ever be amended, so the
// fields stand from the first version on. Absent parts are left out, never null, unless the schema says so.
import { z } from 'zod';

const text = z.string();
const amount = z.string().regex(/^[0-9]+\.[0-9]{6}$/);
const instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const hex = z.string().regex(/^[0-9a-f]{64}$/);

/** Every kind of receipt. */
export const RECEIPT_KINDS = [
  'refused',
  'intended',
  'settled',
  'voided',
  'uncertain',
  'resolved',
  'delivered',
  'summary',
  'policy',
  'agent',
  'operator',
] as const;

const agent = z.strictObject({
  id: text.optional(),
  subject: text,
  owner: text.optional(),
  team: text.optional(),
  labels: z.record(text, text).optional(),
  issuer: text,
  jti: text.optional(),
  task: text.optional(),
  taskClaimed: text.optional(),
  purposeClaimed: text.optional(),
  actors: z.array(text).optional(),
});

const check = z.strictObject({
  check: text,
  outcome: z.enum(['passed', 'failed']),
  limit: text.optional(),
  settled: text.optional(),
  held: text.optional(),
  asked: text.optional(),
});

/** What the exchange hands to the ledger; the ledger adds what makes it a link of the chain. */
export const receiptEntry = z.strictObject({
  kind: z.enum(RECEIPT_KINDS),
  /** The request all receipts of one purchase share; absent for summary, policy, agent and operator receipts. */
  exchange: text.optional(),
  /** The trace id of `traceparent`, 32 hex digits. */
  trace: text.optional(),
  agent: agent.optional(),
  service: z.strictObject({ id: text, provider: text.optional() }).optional(),
  /** `queryHash` and `bodyHash` are HMACs under a key that never leaves the state folder. */
  request: z
    .strictObject({ method: text, path: text, queryHash: hex.optional(), bodyHash: hex.optional(), from: text })
    .optional(),
  challenge: z
    .strictObject({
      dialect: text,
      method: text,
      intent: text,
      id: text,
      realm: text,
      hash: hex,
      expires: text.optional(),
    })
    .optional(),
  offer: z
    .strictObject({ asset: text, network: text, atoms: text, payee: text, value: amount, currency: text })
    .optional(),
  decision: z
    .strictObject({
      policy: hex,
      entitlement: text.optional(),
      outcome: z.enum(['allowed', 'refused']),
      code: text.optional(),
      detail: text.optional(),
      checks: z.array(check),
    })
    .optional(),
  hold: z
    .strictObject({
      id: text,
      wallet: text,
      amount,
      fee: amount,
      budgets: z.array(z.strictObject({ id: text, scope: text, window: instant })),
    })
    .optional(),
  claim: z.strictObject({ key: hex.optional(), repeat: hex }).optional(),
  proof: z.strictObject({ identity: text, hash: hex.optional(), redeemableUntil: instant }).optional(),
  settlement: z
    .strictObject({
      evidence: z.enum(['answered', 'rail', 'person']).optional(),
      /** `answered`: the service's own claim; `rail`: what its books showed. Cut to 256 characters. */
      reference: text.optional(),
      receiptHash: hex.optional(),
      upstreamStatus: z.int().optional(),
    })
    .optional(),
  approval: z.strictObject({ id: text, by: text, at: instant }).optional(),
  /** `delivered`: what reached the agent. */
  delivery: z.strictObject({ outcome: z.enum(['whole', 'cut', 'replayed']), bytes: z.int() }).optional(),
  /** `summary`: how many refusals of one code in one minute were not sealed one by one. */
  summary: z.strictObject({ code: text, minute: instant, count: z.int(), agent: text.optional() }).optional(),
  /** `policy`, `agent`, `operator`, `resolved`: what changed, by whom and why. */
  change: z
    .strictObject({
      what: text,
      outcome: z.enum(['applied', 'rejected']),
      by: text.optional(),
      because: text.optional(),
      /** `resolved`: what the books of the rail showed, which this was ordered against. */
      against: text.optional(),
      version: hex.optional(),
    })
    .optional(),
  /** `operator`: the public key that signs every receipt after this one; `x` as in its JWK. */
  nextKey: z.strictObject({ kid: text, x: text }).optional(),
});

/** A receipt as it is sealed: the entry and its place in the chain. */
export const receipt = receiptEntry.extend({
  v: z.literal(1),
  /** The log's name. */
  log: text,
  seq: z.int().positive(),
  /** The hash of the receipt before it; 64 zeros for `seq` 1. */
  prev: hex,
  at: instant,
  /** `<log>.<seq>` */
  id: text,
  /** Present and true when a development issuer or sandbox wallet was in use. */
  development: z.literal(true).optional(),
});

export type ReceiptKind = (typeof RECEIPT_KINDS)[number];
export type ReceiptEntry = z.infer<typeof receiptEntry>;
export type Receipt = z.infer<typeof receipt>;

/** What an `intended` says of a purchase itself. */
export type Bought = {
  readonly [Name in 'agent' | 'at' | 'decision' | 'development' | 'hold' | 'offer' | 'service']: Receipt[Name];
};
export type DecisionCheck = z.infer<typeof check>;

/** A receipt that is durable. */
export interface Sealed {
  readonly receipt: Receipt;
  readonly hash: string;
}
