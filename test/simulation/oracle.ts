// Judges a run by what the counterparties' books, the stores and the logs say, after every step; it shares no code with
// the gateway. What must hold stands in the list of invariants of the hostile cases, and each rule here says which.
import {
  type HoldEntry,
  type LineEntry,
  LogReader,
  lastIn,
  nonceOf,
  placeOf,
  type ReceiptEntry,
  readEmbedded,
  readRedis,
  type StoreEntries,
} from './books.ts';
import type { Asked } from './buyer.ts';
import type { SimulatedGateway } from './gateway.ts';
import type { Taken } from './merchant.ts';
import { MIDNIGHT, type PlannedPurchase } from './plan.ts';
import { BUDGETS, LIMITS, REVIEWED } from './town.ts';
import type { World } from './world.ts';

/** What was violated, and how. */
export class Violation extends Error {
  readonly rule: string;

  constructor(rule: string, text: string) {
    super(`${rule}: ${text}`);
    this.rule = rule;
  }
}

/** What a payment that was intended names. */
interface Intent {
  readonly receipt: ReceiptEntry;
  readonly hold: string;
  readonly places: readonly string[];
  readonly gateway: string;
}

/** Amounts in ten-thousandths of a micro-unit: points are worth 7000.3337 of them, and cents 10,000 whole ones. */
const WORTH: Readonly<Record<string, bigint>> = { usd: 10_000n * 10_000n, pts: 70_003_337n };

/** From the last look at an agent's standing to its intent in the log, on a disk that is not slow. */
const STANDING_MS = 600;
/** So many batches of a slow disk lie between them. */
const STANDING_BATCHES = 4;

const NO_MONEY_CODES = new Set([
  ...['token_missing', 'token_invalid', 'token_expired', 'agent_unknown', 'agent_suspended', 'service_unknown'],
  ...['target_forbidden', 'denied', 'no_entitlement', 'challenge_malformed', 'challenge_unsupported', 'token_revoked'],
  ...[
    'challenge_expired',
    'challenge_mismatch',
    'challenge_reused',
    'asset_unknown',
    'payee_forbidden',
    'over_ceiling',
  ],
  ...['over_max_price', 'rail_unavailable', 'budget_exceeded', 'service_paused', 'stopped', 'slow_down'],
  ...['idempotency_mismatch', 'body_too_large', 'upstream_unreachable', 'upstream_timeout', 'store_unavailable'],
  ...['ledger_unavailable', 'in_flight', 'already_paid', 'header_malformed'],
]);

/** Heartbeats that were answered are not further apart than this, also on bad links, but for pauses; ms. */
const HEARTBEATS_MS = 5_000;

/** The judge of one run. */
export class Oracle {
  readonly #world: World;
  readonly #gateways: readonly SimulatedGateway[];
  readonly #logs = new Map<string, LogReader>();
  readonly #receipts = new Map<string, ReceiptEntry>();
  readonly #intents = new Map<string, Intent>();
  /** Kinds of receipts by hold. */
  readonly #kinds = new Map<string, string[]>();
  /** Exchanges that were refused. */
  readonly #refused = new Set<string>();
  /** Holds whose payment a chain took back: settled by the service's word, or voided by evidence. */
  readonly #lost = new Set<string>();
  readonly #takenByHold = new Map<string, Taken>();
  readonly #takenByChallenge = new Map<string, Taken>();
  readonly #takenByRequest = new Map<string, Taken>();
  readonly #takenByPurchase = new Map<string, Taken[]>();
  /** Ten-thousandths of a micro-unit by line and by where its window starts. */
  readonly #spent = new Map<string, Map<number, bigint>>();
  readonly #closed = new Set<string>();
  readonly #policySince = new Map<string, { readonly name: string; readonly at: number }>();
  #fresh: Taken[] = [];
  #holds: ReadonlyMap<string, HoldEntry> = new Map();
  #lines: ReadonlyMap<string, LineEntry> = new Map();
  #stops: ReadonlySet<string> = new Set();
  #newest = 0;
  #generation = 0;
  /** The newest generation in which the store has forgotten something; an older one comes back only by forgetting. */
  #damaged = -1;
  readonly #dropped = new Set<string>();
  #version = -1;
  #versions = new Map<string, number>();
  readonly #standingMs: number;
  readonly #longestPauseMs: number;

