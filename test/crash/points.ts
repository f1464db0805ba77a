// The moments at which a gateway is killed, and what each purchase that dies there must have become.
import type { FailPlan } from './plan.ts';

/** What a purchase is once its gateway is back. */
export type Fate =
  /** No proof can exist: nothing sealed as intended, the money back, a repeat buys. */
  | 'free'
  /** A proof may be out: uncertain, its money held, a repeat is told so. */
  | 'uncertain'
  /** Its outcome was sealed before the end: settled once, a repeat is told so. */
  | 'settled'
  /** The agent had its answer already. */
  | 'answered';

/** One moment. */
export interface FailPoint {
  readonly title: string;
  /** The moment as `around.ts` calls it; null: the merchant kills the gateway when it has the proof in its hands. */
  readonly moment: string | null;
  readonly fate: Fate;
  /** The write that was under way is cut in half before the gateway starts again, as by a loss of power. */
  readonly torn: boolean;
  /** How often the moment comes before the process is sent this; SIGSTOP only stops it. */
  readonly nth: number;
  readonly signal: FailPlan['signal'];
  /** Can the proof have been redeemed? */
  readonly paid: 'no' | 'maybe' | 'yes';
}

/** `title`: the moment as `around.ts` calls it, behind the id of the hostile case that it belongs to, if any. */
function point(title: string, fate: Fate, paid: FailPoint['paid'], more: Partial<FailPoint> = {}): FailPoint {
  return { title, fate, paid, moment: title.replace(/^.*: /, ''), torn: false, nth: 3, signal: 'SIGKILL', ...more };
}

/** Every durable step of a purchase: before it, in it and after it. */
export const POINTS: readonly FailPoint[] = [
  point('CRASH-02: hold sent', 'free', 'no'),
  point('CRASH-03: held', 'free', 'no'),
  point('CRASH-03: expose sent', 'free', 'no'),
  point('CRASH-03: exposed', 'free', 'no'),
  point('CRASH-03: intended before seal', 'free', 'no'),
  point('CRASH-03: intended before commit', 'free', 'no'),
  point('CRASH-04: intended torn', 'free', 'no', { moment: 'intended durable', torn: true }),
  point('CRASH-05: intended durable', 'uncertain', 'no'),
  point('CRASH-05: intended sealed', 'uncertain', 'no'),
  point('CRASH-11: proof made', 'uncertain', 'no'),
  point('CRASH-11: proof sent', 'uncertain', 'maybe'),
  point('CRASH-07: proof taken', 'uncertain', 'yes', { moment: null }),
  point('CRASH-07: answer head received', 'uncertain', 'yes'),
  point('CRASH-07: outcome before seal', 'uncertain', 'yes'),
  point('CRASH-07: outcome before commit', 'uncertain', 'yes'),
  point('CRASH-10: outcome torn', 'uncertain', 'yes', { moment: 'outcome durable', torn: true }),
  point('CRASH-08: outcome durable', 'settled', 'yes'),
  point('CRASH-08: outcome sealed', 'settled', 'yes'),
  point('CRASH-08: settle sent', 'settled', 'yes'),
  point('CRASH-09: settled', 'settled', 'yes'),
  point('CRASH-09: outcome before mark', 'settled', 'yes'),
  point('CRASH-09: delivered before seal', 'answered', 'yes'),
  point('CRASH-10: delivered torn', 'answered', 'yes', { moment: 'delivered durable', torn: true }),
  point('delivered sealed', 'answered', 'yes'),
  point('close sent', 'answered', 'yes'),
  point('closed', 'answered', 'yes'),
];

/** One moment of a rebuild, as `around.ts` calls it. */
export interface BringingPoint extends Pick<FailPoint, 'moment' | 'nth' | 'signal'> {
  readonly moment: string;
  /** Does it come while the gateway speaks for another one that stays away? */
  readonly speaks: boolean;
}

const bringing = (moment: string, speaks = false): BringingPoint => ({ moment, nth: 1, signal: 'SIGKILL', speaks });

/** Every step by which a gateway brings what its receipts say to a new generation. */
export const BRINGING: readonly BringingPoint[] = [
  bringing('generation begun'),
  bringing('terms brought'),
  bringing('order brought'),
  bringing('holds sent'),
  bringing('holds half brought'),
  bringing('holds brought'),
  bringing('totals sent'),
  bringing('totals brought'),
  bringing('attest sent'),
  bringing('attested'),
  bringing('generation before note'),
  bringing('generation noted'),
  bringing('guess sent', true),
  bringing('guess brought', true),
  bringing('attest for another sent', true),
  bringing('attested for another', true),
];

/** One moment of giving an uncertain purchase its end, as `around.ts` calls it. */
export interface ResolvingPoint extends Pick<FailPoint, 'moment' | 'nth' | 'signal' | 'torn'> {
  readonly moment: string;
}

const resolving = (moment: string, torn = false): ResolvingPoint => ({ moment, torn, nth: 1, signal: 'SIGKILL' });

/** Every durable step by which the books of a rail, or a person, end one. */
export const RESOLVING: readonly ResolvingPoint[] = [
  resolving('evidence seen'),
  resolving('outcome before seal'),
  resolving('outcome before commit'),
  resolving('outcome durable', true),
  resolving('outcome durable'),
  resolving('outcome sealed'),
  resolving('settle sent'),
  resolving('settled'),
  resolving('void sent'),
  resolving('voided'),
  resolving('close sent'),
  resolving('closed'),
  resolving('outcome before mark'),
];
