// Merchants of the sandbox rail, written from docs/sandbox-rail.md alone. Each keeps books of its own, which are the
// truth about what was paid; some take the money and then say nothing, or something else.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Chance } from './random.ts';

/** A payment that was taken. */
export interface Taken {
  readonly service: string;
  readonly nonce: string;
  readonly key: string;
  readonly challenge: string;
  readonly atoms: bigint;
  readonly currency: string;
  /** What the buyer calls its request and the purchase that this belongs to. */
  readonly request: string;
  readonly purchase: string;
  /** True time, milliseconds since 1970. */
  readonly at: number;
}

/** A request as it arrives at a service. */
export interface Arrived {
  readonly method: string;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** What a service does with its answer. */
export interface Answered {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
  /** Milliseconds that it takes; infinite for never. */
  readonly afterMs: number;
  /** The connection breaks instead: before the head, or in the middle of the body. */
  readonly breaks: 'no' | 'head' | 'body';
}

/** What a merchant does to a request that asks for its price. */
export const DEMANDS = {
  ...{ fair: 60, same: 6, brief: 3, dear: 3, foreignPayee: 2, foreignAsset: 2, zero: 2, garbled: 2, expired: 2 },
  ...{ free: 4, broken: 2, twoOffers: 6, points: 14, slow: 10, elsewhere: 2, paidAlready: 4, otherBody: 2 },
};

/** What a merchant does to a payment; those that begin with `take` have the money in their books. */
export const TREATMENTS = {
  ...{ takeAndServe: 60, takeSlowly: 5, takeAndFail: 4, takeAndAskAgain: 4, takeAndHang: 4, takeAndBreak: 4 },
  ...{ takeAndCut: 3, takeAndForbid: 3, takeAndRedirect: 2, refuseAgain: 3, refuseFailing: 3, refuseForbidden: 3 },
  ...{ takeEmpty: 2, hang: 2 },
};

export type Demand = keyof typeof DEMANDS;
export type Treatment = keyof typeof TREATMENTS;

interface Asked {
  readonly atoms: bigint;
  readonly currency: string;
  readonly request: string;
  readonly header: string;
  readonly expiresAt: number;
}

/** One service that sells. */
export class Merchant {
  readonly id: string;
  readonly payee: string;
  readonly books: Taken[] = [];
  /** While it is down nobody gets through to it. */
  down = false;
  /** Everything is fair: the end of a run. */
  honest = false;
  /** How often it does anything but sell fairly and serve. */
  oddness = 1;
  readonly #now: () => number;
  readonly #seed: (name: string) => Chance;
  readonly #asked = new Map<string, Asked>();
  readonly #seen = new Set<string>();
  readonly #told: (what: string, taken: Taken | null) => void;
  #latest: string | null = null;
  #paid: Asked | null = null;
  #count = 0;

  /** `told` hears of each demand and each payment, and what was done with it. */
  constructor(options: {
    readonly id: string;
    readonly payee: string;
    readonly now: () => number;
    readonly seed: (name: string) => Chance;
    readonly told: (what: string, taken: Taken | null) => void;
  }) {
    this.id = options.id;
    this.payee = options.payee;
    this.#now = options.now;
    this.#seed = options.seed;
    this.#told = options.told;
  }

  /** Answers a request. */
  answer(arrived: Arrived): Answered {
    this.#count += 1;
    const chance = this.#seed(`${arrived.headers.get('x-request') ?? ''} ${arrived.path}`);
    const payment = /^Payment (.*)$/.exec(arrived.headers.get('authorization') ?? '')?.[1];
    return payment === undefined ? this.#demand(arrived, chance) : this.#treat(payment, arrived, chance);
  }

  #fair(chance: Chance): boolean {
    return this.honest || (this.oddness < 1 && !chance.happens(this.oddness));
  }

