// Looks for what became of this gateway's uncertain payments, and ends their holds by what is found. It makes no proof
// and sends none; what is not known stays as it is and is looked for again.
import type { Clock, Timers } from '../domain/clock.ts';
import type { OpenHold } from '../domain/hold.ts';
import type { Turns } from '../domain/turns.ts';
import {
  exposedProof,
  nextLookAt,
  outcomeByEvidence,
  proofOfHold,
  sealedOutcome,
  storyOfHold,
} from '../exchange/evidence-outcome.ts';
import type { Finisher } from '../exchange/finisher.ts';
import type { Parts } from '../exchange/parts.ts';
import { applyOutcome } from '../exchange/recover.ts';
import { type Evidence, type EvidenceSource, type ExposedProof, unknown } from '../rail/evidence.ts';
import type { Evidences } from './evidence.ts';

/** What was last seen of an uncertain hold. */
export interface Sight extends Evidence {
  /** Milliseconds since 1970: when it was seen, and when it is looked for again. */
  readonly at: number;
  readonly next: number;
}

/** What the looking works with. */
export interface LookingParts {
  readonly budget: Parts['budget'];
  readonly ledger: Parts['ledger'];
  readonly finisher: Pick<Finisher, 'finish' | 'holds'>;
  readonly evidences: Evidences;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Told of every look-up. */
  readonly seen: (hold: OpenHold, rail: EvidenceSource['rail'] | null, evidence: Evidence) => void;
  readonly fault: (fault: unknown) => void;
}

/** From the end of a request to the first look: what the service still had to write is written by then. */
const FIRST_LOOK_MS = 1_000;
/** A look-up that has no answer by then has none. */
const LOOK_MS = 10_000;
/** Look-ups for one service at once, so that books that hang hold up only their own. */
const AT_ONCE = 8;
/** The open holds are read again this often, and for at most a twentieth of the time. */
const READ_EVERY_MS = 1_000;
const READ_SHARE = 20;

/** The uncertain holds of this gateway's log, and what is known of each. */
export class Looking {
  readonly #parts: LookingParts;
  readonly #sights = new Map<string, Sight>();
  /** When each of the uncertain holds is looked for; milliseconds since 1970. */
  readonly #due = new Map<string, number>();
  readonly #under = new Map<string, Promise<void>>();
  readonly #busy = new Map<string, number>();
  readonly #ended = new AbortController();
  #uncertain: readonly OpenHold[] = [];
  #readAgainAt = 0;

  constructor(parts: LookingParts) {
    this.#parts = parts;
  }

  /** What was last seen of a hold; null when nobody has looked yet. */
  sight(hold: string): Sight | null {
    return this.#sights.get(hold) ?? null;
  }