  constructor(world: World, gateways: readonly SimulatedGateway[]) {
    this.#world = world;
    const slowest = Math.max(0, ...world.plan.faults.map((fault) => (fault.kind === 'diskSlow' ? fault.stallMs : 0)));
    this.#longestPauseMs = Math.max(0, ...world.plan.faults.map((fault) => (fault.kind === 'pause' ? fault.ms : 0)));
    this.#standingMs = STANDING_MS + STANDING_BATCHES * slowest;
    this.#gateways = gateways;
    world.taken = (taken) => this.#fresh.push(taken);
    world.lost = (taken) => this.#takenBack(taken);
    for (const { name } of gateways) this.#logs.set(name, new LogReader());
  }

  /** After every step. Throws a {@link Violation}. */
  check(): void {
    const { slip } = this.#world;
    if (slip) throw new Violation('13', `a fault is the gateway's own: ${slip.message}`);
    this.#readLogs();
    const version = this.#storeVersion();
    if (version !== this.#version) {
      this.#version = version;
      this.#judgeStore(this.readStore());
    }
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const taken of fresh) this.#judgePayment(taken);
  }

  /** A gateway's disk lost what was not synced: what it was told is durable must be there still. */
  lostPower(gateway: SimulatedGateway): void {
    const there = lastIn(gateway.disk.db);
    if (there < gateway.told)
      throw new Violation('1.3', `${gateway.name} was told that receipt ${gateway.told} is durable`);
    const reader = new LogReader();
    for (const receipt of reader.read(gateway.disk.db)) {
      // What was written although its commit failed was not read yet, and stands in the file that is opened next.
      if (!this.#receipts.has(receipt.id)) this.#judgeReceipt(gateway.name, receipt);
    }
    this.#logs.set(gateway.name, reader);
    if (this.#world.redis) return;
    this.#holds = new Map();
    this.#newest = 0;
    this.#version = -1;
  }

  /**
   * The shared store has forgotten something: until it is rebuilt its numbers say nothing. Its time is then what the
   * gateways know of it, from their last heartbeats.
   */
  storeForgot(): void {
    this.#damaged = this.#generation;
    this.#newest -= HEARTBEATS_MS + this.#longestPauseMs;
  }

  /** These lines were there before a key was dropped. One that nobody reads again is never missed. */
  linesDropped(before: ReadonlyMap<string, LineEntry>): void {
    const { lines } = this.readStore();
    for (const place of before.keys()) if (!lines.has(place)) this.#dropped.add(place);
  }

  /** A gateway took up another policy set. */
  tookUp(gateway: string, name: string): void {
    this.#policySince.set(gateway, { name, at: this.#world.timeline.now });
  }

  /** What an agent was answered. */
  answered({ request, answer }: Asked): void {
    if (!answer) return;
    const code = /"code":"([a-z_]+)"/.exec(answer.body)?.[1];
    const receipt = /"receipt":"([^"]+)"/.exec(answer.body)?.[1];
    if (receipt !== undefined && !this.#receipts.has(receipt)) {
      throw new Violation('4', `${request} was told of receipt ${receipt}, which is in no log`);
    }
    if (code !== undefined && NO_MONEY_CODES.has(code)) this.#closed.add(request);
    const paid = this.#takenByRequest.get(request);
    if (paid && this.#closed.has(request)) throw new Violation('5', `${request} was refused with ${code}, and paid`);
    const state = /;state=settled/.test(answer.headers.get('purser-receipt') ?? '');
    const replayed = /;replayed/.test(answer.headers.get('purser-receipt') ?? '');
    if (state && !replayed && !paid)
      throw new Violation('2', `${request} was answered as settled, and nothing was paid`);
  }

  /** Nothing is under way any more, no rebuild either. */
  settled(): boolean {
    const { holds, open } = this.readStore();
    return open && [...holds.values()].every(({ state }) => state === 'settled' || state === 'voided');
  }

  /** The end of a run: budgets, receipts and the services' books, to the last atom. */
  judgeEnd(): void {
    const { holds, lines } = this.readStore();
    for (const { id, state } of holds.values()) {
      if (state === 'held' || state === 'exposed') throw new Violation('7', `hold ${id} is still ${state}`);
    }
    const counted = new Map<string, bigint>();
    for (const [nonce, { hold, places, receipt }] of this.#intents) {
      const kinds = this.#kinds.get(hold) ?? [];
      const ends = kinds.filter((kind) => kind === 'settled' || kind === 'voided');
      if (ends.length !== 1)
        throw new Violation('4', `hold ${hold} has ${ends.length} closing receipts: ${kinds.join(', ')}`);
      const taken = this.#takenByHold.get(hold);
      if (!this.#lost.has(hold) && (ends[0] === 'settled') !== (taken !== undefined)) {
        throw new Violation(
          '2',
          `${hold} (${nonce}) is ${ends[0]} in the log, and ${taken ? 'paid' : 'not paid'} in the books`,
        );
      }
      if (ends[0] !== 'settled') continue;
      for (const place of places) counted.set(place, (counted.get(place) ?? 0n) + microsOf(receipt));
    }
    for (const [place, line] of lines) {
      if (line.held !== 0n) throw new Violation('7', `${place} still holds ${line.held}`);
      const paid = counted.get(place) ?? 0n;
      if (line.settled !== paid)
        throw new Violation('2', `${place} has ${line.settled} settled, its receipts say ${paid}`);
    }
    for (const [place, paid] of counted) {
      // Parts of a rolling line are forgotten when they are old.
      if (lines.has(place) || place.startsWith('service-minute') || this.#dropped.has(place)) continue;
      throw new Violation('2', `${place} is not counted, and ${paid} was paid`);
    }
  }

  readStore(): StoreEntries {
    const [first] = this.#gateways;
    if (this.#world.redis) return readRedis(this.#world.redis.model);
    if (!first?.disk.version) return NOTHING;
    return readEmbedded(first.disk.db);
  }

  #storeVersion(): number {
    return this.#world.redis?.version ?? this.#gateways[0]?.disk.version ?? 0;
  }

  #readLogs(): void {
    for (const { name, disk } of this.#gateways) {
      if (this.#versions.get(name) === disk.version || disk.version === 0) continue;
      this.#versions.set(name, disk.version);
      let receipts: ReceiptEntry[];
      try {
        receipts = this.#logs.get(name)?.read(disk.db) ?? [];
      } catch (error) {
        throw new Violation('8', `log ${name}: ${error instanceof Error ? error.message : ''}`);
      }
      for (const receipt of receipts) this.#judgeReceipt(name, receipt);
    }
  }

  #judgeReceipt(gateway: string, receipt: ReceiptEntry): void {
    const { id, kind, exchange = '', hold, decision, proof } = receipt;
    this.#world.covered(`sealed ${kind}`);
    this.#receipts.set(id, receipt);
    if (kind === 'refused') {
      if (this.#refused.has(exchange)) throw new Violation('4', `${exchange} is refused twice`);
      this.#refused.add(exchange);
    }
    if (!hold) return;
    if (kind === 'intended' || kind === 'settled') this.#world.moment(kind, hold.id);
    const kinds = this.#kinds.get(hold.id) ?? [];
    this.#kinds.set(hold.id, [...kinds, kind]);
    if (kind === 'intended') this.#judgeIntent(gateway, receipt);
    else if (!kinds.includes('intended')) throw new Violation('3', `${id} is ${kind} without an intent`);
    const ended = kinds.some((one) => one === 'settled' || one === 'voided');
    if (ended) throw new Violation('6', `hold ${hold.id} ends twice: ${kinds.join(', ')}, ${kind}`);
    if (kind === 'voided' && this.#takenByHold.has(hold.id))
      throw new Violation('6', `${hold.id} is voided, and was paid`);
    if (decision === undefined || proof === undefined) throw new Violation('14', `${id} names no decision or no proof`);
  }

  #judgeIntent(gateway: string, receipt: ReceiptEntry): void {
    const { id, hold, proof, decision, exchange = '', agent } = receipt;
    if (!hold || !proof || decision?.outcome !== 'allowed' || !decision.policy || !decision.entitlement) {
      throw new Violation('3', `${id} is intended without an allowing decision`);
    }
    if (this.#kinds.get(hold.id)?.length !== 1) throw new Violation('3', `${hold.id} is intended twice, or late`);
    if (this.#refused.has(exchange)) throw new Violation('4', `${exchange} is refused and intended`);
    const places = hold.budgets.map((line) => placeOf(line.id, line.scope, Date.parse(line.window)));
    this.#intents.set(nonceOf(proof), { receipt, hold: hold.id, places, gateway });
    const lost = this.#lostStanding(gateway, agent?.id);
    if (lost !== undefined && this.#world.timeline.now > lost + this.#standingMs) {
      throw new Violation(
        '9',
        `${id}: ${agent?.id} pays ${this.#world.timeline.now - lost} ms after it lost its standing`,
      );
    }
  }

  /** Since when this gateway has known that an agent may pay nothing; undefined when it may, or nobody can say. */
  #lostStanding(gateway: string, agent: string | undefined): number | undefined {
    const since = this.#policySince.get(gateway);
    const resumed = this.#gateways.find(({ name }) => name === gateway)?.life?.pausedUntil ?? 0;
    const forbidden = since?.name === 'annSuspended' ? 'ann' : since?.name === 'bobRevoked' ? 'bob' : null;
    if (since && agent === forbidden) return Math.max(since.at, resumed);
    // A gateway whose clock was set does not know when its agent's time is over.
    const set = this.#world.plan.faults.some(({ kind }) => kind === 'clockStep');
    return agent === REVIEWED && this.#world.timeline.now >= MIDNIGHT && !set ? Math.max(MIDNIGHT, resumed) : undefined;
  }

  #judgeStore({ holds, lines, stops, generation, bringing, open }: StoreEntries): void {
    if (generation !== this.#generation || !open || generation <= this.#damaged) {
      // What is being rebuilt is incomplete, and nobody counts on it before it is open.
      if (generation !== this.#generation) this.#dropped.clear();
      this.#generation = generation;
      this.#holds = new Map();
      this.#lines = new Map();
      this.#stops = new Set();
      return;
    }
    const held = new Map<string, bigint>();
    for (const hold of holds.values()) {
      this.#judgeHold(hold, stops);
      if (hold.state === 'held' && !this.#holds.has(hold.id)) this.#judgeUnsettled(hold, holds);
      if (hold.state !== 'held' && hold.state !== 'exposed') continue;
      for (const place of hold.places) held.set(place, (held.get(place) ?? 0n) + hold.micros);
    }
    for (const [place, line] of lines) {
      this.#judgeLine(place, line, lines);
      const sum = held.get(place) ?? 0n;
      if (line.held < sum || (line.held > sum && !bringing)) {
        throw new Violation('7', `${place} holds ${line.held}, its open holds are ${sum}`);
      }
    }
    this.#judgeSettled(holds, lines);
    this.#holds = holds;
    this.#lines = lines;
    this.#stops = stops;
  }

  #judgeHold(hold: HoldEntry, stops: ReadonlySet<string>): void {
    const before = this.#holds.get(hold.id);
    if (before?.state === hold.state) return;
    this.#world.covered(`hold ${before?.state ?? 'none'} to ${hold.state}`);
    this.#world.story('store', `hold ${hold.id} ${before ? `${before.state} → ` : ''}${hold.state} (${hold.micros})`);
    // What was never seen as held was brought to a rebuilt store, with the times of its life.
    if (!before && hold.state === 'held' && this.#holds.size > 0 && hold.heldAt < this.#newest) {
      throw new Violation('13', `the store's time went back by ${this.#newest - hold.heldAt} ms`);
    }
    if (hold.state === 'held' || hold.state === 'exposed') this.#world.moment(hold.state, hold.id);
    if (hold.state === 'held') this.#newest = Math.max(this.#newest, hold.heldAt);
    const allowed = before ? MOVES[before.state]?.includes(hold.state) : true;
    if (!allowed) throw new Violation('6', `hold ${hold.id} went from ${before?.state} to ${hold.state}`);
    if (hold.state === 'voided' && this.#takenByHold.has(hold.id)) {
      throw new Violation('6', `hold ${hold.id} is voided, and was paid`);
    }
    if (hold.state !== 'exposed' || !before) return;
    if (hold.exposedAt >= hold.lease) throw new Violation('6', `hold ${hold.id} was exposed after it had lapsed`);
    const names = ['all:*', `agent:${hold.agent}`, `service:${hold.service}`, `wallet:${hold.wallet}`];
    const stop = names.find((name) => this.#stops.has(name) && stops.has(name));
    if (stop) throw new Violation('9', `hold ${hold.id} was exposed while ${stop} was stopped`);
  }

  /** Who has too many purchases of unknown outcome at a service begins no more there; one that ends now is none. */
  #judgeUnsettled({ id, pair }: HoldEntry, now: ReadonlyMap<string, HoldEntry>): void {
    let unsettled = 0;
    for (const one of this.#holds.values()) {
      if (one.pair === pair && one.closed && now.get(one.id)?.state === 'exposed') unsettled += 1;
    }
    if (unsettled >= LIMITS.unsettled) throw new Violation('7', `${id} is held beside ${unsettled} that are unsettled`);
  }

  #judgeLine(place: string, line: LineEntry, lines: ReadonlyMap<string, LineEntry>): void {
    const { budget, scope, start } = line;
    const terms = BUDGETS[budget as keyof typeof BUDGETS];
    const used = 'rolling' in terms ? rollingSum(line, lines, terms.lengthMs) : line.settled + line.held;
    if (used > terms.limit * this.#world.plan.times) {
      throw new Violation('1', `${place} uses ${used} of ${terms.limit * this.#world.plan.times}`);
    }
    if (terms.payments !== null && line.payments > terms.payments * Number(this.#world.plan.times)) {
      throw new Violation('1', `${budget} ${scope} ${start} counts ${line.payments} payments`);
    }
  }

  /** What is settled changes only by a hold that is settled. */
  #judgeSettled(holds: ReadonlyMap<string, HoldEntry>, lines: ReadonlyMap<string, LineEntry>): void {
    if (this.#holds.size === 0 || this.#generation > 1) return;
    const expected = new Map<string, bigint>();
    for (const { id, state, places, micros } of this.#holds.values()) {
      // A clock that was set can have it forgotten in the very step after its end; then its receipt tells.
      const now = holds.get(id)?.state ?? this.#kinds.get(id)?.findLast((kind) => kind === 'settled');
      if (state !== 'exposed' || now !== 'settled') continue;
      for (const place of places) expected.set(place, (expected.get(place) ?? 0n) + micros);
    }
    for (const [place, line] of lines) {
      const before = this.#lines.get(place)?.settled ?? 0n;
      const should = before + (expected.get(place) ?? 0n);
      if (line.settled !== should)
        throw new Violation('2', `${place} has ${line.settled} settled, should have ${should}`);
    }
  }

  #judgePayment(taken: Taken): void {
    const { nonce, request } = taken;
    const intent = this.#intents.get(nonce);
    if (!intent) throw new Violation('3', `${request} was paid (${nonce}) without a durable intent`);
    const { hold, receipt, places } = intent;
    this.#world.moment('taken', hold);
    if (receipt.challenge?.id !== taken.challenge)
      throw new Violation('10', `${request} answers another challenge than decided`);
    const worth = taken.atoms * (WORTH[taken.currency] ?? 0n);
    const micros = microsOf(receipt);
    if (micros * 10_000n < worth)
      throw new Violation('1', `${request}: ${micros} held for what is worth ${worth}/10000`);
    if (micros * 10_000n >= worth + 10_000n)
      throw new Violation('1', `${request}: ${micros} held for only ${worth}/10000`);
    once(this.#takenByHold, hold, taken, 'hold');
    once(this.#takenByChallenge, `${taken.service} ${taken.challenge}`, taken, 'challenge');
    once(this.#takenByRequest, request, taken, 'request');
    this.#judgePurchase(taken, micros);
    if (this.#closed.has(request)) throw new Violation('5', `${request} was refused, and is paid`);
    const state = this.#holds.get(hold)?.state;
    // A store that has forgotten it is about to be rebuilt.
    const forgotten = state === undefined && this.#world.redis !== null;
    if (state !== 'exposed' && state !== 'settled' && !forgotten) {
      throw new Violation('3', `${request} is paid while its hold is ${state ?? 'not there'}`);
    }
    for (const place of places) this.#judgeSpent(place, worth);
  }

  #takenBack(taken: Taken): void {
    this.#fresh = this.#fresh.filter((one) => one !== taken);
    const intent = this.#intents.get(taken.nonce);
    if (!intent || this.#takenByHold.get(intent.hold) !== taken) return;
    this.#lost.add(intent.hold);
    this.#takenByHold.delete(intent.hold);
    this.#takenByChallenge.delete(`${taken.service} ${taken.challenge}`);
    this.#takenByRequest.delete(taken.request);
    for (const [name, paid] of this.#takenByPurchase) {
      this.#takenByPurchase.set(
        name,
        paid.filter((one) => one !== taken),
      );
    }
    const worth = taken.atoms * (WORTH[taken.currency] ?? 0n);
    for (const place of intent.places) this.#judgeSpent(place, -worth);
  }

  /** Equal requests without a key cannot be told apart: no more of them are paid than were wanted. */
  #judgePurchase(taken: Taken, micros: bigint): void {
    const { purchases } = this.#world.plan;
    const one = purchases.find(({ id }) => id === taken.purchase);
    const most = one ? mostFor(one) : null;
    if (most !== null && micros > most) throw new Violation('3', `${taken.request} buys for ${micros} of ${most}`);
    const equal = ({ agent, service, method, path, body, key }: PlannedPurchase): string | null =>
      key === null ? JSON.stringify([agent, service, method, path, body]) : null;
    const name = (one && equal(one)) ?? taken.purchase;
    const paid = [...(this.#takenByPurchase.get(name) ?? []), taken];
    this.#takenByPurchase.set(name, paid);
    const wanted = purchases.filter((other) => equal(other) === name).length;
    if (paid.length <= Math.max(1, wanted)) return;
    throw new Violation(
      '5',
      `the purchase ${taken.purchase} is paid twice: ${paid.map(({ nonce }) => nonce).join(', ')}`,
    );
  }

  /** What the books say of one window; of a rolling budget, of each that this part is in. */
  #judgeSpent(place: string, worth: bigint): void {
    const [budget = ''] = place.split(' ');
    const line = place.slice(0, place.lastIndexOf(' '));
    const parts = this.#spent.get(line) ?? new Map<number, bigint>();
    this.#spent.set(line, parts);
    const start = Number(place.slice(line.length));
    parts.set(start, (parts.get(start) ?? 0n) + worth);
    const terms = BUDGETS[budget as keyof typeof BUDGETS];
    const lengthMs = 'rolling' in terms ? terms.lengthMs : 1;
    for (const end of parts.keys()) {
      let spent = 0n;
      for (const [at, part] of parts) if (at > end - lengthMs && at <= end) spent += part;
      if (spent > terms.limit * this.#world.plan.times * 10_000n) {
        throw new Violation('1', `${line} ${end}: ${spent}/10000 was paid`);
      }
    }
  }
}

const NOTHING: StoreEntries = {
  ...{ holds: new Map(), lines: new Map(), stops: new Set<string>(), generation: 0, bringing: false, open: true },
};

const MOVES: Readonly<Record<string, readonly string[]>> = {
  held: ['exposed', 'voided'],
  exposed: ['settled', 'voided'],
};

/** What each limit that agents name is in the only currency that is paid in, micro-units. */
const MAX_PRICES: Readonly<Record<string, bigint>> = { '0.01 USD': 10_000n, '0.05 USD': 50_000n, '1 EUR': 0n };

/** The most that a purchase may cost by how it is asked for, in micro-units; null: nothing is said of it. */
function mostFor({ agent, sends, maxPrice }: PlannedPurchase): bigint | null {
  if (agent === 'eve' || agent === 'forged' || sends !== 'all') return 0n;
  return maxPrice === null ? null : (MAX_PRICES[maxPrice] ?? 0n);
}

function once(map: Map<string, Taken>, name: string, taken: Taken, what: string): void {
  const before = map.get(name);
  if (before) throw new Violation('5', `the ${what} ${name} is paid twice: ${before.nonce} and ${taken.nonce}`);
  map.set(name, taken);
}

function microsOf({ hold }: ReceiptEntry): bigint {
  return BigInt((hold?.amount ?? '0').replace('.', ''));
}

/** What counts at the latest when this part is the newest. */
function rollingSum(line: LineEntry, lines: ReadonlyMap<string, LineEntry>, lengthMs: number): bigint {
  let sum = 0n;
  for (const other of lines.values()) {
    if (other.budget !== line.budget || other.scope !== line.scope) continue;
    if (other.start > line.start - lengthMs && other.start <= line.start) sum += other.settled + other.held;
  }
  return sum;
}
