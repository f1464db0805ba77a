// Brings a shared store back to what the receipts say, together with the other gateways: joins it, brings what is ours,
// waits for the rest, and speaks for one that does not come. It is called again and again; each call does what it can.
import type { Account, AccountTotal, Notes } from '../domain/account.ts';
import { BroughtNames, broughtHold, broughtLine, Places } from './brought.ts';
import type { ClaimHasher } from './claims.ts';
import { astrayOf, type Membership } from './membership.ts';
import { type Noted, type Peer, readNotes } from './notes.ts';
import { Peers } from './peers.ts';
import type { RedisMembers, Stand } from './redis-members.ts';
import { statementOf, totalsOf } from './statements.ts';
import { NotDone, type Term } from './store.ts';
import { clonedText, olderText, StoreRefuses } from './store-refuses.ts';
import { windowsOf } from './terms.ts';
import type { Calendar } from './windows.ts';

/** What a rebuild works with. */
export interface RebuildParts {
  readonly members: RedisMembers;
  readonly membership: Membership;
  readonly account: Account;
  readonly notes: Notes;
  /** Ends a hold in the store; does nothing for one that has ended. */
  readonly end: (hold: string, as: 'settled' | 'voided') => Promise<void>;
  readonly hasher: ClaimHasher;
  readonly calendar: Calendar;
  /** How long one that does not come is waited for; ms. */
  readonly missingAfterMs: number;
}

/** How it stands after a try. `missing`: the logs that are waited for, by name. */
export type Standing =
  | { readonly kind: 'open'; readonly rebuilt: boolean }
  | { readonly kind: 'waiting'; readonly missing: readonly string[]; readonly sinceMs: number }
  /** The living ones of these others do not all know of this gateway yet: they say so within a second. */
  | { readonly kind: 'unmet'; readonly others: readonly string[] }
  /** Another process of this log seems to be alive; known for sure with the next heartbeat. */
  | { readonly kind: 'unsure' };

/** How far one generation has been brought what is ours. */
interface Progress {
  readonly generation: number;
  /** Which of those with this number it is. */
  readonly name: string;
  /** The newest receipt that the account has taken in. */
  readonly sealed: number;
  orders: boolean;
  lines: boolean;
  /** The last purchase that was brought. */
  after: string;
  done: boolean;
}

function beginning(generation: number, name: string, sealed: number): Progress {
  return { generation, name, sealed, orders: false, lines: false, after: '', done: false };
}

const HOLDS_PAGE = 200;
const LINES_PAGE = 500;
/** A reply that says for sure that the step did not begin to write. */
const UNTOUCHED =
  /^(?:ERR )?(?:OOM|LOADING|READONLY|CLUSTERDOWN|MASTERDOWN|BUSY|NOSCRIPT|SKEW|NOREPLICAS|TRYAGAIN|MOVED|ASK)\b/;

type Bring = Extract<Stand, { kind: 'bring' }>;

/** One gateway's part in keeping a store in agreement with the receipts. */
export class Rebuild {
  readonly #parts: RebuildParts;
  #noted: Noted | undefined;
  #terms = new Map<string, string>();
  readonly #peers: Peers;
  /** How far what is ours was brought to the newest generation. */
  #progress = beginning(0, '', 0);
  #reached = false;
  #cloneAt: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #said = '';

  constructor(parts: RebuildParts) {
    this.#parts = parts;
    this.#peers = new Peers(parts.notes);
  }

  /** The gateways whose statements are known, by their logs. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers.all;
  }

  /** Has the store ever answered? */
  get reached(): boolean {
    return this.#reached;
  }

  /** One try. Throws {@link StoreRefuses} where only a person can help, another error when it was not possible. */
  settle(): Promise<Standing> {
    return this.#inTurn(() => this.#settle());
  }

  /** Says what this gateway spent, where that has changed, and notes what the others say. */
  tell(now: number): Promise<void> {
    return this.#inTurn(() => this.#tell(now));
  }