  #demand(arrived: Arrived, chance: Chance): Answered {
    const demand = this.#fair(chance) ? 'fair' : chance.weighted<Demand>(DEMANDS);
    this.#told(`demand ${demand}`, null);
    if (demand === 'free') return served('for nothing', chance.between(1, 30));
    if (demand === 'broken') return { ...served('broken', 5), status: 503 };
    if (demand === 'elsewhere') return redirected(chance.between(1, 30));
    if (demand === 'paidAlready' && this.#paid && this.#paid.expiresAt > this.#now()) {
      return demanded([this.#paid.header], 5);
    }
    const latest = this.#latest === null ? undefined : this.#asked.get(this.#latest);
    if (demand === 'same' && latest && latest.expiresAt > this.#now() + 2_000) return demanded([latest.header], 5);
    const headers =
      demand === 'twoOffers' ? [this.#ask('fair', chance), this.#ask('fair', chance)] : [this.#ask(demand, chance)];
    const answer = demanded(headers, demand === 'slow' ? chance.between(500, 7_500) : chance.between(1, 40));
    return arrived.method === 'HEAD' ? { ...answer, body: '' } : answer;
  }

  #ask(demand: Demand, chance: Chance): string {
    this.#count += 1;
    const id = `${this.id}-${this.#count}-${chance.bits().toString(36)}`;
    const currency = demand === 'foreignAsset' ? 'eur' : demand === 'points' ? 'pts' : 'usd';
    const atoms = demand === 'zero' ? 0n : BigInt(demand === 'dear' ? 900 : chance.between(1, 18));
    const life =
      demand === 'brief' ? chance.between(900, 2_500) : demand === 'expired' ? -5_000 : chance.between(8_000, 40_000);
    const expiresAt = this.#now() + life;
    const text = { amount: String(atoms), currency, recipient: demand === 'foreignPayee' ? 'stranger' : this.payee };
    const request = Buffer.from(JSON.stringify(text)).toString('base64url');
    const expires = new Date(expiresAt).toISOString();
    const shown = demand === 'garbled' ? `${request}=!` : request;
    const params = {
      ...{ id, realm: `${this.id}.test`, method: 'sandbox', intent: 'charge', request: shown, expires },
      ...(demand === 'otherBody' ? { digest: `sha-256=:${Buffer.alloc(32, 1).toString('base64')}:` } : {}),
    };
    const header = `Payment ${Object.entries(params)
      .map(([name, value]) => `${name}="${value}"`)
      .join(', ')}`;
    this.#asked.set(id, { atoms, currency, request, header, expiresAt });
    this.#latest = id;
    return header;
  }

  #treat(payment: string, arrived: Arrived, chance: Chance): Answered {
    const treatment = this.#fair(chance) ? 'takeAndServe' : chance.weighted<Treatment>(TREATMENTS);
    if (treatment.startsWith('take')) {
      const taken = this.#take(payment, arrived);
      if (typeof taken === 'string') {
        this.#told(`payment not taken: ${taken}`, null);
        return demanded([this.#ask('fair', chance)], chance.between(1, 20));
      }
      this.books.push(taken);
      this.#told(`payment ${treatment}`, taken);
    } else this.#told(`payment ${treatment}`, null);
    return this.#afterPayment(treatment, chance);
  }

  #afterPayment(treatment: Treatment, chance: Chance): Answered {
    const usual = served('the goods', chance.between(1, 60));
    switch (treatment) {
      case 'takeAndServe':
        return { ...usual, headers: ['Payment-Receipt', RECEIPT] };
      case 'takeSlowly':
        return { ...usual, afterMs: chance.between(1_000, 12_000) };
      case 'takeEmpty':
        return { ...usual, status: 204, body: '' };
      case 'takeAndCut':
        return { ...usual, breaks: 'body' };
      case 'takeAndFail':
      case 'refuseFailing':
        return { ...usual, status: 500 };
      case 'takeAndAskAgain':
      case 'refuseAgain':
        return demanded([this.#ask('fair', chance)], usual.afterMs);
      case 'takeAndHang':
      case 'hang':
        return { ...usual, afterMs: Number.POSITIVE_INFINITY };
      case 'takeAndBreak':
        return { ...usual, breaks: 'head' };
      case 'takeAndForbid':
      case 'refuseForbidden':
        return { ...usual, status: 403 };
      case 'takeAndRedirect':
        return redirected(usual.afterMs);
    }
  }

  /** The wire of the sandbox rail: what is wrong with a payment, or the entry in the books. */
  #take(payment: string, arrived: Arrived): Taken | string {
    const credential = JSON.parse(Buffer.from(payment, 'base64url').toString('utf8')) as Credential;
    const { challenge, payload } = credential;
    const asked = this.#asked.get(challenge.id);
    if (!asked || asked.request !== challenge.request) return 'no such demand';
    if (this.#now() > payload.until * 1_000) return 'too late';
    if (asked.expiresAt < this.#now()) return 'the demand has expired';
    if (this.#seen.has(payload.nonce)) return 'seen before';
    const signed = JSON.stringify([
      ...['sandbox/charge', challenge.id, challenge.realm, challenge.request, payload.nonce, payload.until],
    ]);
    if (!verify(null, Buffer.from(signed), keyOf(payload.key), Buffer.from(payload.signature, 'base64url'))) {
      return 'a wrong signature';
    }
    this.#seen.add(payload.nonce);
    this.#paid = asked;
    return {
      ...{ service: this.id, nonce: payload.nonce, key: payload.key, challenge: challenge.id },
      ...{ atoms: asked.atoms, currency: asked.currency, at: this.#now() },
      request: arrived.headers.get('x-request') ?? '',
      purchase: arrived.headers.get('x-purchase') ?? '',
    };
  }
}

interface Credential {
  readonly challenge: { readonly id: string; readonly realm: string; readonly request: string };
  readonly payload: {
    readonly key: string;
    readonly nonce: string;
    readonly until: number;
    readonly signature: string;
  };
}

const RECEIPT = Buffer.from(JSON.stringify({ status: 'success', reference: 'ref-1' })).toString('base64url');

const KEYS = new Map<string, KeyObject>();

function keyOf(x: string): KeyObject {
  const known = KEYS.get(x);
  if (known) return known;
  const made = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  KEYS.set(x, made);
  return made;
}

const served = (body: string, afterMs: number): Answered => ({ status: 200, headers: [], body, afterMs, breaks: 'no' });

const redirected = (afterMs: number): Answered => ({
  ...served('elsewhere', afterMs),
  ...{ status: 302, headers: ['Location', 'https://elsewhere.test/'] },
});

const demanded = (challenges: readonly string[], afterMs: number): Answered => ({
  ...{ status: 402, body: 'pay first', afterMs, breaks: 'no' as const },
  headers: challenges.flatMap((challenge) => ['WWW-Authenticate', challenge]),
});