  /** Begins what is due; to be called several times a second. Resolves when it has begun. Never throws. */
  async tick(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    try {
      await this.#read();
    } catch (fault) {
      this.#parts.fault(fault);
      return;
    }
    const now = this.#parts.clock.now();
    for (const hold of this.#uncertain) {
      const { id, service } = hold;
      const busy = this.#busy.get(service) ?? 0;
      if (busy >= AT_ONCE || this.#under.has(id) || (this.#due.get(id) ?? 0) > now) continue;
      this.#busy.set(service, busy + 1);
      const work = this.#look(hold)
        .catch((fault: unknown) => this.#parts.fault(fault))
        .finally(() => {
          this.#under.delete(id);
          this.#busy.set(service, (this.#busy.get(service) ?? 1) - 1);
        });
      this.#under.set(id, work);
    }
  }

  /** Ends what is under way and begins nothing more. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#under.values());
  }

  async #read(): Promise<void> {
    const { clock, budget, ledger } = this.#parts;
    const began = clock.monotonic();
    if (began < this.#readAgainAt) return;
    // Set before the answer: ticks meanwhile must not ask as well.
    this.#readAgainAt = began + READ_EVERY_MS;
    const open = await budget.openHolds(ledger.log);
    this.#uncertain = open.filter(({ state }) => state === 'uncertain');
    const ended = clock.monotonic();
    this.#readAgainAt = ended + Math.max(READ_EVERY_MS, (ended - began) * READ_SHARE);
    const known = new Set(this.#uncertain.map(({ id }) => id));
    for (const id of this.#due.keys()) {
      if (known.has(id)) continue;
      this.#due.delete(id);
      this.#sights.delete(id);
    }
    for (const id of known) if (!this.#due.has(id)) this.#due.set(id, clock.now() + FIRST_LOOK_MS);
  }

  async #look(hold: OpenHold): Promise<void> {
    const { ledger, finisher, turns, clock } = this.#parts;
    this.#due.set(hold.id, clock.now() + FIRST_LOOK_MS);
    if (finisher.holds(hold.id)) return;
    const story = storyOfHold(hold.id, await ledger.ofExchange(hold.exchange));
    if (sealedOutcome(story)) return turns.take(hold.id, () => this.#conclude(hold, null));
    const proof = exposedProof(story);
    if (!proof) return;
    const { rail, evidence } = await evidenceOf(this.#parts, hold.service, proof, this.#ended.signal);
    if (this.#ended.signal.aborted) return;
    this.#parts.seen(hold, rail, evidence);
    const at = clock.now();
    const next = nextLookAt(hold, at);
    this.#due.set(hold.id, next);
    this.#sights.set(hold.id, { ...evidence, at, next });
    if (evidence.verdict !== 'unknown') await turns.take(hold.id, () => this.#conclude(hold, evidence));
  }

  /**
   * In turn with a person's order: whoever comes second finds the outcome sealed, and only sees to it that the store
   * has it too. Null: no more than that is to be done.
   */
  async #conclude(hold: OpenHold, evidence: Evidence | null): Promise<void> {
    const { ledger, budget, finisher } = this.#parts;
    if (finisher.holds(hold.id)) return;
    const story = storyOfHold(hold.id, await ledger.ofExchange(hold.exchange));
    const sealed = sealedOutcome(story);
    if (sealed) {
      await applyOutcome({ budget }, sealed);
      return ledger.applied(sealed.seq);
    }
    const outcome = evidence && outcomeByEvidence(budget, hold, story, evidence);
    if (outcome) await finisher.finish(outcome);
  }
}

interface Found {
  /** Null where no such books are configured. */
  readonly rail: EvidenceSource['rail'] | null;
  readonly evidence: Evidence;
}

/** Looks once, in the books of the payment's rail. */
export async function evidenceOf(
  { evidences, timers }: Pick<LookingParts, 'evidences' | 'timers'>,
  service: string,
  proof: ExposedProof,
  ended: AbortSignal | null,
): Promise<Found> {
  const source = evidences.of(proof.network, service);
  if (!source) return { rail: null, evidence: unknown(`nothing is configured to look at ${proof.network}`) };
  const late = new AbortController();
  const timer = timers.after(LOOK_MS, () => late.abort());
  try {
    const signal = ended ? AbortSignal.any([ended, late.signal]) : late.signal;
    return { rail: source.rail, evidence: await source.evidence(proof, signal) };
  } finally {
    timer.close();
  }
}

/** Looks once, for a person who ends a hold of whatever gateway; null where nothing says what its proof pays. */
export function lookerAt(parts: Pick<LookingParts, 'ledger' | 'evidences' | 'timers'>) {
  return async (hold: OpenHold): Promise<Evidence | null> => {
    const story = storyOfHold(hold.id, await parts.ledger.ofExchange(hold.exchange));
    const proof = exposedProof(story) ?? (hold.payment && proofOfHold(hold, hold.payment));
    return proof ? (await evidenceOf(parts, hold.service, proof, null)).evidence : null;
  };
}
