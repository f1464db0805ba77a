// Looks for what became of the uncertain payments of gateways that do not come back, and ends their holds by what is
// found. What their receipts would say of them is taken from the store; what is not known stays as it is.
import type { Abandoned } from '../domain/hold.ts';
import { abandonedOutcome, proofOfHold } from '../exchange/evidence-outcome.ts';
import { evidenceOf, type LookingParts, type Sight } from './looking.ts';

/** What the looking works with. */
export interface AbandonedParts extends Omit<LookingParts, 'ledger'> {
  /** So long after the end of its proof's life the hold's own gateway is left to look; ms. */
  readonly afterMs: number;
}

/** The store is asked this often, and for at most a twentieth of the time. */
const TAKE_EVERY_MS = 5_000;
const TAKE_SHARE = 20;
/** Look-ups at once, and the most that are taken at a time: each ends well within the time it is handed out for. */
const AT_ONCE = 8;

/** The abandoned holds of a shared store, as far as they were handed to this gateway. */
export class LookingAfterOthers {
  readonly #parts: AbandonedParts;
  readonly #sights = new Map<string, Sight>();
  readonly #ended = new AbortController();
  #under: Promise<void> | null = null;
  #takeAgainAt = 0;

  constructor(parts: AbandonedParts) {
    this.#parts = parts;
  }

  /** What was last seen here of a hold; null when it was not looked at. */
  sight(hold: string): Sight | null {
    return this.#sights.get(hold) ?? null;
  }

  /** Begins what is due; to be called several times a second. Never throws. */
  tick(): void {
    const now = this.#parts.clock.monotonic();
    if (this.#ended.signal.aborted || this.#under || now < this.#takeAgainAt) return;
    this.#takeAgainAt = now + TAKE_EVERY_MS;
    this.#under = this.#round()
      .catch((fault: unknown) => this.#parts.fault(fault))
      .finally(() => {
        this.#under = null;
      });
  }

  /** Ends what is under way and begins nothing more. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#under;
  }

  async #round(): Promise<void> {
    const { budget, clock, afterMs } = this.#parts;
    const began = clock.monotonic();
    const taken = await budget.takeAbandoned(afterMs, AT_ONCE);
    const took = clock.monotonic() - began;
    // More may be waiting when all that was asked for came.
    const wait = taken.length === AT_ONCE ? 0 : TAKE_EVERY_MS;
    this.#takeAgainAt = began + took + Math.max(wait, took * TAKE_SHARE);
    await Promise.all(taken.map((one) => this.#look(one)));
  }

  async #look(abandoned: Abandoned): Promise<void> {
    const { turns, clock, seen } = this.#parts;
    const { hold, payment } = abandoned;
    const proof = proofOfHold(hold, payment);
    const { rail, evidence } = await evidenceOf(this.#parts, hold.service, proof, this.#ended.signal);
    if (this.#ended.signal.aborted) return;
    seen(hold, rail, evidence);
    this.#sights.set(hold.id, { ...evidence, at: clock.now(), next: abandoned.againAt });
    if (evidence.verdict === 'unknown') return;
    await turns.take(hold.id, async () => {
      const { budget, finisher } = this.#parts;
      const open = await budget.openHolds(logOf(hold.id));
      if (!open.some(({ id }) => id === hold.id)) return;
      await finisher.finish(abandonedOutcome(budget, abandoned, evidence));
      this.#sights.delete(hold.id);
    });
  }
}

/** The log that a hold belongs to. */
const logOf = (hold: string): string => hold.slice(0, hold.indexOf('.'));
