// Random steps of a budget store over a few gateways, buyers and lines, so that they meet each other often.
import type { EndAs, HoldStep, LineStep, StepName } from '../../../src/budget/store.ts';
import type { AccountHold } from '../../../src/domain/account.ts';
import type { Closing, Window } from '../../../src/domain/hold.ts';
import type { Chance } from '../random.ts';

const HOUR_MS = 3_600_000;
/** Holds that are talked of at one time; older ones are left alone. */
const HOLDS = 16;
/** The ids that are talked of move on this often. */
export const HOLDS_MOVE_MS = 400;

/** One step, as a store is asked for it. */
export function randomStep(chance: Chance, now: number): { readonly name: StepName; readonly argument: unknown } {
  const name = chance.weighted<StepName>(WEIGHTS);
  return { name, argument: ARGUMENTS[name](chance, now) };
}

const WEIGHTS: Record<StepName, number> = {
  ...{ hold: 40, expose: 30, end: 12, close: 12, leave: 4, lookUp: 4, beat: 5, lines: 3, scopes: 2 },
  ...{ openHolds: 2, released: 2, takeAbandoned: 2, spokenFor: 1, stop: 3, start: 12, stops: 1, agree: 1, ping: 1 },
};

const ARGUMENTS: Record<StepName, (chance: Chance, now: number) => unknown> = {
  hold: holdStep,
  expose: (chance, now) => ({ hold: holdId(chance, now), runForMs: 4_000 }),
  end: (chance, now) => ({
    hold: holdId(chance, now),
    as: chance.pick<EndAs>(['released', 'settled', 'voided', 'freed']),
  }),
  close: (chance, now) => ({ closings: [closing(chance, now), closing(chance, now)] }),
  leave: (chance, now) => ({ hold: holdId(chance, now) }),
  lookUp: (chance) => ({ key: `key${chance.between(1, 30)}`, repeat: `repeat${chance.between(1, 40)}` }),
  beat: (chance) => ({ run: run(chance) }),
  lines: (chance, now) => ({ lines: lines(chance, now) }),
  scopes: (chance, now) => {
    const { scope: _, ...line } = lineOf(chance.pick(BUDGETS), '', now);
    return { line, most: 10 };
  },
  openHolds: (chance) => ({ log: chance.pick([null, 'a']) }),
  released: (chance, now) => ({ holds: [holdId(chance, now), holdId(chance, now)] }),
  takeAbandoned: (chance) => ({ afterMs: chance.pick([0, 5_000]), most: chance.pick([1, 5]) }),
  spokenFor: () => null,
  stop: (chance) => ({ ...order(chance), because: 'said so', by: 'dana' }),
  start: (chance) => order(chance),
  stops: () => null,
  agree: (chance) => ({ fields: [{ field: 'currency', value: chance.pick(['USD', 'USD', 'EUR']) }] }),
  ping: () => null,
};

/** A purchase as receipts say it, under an id that later steps talk of. */
export function randomPurchase(chance: Chance, now: number): AccountHold {
  const open = chance.happens(0.5);
  const [agent, service] = [`s${chance.between(1, 3)}`, `s${chance.between(4, 6)}`];
  const hash = () => chance.between(1, 15).toString(16).repeat(64);
  const closed = chance.happens(0.7);
  return {
    ...{ id: holdId(chance, now), exchange: 'e', micros: BigInt(chance.pick([1, 10, 250])), agent, service },
    ...{ state: open ? 'exposed' : chance.pick(['settled', 'voided', 'freed']), wallet: 'w', subject: agent },
    ...{ claim: { key: chance.happens(0.4) ? hash() : null, repeat: hash() }, challengeId: hash() },
    ...{ payment: { network: 'sandbox', identity: hash(), payee: 'acme', atoms: 7n } },
    ...{ redeemableUntil: now + chance.pick([30_000, -90_000_000]), lines: lines(chance, now).map(placeAt(now)) },
    ...{ intendedAt: now - 10, closedAt: closed ? now - 5 : 0, endedAt: open ? 0 : now - chance.pick([1, 90_000_000]) },
    ...{ whole: closed && chance.happens(0.5), ending: closed ? ENDING : '' },
  };
}

const ENDING = JSON.stringify({ code: null, upstreamStatus: 200, receipt: 'r.1' });

const placeAt =
  (now: number) =>
  ({ budget, scope, window }: LineStep) => ({
    ...{ budget, scope },
    windowStart: window.kind === 'calendar' ? window.start : now - (now % window.partMs),
  });

/** The windows of the budgets, as the terms of a store name them. */
export const WINDOWS: ReadonlyMap<string, Window> = new Map<string, Window>([
  ['hour', { kind: 'hour' }],
  ['all', { kind: 'total' }],
  ['rolling', { kind: 'rolling', lengthMs: 60_000 }],
]);

const BUDGETS = ['hour', 'all', 'rolling'] as const;

const run = (chance: Chance): string => `run${chance.between(1, 3)}`;
const holdId = (chance: Chance, now: number): string =>
  `${chance.pick(['a', 'b'])}.${Math.floor(now / HOLDS_MOVE_MS) + chance.between(1, HOLDS)}`;
const closing = (chance: Chance, now: number): Closing => ({
  hold: holdId(chance, now),
  ending: { code: chance.happens(0.5) ? 'payment_uncertain' : null, upstreamStatus: 200, receipt: 'r.1' },
  whole: chance.happens(0.5),
});
const order = (chance: Chance) => ({
  kind: chance.pick(['agent', 'service'] as const),
  id: `s${chance.between(1, 6)}`,
});

function lines(chance: Chance, now: number): LineStep[] {
  // Now and then a caller whose windows are those of another hour.
  const at = chance.happens(0.03) ? now + HOUR_MS : now;
  const wanted = BUDGETS.filter(() => chance.happens(0.6));
  return wanted.map((budget) => lineOf(budget, `["s${chance.between(1, 2)}"]`, at));
}

function lineOf(budget: (typeof BUDGETS)[number], scope: string, now: number): LineStep {
  const limits = {
    limitMicros: budget === 'all' ? 3_000_000_000_000n : 900n,
    limitPayments: budget === 'hour' ? 12 : null,
  };
  const start = now - (now % HOUR_MS);
  if (budget === 'rolling')
    return { budget, scope, ...limits, window: { kind: 'rolling', lengthMs: 60_000, partMs: 1_000 } };
  const bounds = budget === 'all' ? { start: 0, end: null } : { start, end: start + HOUR_MS };
  return { budget, scope, ...limits, window: { kind: 'calendar', ...bounds } };
}

function holdStep(chance: Chance, now: number): HoldStep {
  const subject = `s${chance.between(1, 3)}`;
  const names = {
    key: chance.happens(0.4) ? `key${chance.between(1, 30)}` : null,
    repeat: `repeat${chance.between(1, 40)}`,
    challenge: `challenge${chance.between(1, 300)}`,
    identity: `identity${chance.between(1, 300)}`,
    pair: `pair-${subject}`,
  };
  return {
    ...{ id: holdId(chance, now), exchange: 'e', micros: BigInt(chance.pick([1, 10, 250, 40_000_000_000])) },
    ...{ lines: lines(chance, now), agent: subject, service: `s${chance.between(4, 6)}`, wallet: 'w', names },
    payment: { network: 'sandbox', identity: names.identity, payee: 'acme', atoms: 7n },
    ...{ saysRetry: chance.happens(0.1), redeemableUntil: now + 30_000, unsettledLimit: chance.pick([1, 3]) },
    ...{ leaseMs: chance.pick([500, 5_000]), run: run(chance) },
  };
}
