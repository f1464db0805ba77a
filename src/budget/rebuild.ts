// Brings a shared store back to what the receipts say, together with the other gateways: joins it, brings what is ours,
// waits for the rest, and speaks for one that does not come. It is called again and again; each call does what it can.
import type { Account, AccountTotal, Notes } from '../domain/account.ts';
import { broughtHold, broughtLine, Places } from './brought.ts';
import type { ClaimHasher } from './claims.ts';
import { astrayOf, type Membership } from './membership.ts';
import { type Noted, type Peer, peerNote, readNotes } from './notes.ts';
import type { RedisMembers, Stand } from './redis-members.ts';
import { NotDone, type Term } from './store.ts';
import { windowsOf } from './terms.ts';
import type { Calendar } from './windows.ts';

/** What a rebuild works with. */
export interface RebuildParts {
  readonly members: RedisMembers;
  readonly membership: Membership;
  readonly account: Account;
  readonly notes: Notes;
  readonly hasher: ClaimHasher;
  readonly calendar: Calendar;
  /** How long one that does not come is waited for; ms. */
  readonly missingAfterMs: number;
}

/** How it stands after a try. `missing`: the logs that are waited for, by name. */
export type Standing =
  | { readonly kind: 'open'; readonly rebuilt: boolean }
  | { readonly kind: 'waiting'; readonly missing: readonly string[]; readonly sinceMs: number }
  /** Another process of this log seems to be alive; known for sure with the next heartbeat. */
  | { readonly kind: 'unsure' };

/** The store must not be used with this state folder; the message is for the operator. */
export class StoreRefuses extends Error {}

