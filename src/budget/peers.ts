// The other gateways of a shared store, as this one last heard of them. They are in its notes before they count as
// known: others rely on it that a store which forgets everything is not brought back without whom this gateway knows.
import type { Notes } from '../domain/account.ts';
import { type Peer, peerNote, UNHEARD } from './notes.ts';

/** Them, by their logs. */
export class Peers {
  readonly #notes: Notes;
  readonly #all = new Map<string, Peer>();

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  get all(): ReadonlyMap<string, Peer> {
    return this.#all;
  }

  get(log: string): Peer {
    return this.#all.get(log) ?? UNHEARD;
  }

  /** What the notes say. */
  recall(noted: Iterable<readonly [string, Peer]>): void {
    for (const [log, peer] of noted) this.#all.set(log, peer);
  }

  /** Those of these logs that are not known yet. */
  strangers(logs: readonly string[]): [string, Peer][] {
    return logs.filter((log) => !this.#all.has(log)).map((log) => [log, UNHEARD]);
  }

  /** Notes what is new of them, and `more` that is news; throws when that was not kept, and then nothing is known. */
  async note(news: readonly (readonly [string, Peer])[], more: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#notes.write(Object.assign({ ...more }, ...news.map(([log, peer]) => peerNote(log, peer))));
    this.recall(news);
  }
}
