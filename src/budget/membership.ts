// What this process knows of its place in a store that it shares: the generation it counts in, and how much of what it
// wrote was acknowledged. It goes with every step, so that the store can tell what it has forgotten.

import type { Random } from '../domain/clock.ts';

/** Why no step can be taken: the store has to be joined (again) first. */
export type Astray = 'LOST' | 'FENCED' | 'REBUILDING' | 'POISONED' | 'WRONGTYPE';

/** Redis puts ERR before what a script raises. */
const ASTRAY = /^(?:ERR )?(LOST|FENCED|REBUILDING|POISONED|WRONGTYPE)\b/;

/** How the store said that it, or this gateway, has gone astray; undefined for any other error. */
export function astrayOf(message: string): Astray | undefined {
  return ASTRAY.exec(message)?.[1] as Astray | undefined;
}

/** A new name for a life of the gateway with this log. */
export function lifeOf({ log, random }: { readonly log: string; readonly random: Random }): string {
  return `${log}:${Buffer.from(random.bytes(9)).toString('base64url')}`;
}

/** One life of one gateway in the store. */
export class Membership {
  readonly log: string;
  /** Names this process in heartbeats and among the members. */
  readonly life: string;
  /** The latest time of the store that is known, ms since 1970. */
  latest = 0;
  /** The newest generation this log brought everything to; 0 when there was none. */
  known = 0;
  /** A generation in which something was found missing or unreadable. */
  broken: number | null = null;
  /** Why it does not count now, for people. */
  why = 'the store was not joined yet';
  #generation: number | null = null;
  #sent = 0;
  #comings = 0;
  #acknowledged = 0;
  #heard: { readonly server: number; readonly at: number } | null = null;
  #onAstray: (why: string) => void = () => {};

  constructor(log: string, life: string) {
    this.log = log;
    this.life = life;
  }

  /** The generation it counts in; null while the store is not joined or is being rebuilt. */
  get generation(): number | null {
    return this.#generation;
  }

  /** The highest mark that the store is known to have. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** From now on it counts in this generation. */
  enter(generation: number): void {
    this.known = generation;
    this.broken = null;
    this.#generation = generation;
  }

  /** A name of its own for each time that it comes to the store. */
  coming(): string {
    this.#comings += 1;
    return `${this.life}.${this.#comings}`;
  }

  /** A mark of its own for a step that writes; they only go up. */
  next(): number {
    this.#sent += 1;
    return this.#sent;
  }

  /** The store has everything up to this mark. */
  acknowledge(mark: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, mark);
    this.#sent = Math.max(this.#sent, mark);
  }

  /** The server's own time (ms since 1970) was answered; `at` is when, by a clock that only goes forward. */
  heard(server: number, at: number): void {
    this.#heard = { server, at };
  }

  /** What the server's own time is by now, at the earliest; null when it was not heard yet. */
  serverTime(at: number): number | null {
    return this.#heard && Math.floor(this.#heard.server + at - this.#heard.at);
  }

  /** The store answered a step of this generation so: from this moment nothing is held, exposed or paid. */
  stray(generation: number, how: Astray, message: string): void {
    const broken = how !== 'FENCED' && how !== 'REBUILDING';
    if (broken) this.broken = Math.max(this.broken ?? 0, generation);
    if (this.#generation !== generation) return;
    this.#generation = null;
    this.why = message;
    this.#onAstray(message);
  }

  /** Called once each time that it goes astray. */
  onAstray(callback: (why: string) => void): void {
    this.#onAstray = callback;
  }
}