const HOLDS_PAGE = 100;
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
  readonly #peers = new Map<string, Peer>();
  /** The generation for which the account was folded, and the one that everything of it was brought to. */
  #folded = { generation: 0, sealed: 0 };
  #brought = 0;
  #cloneAt: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #said = '';

  constructor(parts: RebuildParts) {
    this.#parts = parts;
  }

  /** The gateways whose statements are known, by their logs. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
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
    let stand = await members.join(account.sealed(), [...this.#peers.keys()]);
    if (stand.kind === 'older') throw new StoreRefuses(olderText(membership.log, account.sealed(), stand.recorded));
    if (stand.kind === 'cloned') return this.#seemsCloned(stand.at);
    if (stand.kind === 'bring') stand = await this.#bring(stand);
    if (stand.kind === 'waiting') stand = await this.#speakForMissing(stand);
    if (stand.kind === 'waiting') {
      return { kind: 'waiting', missing: stand.missing, sinceMs: stand.now - stand.since };
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
    const { membership, members, account, notes } = this.#parts;
    if (membership.generation === null) return;
    await account.fold();
    const statement = statementOf(await account.spent(this.#places(now).since()));
    const known = [...this.#peers].map(([log, { mark }]) => ({ log, mark }));
    const heard = await members.say(statement === this.#said ? '' : statement, known);
    this.#said = statement;
    const { acknowledged, latest } = membership;
    const news: Record<string, string> = { acknowledged: `${acknowledged}`, latest: `${latest}` };
    for (const { log, mark, text } of heard) {
      const peer: Peer = { mark, statement: text, givenUp: false };
      this.#peers.set(log, peer);
      Object.assign(news, peerNote(log, peer));
    }
    await notes.write(news);
  }

  async #recall(): Promise<void> {
    if (this.#noted) return;
    const { membership, notes } = this.#parts;
    const noted = readNotes(await notes.read());
    membership.known = Math.max(membership.known, noted.generation);
    membership.latest = Math.max(membership.latest, noted.latest);
    membership.acknowledge(noted.acknowledged);
    for (const { field, value } of noted.terms) this.#terms.set(field, value);
    for (const [log, peer] of noted.peers) this.#peers.set(log, peer);
    this.#noted = noted;
  }

  /** Heard again after that, the other one lives. */
  #seemsCloned(at: number): Standing {
    if (this.#cloneAt !== undefined && at > this.#cloneAt)
      throw new StoreRefuses(clonedText(this.#parts.membership.log));
    this.#cloneAt = at;
    return { kind: 'unsure' };
  }

  async #enter({ kind, generation, now }: Extract<Stand, { kind: 'open' | 'opened' }>): Promise<void> {
    const { membership, members, notes } = this.#parts;
    await notes.write({ generation: `${generation}`, acknowledged: `${membership.acknowledged}`, latest: `${now}` });
    membership.latest = now;
    membership.enter(generation);
    this.#said = '';
    if (kind === 'opened' && generation > 1) members.dropBefore(generation).catch(() => {});
  }

  /** Brings everything of ours, once for a generation: orders, purchases, then totals, so that nothing is too low. */
  async #bring({ generation, now }: Bring): Promise<Stand> {
    const { members, membership, account } = this.#parts;
    return this.#orBroken(generation, async () => {
      if (this.#brought !== generation) {
        // Once for a generation: what is brought in pieces, and again after a lost reply, must be one and the same.
        if (this.#folded.generation !== generation) this.#folded = { generation, sealed: await account.fold() };
        const places = this.#places(now);
        await members.agree(this.#termList());
        for (const { name, stoppedAt, startedAt, because, by } of await account.orders()) {
          await members.bringOrder(generation, name, stoppedAt, startedAt, JSON.stringify({ because, by }));
        }
        await this.#bringHolds(generation, places, now);
        const totals = await account.totals(places.since());
        await this.#bringTotals(
          generation,
          { log: membership.log, how: 'told', mark: this.#folded.sealed },
          totals,
          places,
        );
        this.#brought = generation;
      }
      return members.attest(generation, membership.log, 'itself');
    });
  }

  async #bringHolds(generation: number, places: Places, now: number): Promise<void> {
    const { members, account, hasher } = this.#parts;
    let after = '';
    for (;;) {
      const page = await account.holds(after, HOLDS_PAGE, now);
      const last = page.at(-1);
      if (!last) return;
      const holds = page.map((hold) => broughtHold(places, hasher, hold));
      await members.bringHolds(generation, holds);
      after = last.id;
    }
  }

  async #bringTotals(
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
    const { members, missingAfterMs, notes } = this.#parts;
    const waited = stand.now - stand.since >= missingAfterMs;
    let now: Stand = stand;
    for (const log of stand.missing) {
      const peer = this.#peers.get(log) ?? { mark: -1, statement: '[]', givenUp: false };
      if (!waited && !peer.givenUp) continue;
      now = await this.#orBroken(stand.generation, async () => {
        const totals = totalsOf(peer.statement);
        const whose = { log, how: 'guess' as const, mark: Math.max(0, peer.mark) };
        await this.#bringTotals(stand.generation, whose, totals, this.#places(stand.now));
        return members.attest(stand.generation, log, 'for');
      });
      if (peer.givenUp) continue;
      const given: Peer = { ...peer, givenUp: true };
      this.#peers.set(log, given);
      await notes.write(peerNote(log, given));
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

function statementOf(totals: readonly AccountTotal[]): string {
  return JSON.stringify(totals.map((one) => [one.budget, one.scope, one.windowStart, `${one.settled}`, one.payments]));
}

function totalsOf(statement: string): AccountTotal[] {
  const lines = JSON.parse(statement) as [string, string, number, string, number][];
  return lines.map(([budget, scope, windowStart, settled, payments]) => ({
    ...{ budget, scope, windowStart, settled: BigInt(settled), payments },
  }));
}

function olderText(log: string, sealed: number, recorded: number): string {
  return (
    `the state folder is an older copy: its log ${log} ends at receipt ${sealed}, and the budget store was told of ` +
    `receipt ${recorded}. Put the newest copy of the folder back; if there is none, move this one away, so that a ` +
    'new log begins: what is open stays counted, and can be resolved at any gateway'
  );
}

function clonedText(log: string): string {
  return (
    `another gateway runs on a copy of this state folder: it goes by the same log, ${log}. ` +
    'Stop one of them, and give each gateway a state folder of its own'
  );
}
