// What became of one request, from its receipts alone: who, what for, under which rule, every check, the demand, the
// payment and its end. Pure; it adds nothing that the receipts do not say.
import type { DecisionCheck, Receipt } from '../domain/receipt.ts';
import { REFUSALS, type RefusalCode } from '../domain/refusal.ts';
import type { Amendment, RuleRef } from './answer.ts';

/** How it ended: `open` while a proof may exist and no end is sealed, `recorded` for receipts of no request. */
export type End = 'refused' | 'settled' | 'voided' | 'uncertain' | 'open' | 'recorded';

/** One receipt of the request. */
export interface Step {
  readonly id: string;
  readonly at: string;
  readonly kind: Receipt['kind'];
  readonly words: string;
}

/** One request, as its receipts tell it. Absent parts are null. */
export interface Story {
  readonly id: string;
  readonly exchange: string | null;
  readonly end: End;
  readonly code: string | null;
  readonly summary: string;
  readonly at: string;
  readonly trace: string | null;
  readonly development: boolean;
  readonly agent: Receipt['agent'] | null;
  readonly from: string | null;
  readonly service: Receipt['service'] | null;
  readonly request: { readonly method: string; readonly path: string } | null;
  readonly policy: string | null;
  readonly entitlement: string | null;
  readonly checks: readonly DecisionCheck[];
  readonly detail: string | null;
  readonly challenge: Receipt['challenge'] | null;
  readonly offer: Receipt['offer'] | null;
  readonly hold: Receipt['hold'] | null;
  readonly proof: Receipt['proof'] | null;
  readonly settlement: Receipt['settlement'] | null;
  readonly steps: readonly Step[];
}

/** What is found out beside the receipts: today's policies, the store, the log's bytes. */
export interface Findings {
  /** Of the folder now; `problem` says where and why it cannot be read as policies. */
  readonly policy: {
    readonly inFolder: string | null;
    readonly problem: string | null;
    readonly same: boolean;
    readonly rule: RuleRef | null;
  };
  /** How an equal request would be decided by the policies that are in the folder now; null when not judged. */
  readonly today: { readonly outcome: 'allowed' | 'refused'; readonly code: string | null } | null;
  readonly amendments: readonly Amendment[];
  readonly afterwards: string | null;
  readonly beyond: string | null;
  /** The hold as the running gateway has it; null when it is not open, or nobody was asked. */
  readonly hold: { readonly asked: boolean; readonly state: string | null };
  readonly log: {
    readonly name: string;
    readonly head: number;
    readonly seqs: readonly number[];
    readonly intact: boolean;
    readonly fault: string | null;
  };
}

/** The story of the receipts of one exchange in order (or of one receipt that has none). At least one. */
export function storyOf(receipts: readonly Receipt[], asked: Receipt): Story {
  const told = receipts.find(({ kind }) => kind === 'intended') ?? receipts.find(({ decision }) => decision) ?? asked;
  const last = receipts.findLast(({ kind }) => kind in END_OF) ?? asked;
  const end = endOf(last);
  const code = last.decision?.code ?? told.decision?.code ?? null;
  const settlement = receipts.findLast((one) => one.settlement)?.settlement ?? null;
  return {
    id: asked.id,
    exchange: asked.exchange ?? null,
    end,
    code,
    summary: summaryOf(end, code, told, last),
    at: told.at,
    trace: told.trace ?? null,
    development: told.development === true,
    agent: told.agent ?? null,
    from: told.request?.from ?? null,
    service: told.service ?? null,
    request: told.request ? { method: told.request.method, path: told.request.path } : null,
    policy: told.decision?.policy ?? told.change?.version ?? null,
    entitlement: told.decision?.entitlement ?? null,
    checks: told.decision?.checks ?? [],
    detail: last.decision?.detail ?? told.decision?.detail ?? null,
    challenge: told.challenge ?? null,
    offer: told.offer ?? null,
    hold: receipts.findLast((one) => one.hold)?.hold ?? null,
    proof: receipts.findLast((one) => one.proof)?.proof ?? null,
    settlement,
    steps: receipts.map((one) => ({ id: one.id, at: one.at, kind: one.kind, words: wordsOf(one) })),
  };
}

