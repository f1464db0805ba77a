// Agents that buy: each sends the requests of one purchase, leaves early at times, and tries again as the
// documentation says an agent may.
import type { SimulatedGateway } from './gateway.ts';
import type { PlannedPurchase } from './plan.ts';
import type { AgentAnswer } from './visitor.ts';
import type { World } from './world.ts';

/** One request as an agent remembers it. */
export interface Asked {
  readonly request: string;
  readonly purchase: string;
  readonly agent: string;
  readonly gateway: string;
  readonly answer: AgentAnswer | null;
  /** The agent left before the answer. */
  readonly left: boolean;
}

/** A keyless retry waits so long for a gateway to be known as gone (docs/guarantees.md). */
const GONE_IS_KNOWN_MS = 3_500;

/** All agents of a run. */
export class Buyers {
  readonly #world: World;
  readonly #gateways: readonly SimulatedGateway[];
  readonly #answered: (asked: Asked) => void;
  #waiting = 0;

  constructor(world: World, gateways: readonly SimulatedGateway[], answered: (asked: Asked) => void) {
    this.#world = world;
    this.#gateways = gateways;
    this.#answered = answered;
    for (const purchase of world.plan.purchases) {
      this.#waiting += purchase.atOnce;
      world.timeline.after(purchase.atMs, () => {
        for (let copy = 0; copy < purchase.atOnce; copy += 1) this.#ask(purchase, copy, 1, purchase.gateway + copy);
      });
    }
  }

  /** Agents that are not done yet. */
  get waiting(): number {
    return this.#waiting;
  }

  #ask(purchase: PlannedPurchase, copy: number, attempt: number, at: number): void {
    const { timeline } = this.#world;
    const gateway = this.#gateways[at % this.#gateways.length];
    if (!gateway) throw new Error('there is no gateway');
    const request = `${purchase.id}.${copy}.${attempt}`;
    const { method, body } = purchase;
    const headers = this.#headers(purchase, request, attempt);
    let left = false;
    this.#world.story(
      purchase.agent,
      `asks ${gateway.name} for ${request} ${method} /${purchase.service}${purchase.path}`,
    );
    const visiting = gateway.serve(
      { method, path: `/${purchase.service}${purchase.path}`, headers, body },
      (answer) => {
        this.#world.story(
          purchase.agent,
          `is answered ${request}: ${answer ? shown(answer) : left ? 'nothing, it left' : 'nothing'}`,
        );
        const asked = { request, purchase: purchase.id, agent: purchase.agent, gateway: gateway.name, answer, left };
        this.#answered(asked);
        this.#again(purchase, copy, attempt, at, asked);
      },
    );
    if (visiting === null || purchase.leavesAfterMs === null || attempt > 1) return;
    timeline.after(purchase.leavesAfterMs, () => {
      left = true;
      visiting.leave();
    });
  }

  #again(purchase: PlannedPurchase, copy: number, attempt: number, at: number, { answer, left }: Asked): void {
    if (attempt >= purchase.tries || !worthwhile(answer)) {
      this.#waiting -= 1;
      return;
    }
    const chance = this.#world.chanceOf(`buyer ${purchase.id} ${copy} ${attempt}`);
    const elsewhere = !purchase.stays && this.#gateways.length > 1;
    const lost = answer === null || !answer.whole;
    const patient = purchase.key === null && lost && (elsewhere || !left);
    const wait = (patient ? GONE_IS_KNOWN_MS : 0) + chance.between(1, 2_500);
    this.#world.timeline.after(wait, () => this.#ask(purchase, copy, attempt + 1, elsewhere ? at + 1 : at));
  }

  #headers(purchase: PlannedPurchase, request: string, attempt: number): string[] {
    const ends = Math.floor(this.#world.plan.startMs / 1_000) + purchase.tokenLastsS;
    return [
      ...(purchase.sends === 'noToken' ? [] : ['Purser-Token', `${purchase.agent}~${ends}`]),
      ...(purchase.sends === 'ownPayment' ? ['Authorization', 'Payment e30'] : []),
      ...(purchase.sends === 'misspelt' ? ['Purser-Max-Prise', '0.01 USD'] : []),
      ...['X-Request', request, 'X-Purchase', purchase.id],
      ...(purchase.key === null ? [] : ['Idempotency-Key', purchase.key]),
      ...(purchase.maxPrice === null ? [] : ['Purser-Max-Price', purchase.maxPrice]),
      ...(purchase.saysRetry && attempt > 1 ? ['X-Stainless-Retry-Count', String(attempt - 1)] : []),
    ];
  }
}

/** May a repeat help, or tell more? */
function worthwhile(answer: AgentAnswer | null): boolean {
  if (answer === null || !answer.whole) return true;
  return [409, 424, 429, 502, 503, 504].includes(answer.status);
}

function shown({ status, headers, body, whole }: AgentAnswer): string {
  const code = /"code":"([a-z_]+)"/.exec(body)?.[1];
  const state = /;state=([a-z]+)/.exec(headers.get('purser-receipt') ?? '')?.[1];
  return [String(status), code ?? state ?? '', whole ? '' : 'cut'].filter((part) => part !== '').join(' ');
}
