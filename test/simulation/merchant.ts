// Merchants of the sandbox rail, written from docs/sandbox-rail.md alone, in some runs of a chain too. Each keeps books
// of its own, which are the truth about what was paid; some take the money and then say nothing, or something else.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Authorised } from './chain.ts';
import type { AuthorisationPayload, ChainTill, Moved } from './chain-till.ts';
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

/** What comes of an authorisation that a service kept without a word: used or cancelled later, or nothing. */
const KEPT = { usedLater: 0.4, cancelledLater: 0.15, withinMs: 45_000 };

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
  readonly #lost: (taken: Taken) => void;
  readonly #address: string;
  readonly #till: ChainTill | null;
  #latest: string | null = null;
  #paid: Asked | null = null;
  #count = 0;

  /**
   * `told` hears of each demand and each payment, and what was done with it; `lost` of one that a chain took back.
   * `till`: where it is paid on a chain as well, at its `address`.
   */
  constructor(options: {
    readonly id: string;
    readonly payee: string;
    readonly address: string;
    readonly till: ChainTill | null;
    readonly now: () => number;
    readonly seed: (name: string) => Chance;
    readonly told: (what: string, taken: Taken | null) => void;
    readonly lost: (taken: Taken) => void;
  }) {
    this.id = options.id;
    this.payee = options.payee;
    this.#now = options.now;
    this.#seed = options.seed;
    this.#told = options.told;
    this.#lost = options.lost;
    this.#address = options.address;
    this.#till = options.till;
  }

  /** Answers a request. */
  answer(arrived: Arrived): Answered {
    this.#count += 1;
    const name = `${arrived.headers.get('x-request') ?? ''} ${arrived.path}`;
    const payment = /^Payment (.*)$/.exec(arrived.headers.get('authorization') ?? '')?.[1];
    if (payment === undefined) return this.#demand(arrived, this.#seed(name));
    // A stream of its own: how it treats a payment does not follow from what it asked for.
    return this.#treat(payment, arrived, this.#seed(`${name} paid`));
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
    const till = demand !== 'points' && this.#till !== null && chance.happens(0.6) ? this.#till : null;
    const id = `${this.id}-${this.#count}-${chance.bits().toString(36)}`;
    const currency = demand === 'foreignAsset' ? 'eur' : demand === 'points' ? 'pts' : 'usd';
    const atoms = demand === 'zero' ? 0n : BigInt(demand === 'dear' ? 900 : chance.between(1, 18));
    const life =
      demand === 'brief' ? chance.between(900, 2_500) : demand === 'expired' ? -5_000 : chance.between(8_000, 40_000);
    const expiresAt = this.#now() + life;
    const foreign = demand === 'foreignAsset' ? 'asset' : demand === 'foreignPayee' ? 'payee' : null;
    const text = till
      ? till.request(atoms, this.#address, foreign)
      : { amount: String(atoms), currency, recipient: foreign === 'payee' ? 'stranger' : this.payee };
    const request = Buffer.from(JSON.stringify(text)).toString('base64url');
    const expires = new Date(expiresAt).toISOString();
    const shown = demand === 'garbled' ? `${request}=!` : request;
    const params = {
      ...{ id, realm: `${this.id}.test`, method: till ? 'evm' : 'sandbox', intent: 'charge', request: shown, expires },
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
    const { challenge, payload } = JSON.parse(Buffer.from(payment, 'base64url').toString('utf8')) as Credential;
    if (this.#till && 'type' in payload) {
      const sale = this.#sale(this.#till, challenge, payload, arrived);
      return typeof sale === 'string'
        ? this.#notTaken(sale, chance)
        : this.#onChain(this.#till, treatment, sale, chance);
    }
    if (treatment.startsWith('take')) {
      const taken = this.#take(challenge, payload as SandboxPayload, arrived);
      if (typeof taken === 'string') return this.#notTaken(taken, chance);
      this.books.push(taken);
      this.#told(`payment ${treatment}`, taken);
    } else this.#told(`payment ${treatment}`, null);
    return this.#afterPayment(treatment, chance);
  }

  #notTaken(why: string, chance: Chance): Answered {
    this.#told(`payment not taken: ${why}`, null);
    return demanded([this.#ask('fair', chance)], chance.between(1, 20));
  }

  /** Who takes the money waits for the block that has it; who says something else can take it all the same, later. */
  #onChain(till: ChainTill, treatment: Treatment, { authorised, moved }: Sale, chance: Chance): Answered {
    this.#told(`authorisation ${treatment}`, null);
    if (!treatment.startsWith('take')) {
      const after = chance.between(0, KEPT.withinMs);
      if (chance.happens(KEPT.usedLater)) till.settleLater(after, authorised, moved);
      else if (chance.happens(KEPT.cancelledLater)) till.cancelLater(after, authorised);
      return this.#afterPayment(treatment, chance);
    }
    const at = till.settle(authorised, moved);
    if (at === null) return this.#notTaken('no block would have it', chance);
    const answer = this.#afterPayment(treatment, chance);
    return { ...answer, afterMs: answer.afterMs + at - this.#now() };
  }

  /** What is wrong with an authorisation, or what it moves and what is written down when it has. */
  #sale(
    till: ChainTill,
    { id, realm, request }: Challenge,
    payload: AuthorisationPayload,
    arrived: Arrived,
  ): Sale | string {
    const asked = this.#asked.get(id);
    if (!asked || asked.request !== request) return 'no such demand';
    if (asked.expiresAt < this.#now()) return 'the demand has expired';
    const authorised = till.read(payload, { id, realm, atoms: asked.atoms, payee: this.#address });
    if (typeof authorised === 'string') return authorised;
    let taken: Taken | null = null;
    const entered = (): void => {
      this.#paid = asked;
      taken = this.#entry({ ...authorised, key: authorised.payer }, id, asked, arrived);
      this.books.push(taken);
      this.#told('payment on the chain', taken);
    };
    const lost = (): void => {
      if (!taken) return;
      this.books.splice(this.books.indexOf(taken), 1);
      this.#lost(taken);
    };
    return { authorised, moved: { entered, lost } };
  }

  #entry(of: { nonce: string; key: string }, challenge: string, asked: Asked, { headers }: Arrived): Taken {
    return {
      ...{ service: this.id, nonce: of.nonce, key: of.key, challenge },
      ...{ atoms: asked.atoms, currency: asked.currency, at: this.#now() },
      request: headers.get('x-request') ?? '',
      purchase: headers.get('x-purchase') ?? '',
    };
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
  #take(challenge: Challenge, payload: SandboxPayload, arrived: Arrived): Taken | string {
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
    return this.#entry(payload, challenge.id, asked, arrived);
  }
}

interface Challenge {
  readonly id: string;
  readonly realm: string;
  readonly request: string;
}

interface SandboxPayload {
  readonly key: string;
  readonly nonce: string;
  readonly until: number;
  readonly signature: string;
}

interface Credential {
  readonly challenge: Challenge;
  readonly payload: SandboxPayload | AuthorisationPayload;
}

interface Sale {
  readonly authorised: Authorised;
  readonly moved: Moved;
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
