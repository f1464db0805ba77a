// Counts refusals that are not sealed one by one: those before an identity is known, and those beyond an agent's rate.
// What is counted is sealed as one summary per code and minute.
import type { Clock } from '../domain/clock.ts';
import type { ReceiptEntry } from '../domain/receipt.ts';

/**
 * At most this many different (code, agent) pairs are counted apart in one minute; the rest counts without an agent.
 */
const MAX_ROWS = 1_000;

/** The refusals of this process in the current minute. */
export class RefusalMeter {
  readonly #clock: Clock;
  readonly #rate: { readonly count: number; readonly periodMs: number };
  #period = 0;
  #byAgent = new Map<string, number>();
  #rows = new Map<string, { code: string; agent: string | null; minute: number; count: number }>();

  constructor(clock: Clock, rate: { readonly count: number; readonly periodMs: number }) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** May another refusal of this agent be sealed by itself? */
  admits(agent: string): boolean {
    const period = Math.floor(this.#clock.now() / this.#rate.periodMs);
    if (period !== this.#period) this.#byAgent = new Map();
    this.#period = period;
    const count = (this.#byAgent.get(agent) ?? 0) + 1;
    this.#byAgent.set(agent, count);
    return count <= this.#rate.count;
  }

  /** Counts a refusal that is not sealed by itself; `agent` only when its identity is verified. */
  count(code: string, agent: string | null): void {
    const minute = this.#minute();
    const known = this.#rows.size < MAX_ROWS ? agent : null;
    const key = JSON.stringify([minute, code, known]);
    const row = this.#rows.get(key);
    if (row) row.count += 1;
    else this.#rows.set(key, { code, agent: known, minute, count: 1 });
  }

  /** Takes out the summaries of minutes that are over; of all minutes when the gateway closes. */
  takeSummaries(which: 'over' | 'all'): ReceiptEntry[] {
    const current = this.#minute();
    const taken: ReceiptEntry[] = [];
    for (const [key, row] of this.#rows) {
      if (which === 'over' && row.minute === current) continue;
      this.#rows.delete(key);
      const minute = new Date(row.minute * 60_000).toISOString();
      taken.push({
        kind: 'summary',
        summary: { code: row.code, minute, count: row.count, ...(row.agent === null ? {} : { agent: row.agent }) },
      });
    }
    return taken;
  }

  #minute(): number {
    return Math.floor(this.#clock.now() / 60_000);
  }
}