  /** Goes, so that the next process of this log can come at once. */
  async leave(): Promise<void> {
    if (this.#parts.membership.generation !== null) await this.#parts.members.leave();
  }

  /** One at a time: the account must stand still while it is brought. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #settle(): Promise<Standing> {
    const { membership, members, account } = this.#parts;
    if (membership.generation !== null) return { kind: 'open', rebuilt: false };
    await this.#recall();
    let stand = await members.join(account.sealed(), [...this.#peers.all.keys()]);
    this.#reached = true;
    if (stand.kind === 'older') throw new StoreRefuses(olderText(membership.log, account.sealed(), stand.recorded));
    if (stand.kind === 'cloned') return this.#seemsCloned(stand.at);
    if (stand.kind === 'bring') stand = await this.#bring(stand);
    if (stand.kind === 'waiting') stand = await this.#speakForMissing(stand);
    if (stand.kind === 'waiting') {
      return { kind: 'waiting', missing: stand.missing, sinceMs: stand.now - stand.since };
    }
    if (stand.kind === 'unmet') {
      await this.#peers.note(this.#peers.strangers(stand.others));
      return { kind: 'unmet', others: stand.others };
    }
    if (stand.kind !== 'open' && stand.kind !== 'opened') throw new Error('the budget store changed its mind');
    await this.#enter(stand);
    return { kind: 'open', rebuilt: stand.generation > 1 };
  }

  /** Remembers terms that were agreed on, so that a store which forgets them can be told. */
  async agreed(terms: readonly Term[]): Promise<void> {
    const news = terms.filter(({ field, value }) => this.#terms.get(field) !== value);
    if (news.length === 0) return;
    for (const { field, value } of news) this.#terms.set(field, value);
    await this.#parts.notes.write({ terms: JSON.stringify(this.#termList()) });
  }

  async #tell(now: number): Promise<void> {
    const { membership, members, account } = this.#parts;
    if (membership.generation === null) return;
    await account.fold();
    const statement = statementOf(await account.totals(this.#places(now).since()));
    const heard = await members.say(statement === this.#said ? '' : statement, this.#peers.all);
    this.#said = statement;
    const { acknowledged, latest } = membership;
    const news = heard.map(({ log, peer }) => [log, peer] as const);
    await this.#peers.note(news, { acknowledged: `${acknowledged}`, latest: `${latest}` });
    // Whoever just came waits to be known.
    if (news.some(([, { mark }]) => mark < 0)) await members.say('', this.#peers.all);
  }

  async #recall(): Promise<void> {
    if (this.#noted) return;
    const { membership, notes } = this.#parts;
    const noted = readNotes(await notes.read());
    membership.known = Math.max(membership.known, noted.generation);
    membership.latest = Math.max(membership.latest, noted.latest);
    membership.acknowledge(noted.acknowledged);
    for (const { field, value } of noted.terms) this.#terms.set(field, value);
    this.#peers.recall(noted.peers);
    this.#noted = noted;
  }

  /** Heard again after that, the other one lives. */
  #seemsCloned(at: number): Standing {
    if (this.#cloneAt !== undefined && at !== this.#cloneAt)
      throw new StoreRefuses(clonedText(this.#parts.membership.log));
    this.#cloneAt = at;
    return { kind: 'unsure' };
  }

  async #enter({ kind, generation, now, others }: Extract<Stand, { kind: 'open' | 'opened' }>): Promise<void> {
    const { membership, members, account } = this.#parts;
    const news = { generation: `${generation}`, acknowledged: `${membership.acknowledged}`, latest: `${now}` };
    await this.#peers.note(this.#peers.strangers(others), news);
    membership.latest = now;
    membership.enter(generation);
    for (const { id, state } of await account.others()) await this.#parts.end(id, state).catch(() => {});
    this.#said = '';
    if (kind === 'opened' && generation > 1) members.dropBefore(generation).catch(() => {});
  }

  /**
   * Brings everything of ours, once for a generation: orders, totals, then the purchases whose money those hold, so
   * that nothing is ever too low, also where others count already.
   * What a try did not come to, the next one goes on with.
   */
  #bring({ generation, name, now }: Bring): Promise<Stand> {
    const { members, membership, account } = this.#parts;
    return this.#orBroken(generation, async () => {
      // Folded once for a generation: what is brought in pieces must be one and the same account.
      // A store that forgot a generation before it opened begins one of the same number: it has nothing of ours.
      if (this.#progress.generation !== generation || this.#progress.name !== name) {
        this.#progress = beginning(generation, name, await account.fold());
      }
      const progress = this.#progress;
      if (!progress.done) {
        const places = this.#places(now);
        if (!progress.orders) await this.#bringOrders(progress);
        const whose = { log: membership.log, how: 'told' as const, mark: progress.sealed };
        if (!progress.lines) await this.#bringLines(generation, whose, await account.totals(places.since()), places);
        progress.lines = true;
        await this.#bringHolds(progress, places, now);
        progress.done = true;
      }
      return members.attest(progress, membership.log, 'itself');
    });
  }

  async #bringOrders(progress: Progress): Promise<void> {
    const { members, account } = this.#parts;
    await members.agree(this.#termList());
    for (const { name, stoppedAt, startedAt, because, by } of await account.orders()) {
      await members.bringOrder(progress.generation, name, stoppedAt, startedAt, JSON.stringify({ because, by }));
    }
    progress.orders = true;
  }

  /** The next page is made ready while the store takes the last one. */
  async #bringHolds(progress: Progress, places: Places, now: number): Promise<void> {
    const { members, account, hasher } = this.#parts;
    const names = new BroughtNames(hasher);
    const readied = async (after: string) => {
      const page = await account.holds(after, HOLDS_PAGE, now);
      return { brought: page.map((hold) => broughtHold(places, names, hold)), last: page.at(-1) };
    };
    const pageAfter = (id: string) => {
      const page = readied(id);
      page.catch(() => {}); // Whoever waits for it is told; perhaps nobody does any more.
      return page;
    };
    for (let next = pageAfter(progress.after); ; ) {
      const { brought, last } = await next;
      if (!last) return;
      next = pageAfter(last.id);
      await members.bringHolds(progress.generation, brought);
      progress.after = last.id;
    }
  }

  async #bringLines(
    generation: number,
    whose: { log: string; how: 'told' | 'guess'; mark: number },
    totals: readonly AccountTotal[],
    places: Places,
  ): Promise<void> {
    for (let at = 0; at === 0 || at < totals.length; at += LINES_PAGE) {
      const lines = totals.slice(at, at + LINES_PAGE).map((total) => broughtLine(places, total));
      await this.#parts.members.bringLines(generation, whose, lines);
    }
  }

  /** Whoever was waited for long enough is spoken for, with the last that it said. */
  async #speakForMissing(stand: Extract<Stand, { kind: 'waiting' }>): Promise<Stand> {
    const { members, missingAfterMs } = this.#parts;
    const waited = stand.now - stand.since >= missingAfterMs;
    let now: Stand = stand;
    for (const log of stand.missing) {
      const peer = this.#peers.get(log);
      if (!waited && !peer.givenUp) continue;
      now = await this.#orBroken(stand.generation, async () => {
        const whose = { log, how: 'guess' as const, mark: Math.max(0, peer.mark) };
        await this.#bringLines(stand.generation, whose, totalsOf(peer.statement), this.#places(stand.now));
        return members.attest(stand, log, 'for');
      });
      if (peer.givenUp) continue;
      await this.#peers.note([[log, { ...peer, givenUp: true }]]);
    }
    return now;
  }

  /** What may have been brought by half makes the generation useless: the next call begins another one. */
  async #orBroken<T>(generation: number, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const reply = error instanceof NotDone && error.cause instanceof Error ? error.cause.message : undefined;
      const how = reply === undefined ? undefined : astrayOf(reply);
      const untouched = reply === undefined || UNTOUCHED.test(reply) || how === 'FENCED' || how === 'REBUILDING';
      if (!untouched) this.#parts.membership.broken = generation;
      throw error;
    }
  }

  #places(now: number): Places {
    return new Places(windowsOf(this.#termList()), this.#parts.calendar, now);
  }

  #termList(): Term[] {
    return [...this.#terms].map(([field, value]) => ({ field, value }));
  }
}