const END_OF: Partial<Record<Receipt['kind'], End>> = {
  refused: 'refused',
  intended: 'open',
  settled: 'settled',
  voided: 'voided',
  uncertain: 'uncertain',
  resolved: 'settled',
};

function endOf(last: Receipt): End {
  if (last.kind === 'resolved') return last.change?.what.endsWith('voided') ? 'voided' : 'settled';
  return END_OF[last.kind] ?? 'recorded';
}

function summaryOf(end: End, code: string | null, told: Receipt, last: Receipt): string {
  const amount = told.hold ? `${told.hold.amount} ${told.offer?.currency ?? ''}`.trim() : '';
  const title = code === null ? '' : ` ${code} (${titleOf(code)})`;
  switch (end) {
    case 'refused':
      return `Refused:${title}. Nothing was paid.`;
    case 'settled':
      return `Paid: ${amount}${last.settlement?.evidence === 'person' ? ', as a person found out' : ''}.`;
    case 'voided':
      return `Not paid: ${amount} was set aside and given back.${title === '' ? '' : ` The agent was told${title}.`}`;
    case 'uncertain':
      return `Uncertain:${title}. ${amount} counts as spent until it is known whether the proof was taken.`;
    case 'open':
      return `Open: a payment proof over ${amount} may exist, and no end of it is sealed.`;
    case 'recorded':
      return `Recorded: ${wordsOf(told)}.`;
  }
}

/** The title of a code, of a version that has it. */
export function titleOf(code: string): string {
  return Object.hasOwn(REFUSALS, code) ? REFUSALS[code as RefusalCode].title : 'a code of another version';
}

/** One receipt in a sentence without its full stop. */
function wordsOf(one: Receipt): string {
  const { settlement, delivery, change, summary, decision } = one;
  const status = settlement?.upstreamStatus === undefined ? '' : `, the service answered ${settlement.upstreamStatus}`;
  const code = decision?.code === undefined ? '' : `, the agent was told ${decision.code}`;
  switch (one.kind) {
    case 'refused':
      return `refused${decision?.code === undefined ? '' : ` with ${decision.code}`}`;
    case 'intended':
      return 'the payment was named on its rail, before any proof of it was made';
    case 'settled':
      return `settled${evidence(settlement)}${status}${code}`;
    case 'voided':
      return `voided${evidence(settlement)}${status}${code}`;
    case 'uncertain':
      return `outcome unknown${status}${code}`;
    case 'resolved':
    case 'policy':
    case 'agent':
    case 'operator':
      return `${change?.what ?? one.kind} ${change?.outcome ?? ''}${byAndWhy(change)}`;
    case 'delivered':
      return `the answer reached the agent: ${delivery?.outcome ?? 'unknown'}, ${delivery?.bytes ?? 0} bytes`;
    case 'summary':
      return `${summary?.count ?? 0} refusals with ${summary?.code ?? ''} in the minute from ${summary?.minute ?? ''}`;
  }
}

const EVIDENCE = { answered: 'by its answer', rail: 'by the books of the rail', person: 'by a person' } as const;

function evidence(settlement: Receipt['settlement']): string {
  if (!settlement?.evidence) return '';
  const { evidence: by, reference } = settlement;
  return ` ${EVIDENCE[by]}${by === 'rail' && reference !== undefined ? ` (${reference})` : ''}`;
}

function byAndWhy(change: Receipt['change']): string {
  const by = change?.by === undefined ? '' : ` by ${change.by}`;
  const against = change?.against === undefined ? '' : `, against the books of the rail (${change.against})`;
  return `${by}${against}${change?.because === undefined ? '' : `: ${change.because}`}`;
}
