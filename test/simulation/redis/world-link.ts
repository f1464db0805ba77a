// A gateway's connection to the simulated Redis: in order, slow at times, with requests and replies that are lost, and
// steps that are carried out after their caller has given up. It keeps to what redis-connection.ts promises: an answer
// or an error within its time bound, nothing sent twice, and silence after a step without an answer until one comes.
import type { RedisCommands, RedisLink } from '../../../src/budget/redis-connection.ts';
import { NotDone } from '../../../src/budget/store.ts';
import type { Chance } from '../random.ts';
import type { Life, Timeline } from '../timeline.ts';
import { commandsOf } from './link.ts';
import { RedisError, type Reply } from './lua.ts';
import type { RedisModel } from './model.ts';

/** The server and the weather around it. */
export interface RedisWorld {
  readonly model: RedisModel;
  /** Nobody is answered; connections break. */
  down: boolean;
  /** Gateways that cannot reach it. */
  readonly cutOff: Set<string>;
  /** How often a request or a reply is lost, or takes very long; from 0 to 1. */
  loss: number;
  /** Changes with each step that was carried out. */
  version: number;
}

const STEP_MS = 200;
const PROBE_MS = 25;
const OPEN_MS = 5_000;

/** One connection of one life. */
export class WorldLink implements RedisLink {
  readonly #timeline: Timeline;
  readonly #life: Life;
  readonly #gateway: string;
  readonly #world: RedisWorld;
  readonly #chance: Chance;
  readonly #told: (what: string) => void;
  readonly #commands: RedisCommands;
  #silent = false;
  /** Requests and replies keep their order. */
  #lastThere = 0;
  #lastBack = 0;

  constructor(parts: {
    timeline: Timeline;
    life: Life;
    gateway: string;
    world: RedisWorld;
    chance: Chance;
    told: (what: string) => void;
  }) {
    this.#timeline = parts.timeline;
    this.#life = parts.life;
    this.#gateway = parts.gateway;
    this.#world = parts.world;
    this.#chance = parts.chance;
    this.#told = parts.told;
    this.#commands = commandsOf((command) => this.#step(() => this.#world.model.command(command)));
  }

  async open(): Promise<void> {
    const until = this.#timeline.now + OPEN_MS;
    while (this.#unreachable()) {
      if (this.#timeline.now > until) throw new NotDone('Redis cannot be used for budgets: no answer within 5 s');
      await new Promise<void>((resolve) => void this.#timeline.after(PROBE_MS, resolve, this.#life));
    }
  }

  end(): void {}

  run(script: { readonly text: string }, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    return this.#guarded(() => this.#step(() => this.#world.model.script(script.text, keys, args)));
  }

  async runReplicated(script: { readonly text: string }, keys: readonly string[], args: readonly string[]) {
    return { answer: await this.run(script, keys, args), replicas: 0 };
  }

  command<T>(send: (redis: RedisCommands) => Promise<T>): Promise<T> {
    return this.#guarded(() => send(this.#commands));
  }

  async dropKeys(_pattern: string, drop: (key: string) => boolean): Promise<void> {
    const found = [...this.#world.model.data.keys()].filter(drop);
    if (found.length > 0) await this.#guarded(() => this.#step(() => this.#world.model.command(['DEL', ...found])));
  }

  #unreachable(): boolean {
    return this.#world.down || this.#world.cutOff.has(this.#gateway);
  }

  async #guarded<T>(send: () => Promise<T>): Promise<T> {
    if (!this.#life.alive) return new Promise<T>(() => {});
    if (this.#world.down) throw new NotDone('Redis: the connection is down');
    if (this.#silent) throw new NotDone('Redis: no answer in time; asking again');
    try {
      return await this.#inTime(send());
    } catch (error) {
      if (error instanceof RedisError) throw new NotDone(`Redis refused: ${error.message}`, { cause: error });
      this.#beSilent();
      throw error;
    }
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`Redis: no answer within ${STEP_MS} ms`));
      const timer = this.#timeline.after(STEP_MS, late, this.#life);
      work.then(resolve, reject).finally(() => {
        timer.off = true;
      });
    });
  }

  /** A request to the server and its reply back. */
  #step(work: () => Reply): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const there = this.#travels(this.#lastThere);
      this.#lastThere = Math.max(this.#lastThere, there.at);
      if (there.lost || this.#unreachable()) return;
      this.#timeline.after(there.at - this.#timeline.now, () => {
        if (this.#world.down) return;
        const answer = carriedOut(work);
        this.#world.version += 1;
        const back = this.#travels(this.#lastBack);
        this.#lastBack = Math.max(this.#lastBack, back.at);
        if (back.lost || this.#unreachable()) return;
        const arrives = () => (answer instanceof Error ? reject(answer) : resolve(answer));
        this.#timeline.after(back.at - this.#timeline.now, arrives, this.#life);
      });
    });
  }

  #travels(noSoonerThan: number): { readonly at: number; readonly lost: boolean } {
    const bad = this.#chance.happens(this.#world.loss);
    const lost = bad && this.#chance.happens(0.5);
    if (bad) this.#told(lost ? 'redis lost' : 'redis late');
    const takes = bad && !lost ? this.#chance.between(50, 3_000) : this.#chance.between(0, 2);
    return { at: Math.max(noSoonerThan, this.#timeline.now + takes), lost };
  }

  #beSilent(): void {
    if (this.#silent) return;
    this.#silent = true;
    const probe = (): void => {
      this.#inTime(this.#step(() => 0)).then(
        () => {
          this.#silent = false;
        },
        () => void this.#timeline.after(PROBE_MS, probe, this.#life),
      );
    };
    probe();
  }
}

function carriedOut(work: () => Reply): Reply | RedisError {
  try {
    return work();
  } catch (error) {
    if (error instanceof RedisError) return error;
    throw error;
  }
}
