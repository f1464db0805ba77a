// One connection to the budget's Redis. It answers within its time bound or throws, sends nothing twice, connects
// again by itself, and takes no step on a server that could evict what it counts.

import { setTimeout as sleep } from 'node:timers/promises';
import { type ChainableCommander, Cluster, type Redis } from 'ioredis';
import { openRedisClient, type RedisClient, type RedisPlace } from './redis-client.ts';
import type { Script } from './redis-scripts.ts';
import { NotDone } from './store.ts';

/** How long one step may take, milliseconds; the refusal is out within 250. */
const STEP_MS = 200;
const PROBE_MS = 25;
const AGAIN_MS = 500;
const OPEN_MS = 5_000;
/** How often a server is asked whether it could evict by now. */
const POLICY_MS = 1_000;
/** Keys looked at by one call that removes old ones. */
const DROP_PAGE = 500;
const POLICY = 'maxmemory-policy';
/** How long WAIT waits for replicas; within {@link STEP_MS}. */
const REPLICAS_MS = 100;

/** The plain commands that a store sends beside its scripts. */
export interface RedisCommands {
  zrange(key: string, start: string, stop: string): Promise<string[]>;
  hdel(key: string, field: string): Promise<number>;
  hgetall(key: string): Promise<Record<string, string>>;
}

/** What a store needs of a connection; a simulation has its own. */
export type RedisLink = Pick<RedisConnection, 'open' | 'run' | 'runReplicated' | 'dropKeys' | 'end'> & {
  command<T>(send: (redis: RedisCommands) => Promise<T>): Promise<T>;
};

/** Makes a connection on which these scripts are run; its probe key lies where the steps' keys do. */
export type LinkMaker = (scripts: readonly Script[], probeKey: string) => RedisLink;

/** A connection that is made and kept. */
export class RedisConnection implements RedisLink {
  readonly #redis: RedisClient;
  readonly #probeKey: string;
  readonly #scripts: readonly Script[];
  /** Why no step may be taken now; undefined when steps may. */
  #closed: string | undefined = 'not connected yet';
  /** The servers that were found fit, as addresses. */
  #checked = '';
  #silent = false;
  #ended = false;

  /**
   * Connects in the background. `scripts` are sent ahead; `probeKey` lies where the steps' keys do, on one server of a
   * cluster.
   */
  constructor(place: RedisPlace, scripts: readonly Script[], probeKey: string) {
    this.#scripts = scripts;
    this.#probeKey = probeKey;
    this.#redis = openRedisClient(place);
    this.#redis.on('error', () => {}); // Each step says what became of it; without a listener the process would end.
    this.#redis.on('close', () => {
      this.#closed = 'the connection is down';
    });
    this.#redis.on('end', () => this.#connectAgain());
    this.#redis.on('ready', () => void this.#check());
    this.#redis.on('refresh', () => void this.#checkNewMasters());
    void this.#watchPolicy();
  }

  /** Resolves once steps may be taken; throws within 5 s, with the reason, when they may not. */
  async open(): Promise<void> {
    const deadline = performance.now() + OPEN_MS;
    while (this.#closed !== undefined) {
      const refused = this.#closed.startsWith(POLICY);
      if (refused || performance.now() > deadline) {
        const reason = refused ? this.#closed : `no answer within ${OPEN_MS / 1000} s (${this.#closed})`;
        this.end();
        throw new NotDone(`Redis cannot be used for budgets: ${reason}; mend it, or correct budgets.redis`);
      }
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
    }
  }

  /** Runs one step. Throws {@link NotDone} when it certainly did not happen, another error when that is unknown. */
  async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#send(async (redis) => {
      try {
        return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
      } catch (error) {
        if (!isUnknownScript(error)) throw error;
        return redis.eval(script.text, keys.length, ...keys, ...args);
      }
    });
  }

  /** As {@link run}, and answers also how many replicas have what the step wrote. */
  async runReplicated(script: Script, keys: readonly string[], args: readonly string[], replicas: number) {
    return this.#send(async (redis) => {
      const send = (pipeline: ChainableCommander) => pipeline.wait(replicas, REPLICAS_MS).exec();
      let replies = await send(redis.pipeline().evalsha(script.sha, keys.length, ...keys, ...args));
      if (isUnknownScript(replies?.[0]?.[0])) {
        replies = await send(redis.pipeline().eval(script.text, keys.length, ...keys, ...args));
      }
      const [step, wait] = replies ?? [];
      if (!step || !wait) throw new Error('no reply');
      if (step[0]) throw step[0];
      return { answer: step[1], replicas: wait[0] ? 0 : Number(wait[1]) };
    });
  }

  /** A plain command, within the time bound and under the same rules. */
  command<T>(send: (redis: RedisCommands) => Promise<T>): Promise<T> {
    return this.#send(send);
  }

  /** Removes the keys that match a pattern and that `drop` names, a page at a time. */
  async dropKeys(pattern: string, drop: (key: string) => boolean): Promise<void> {
    for (const server of this.#servers()) {
      let cursor = '0';
      do {
        const [next, keys] = await server.scan(cursor, 'MATCH', pattern, 'COUNT', DROP_PAGE);
        const dropped = keys.filter(drop);
        if (dropped.length > 0) await server.unlink(...dropped);
        cursor = next;
      } while (cursor !== '0' && !this.#ended);
    }
  }

  async #send<T>(send: (redis: RedisClient) => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) throw new NotDone(`Redis: ${this.#closed}`);
    // What is sent to a server that does not answer may still happen later: rather send nothing until it does.
    if (this.#silent) throw new NotDone('Redis: no answer in time; asking again');
    try {
      return await within(STEP_MS, send(this.#redis));
    } catch (error) {
      if (isReply(error)) throw new NotDone(`Redis refused: ${error.message}`, { cause: error });
      void this.#probe();
      throw error;
    }
  }

  /** A client that gave up is told to go on: a gateway must not need a restart to find its store. */
  #connectAgain(): void {
    if (this.#ended) return;
    this.#closed = 'the connection is down';
    setTimeout(() => {
      if (!this.#ended) this.#redis.connect().catch(() => {});
    }, AGAIN_MS).unref();
  }

  /** Lets go of the connection at once. */
  end(): void {
    this.#ended = true;
    this.#closed = 'shut down';
    this.#redis.disconnect();
  }

  /** After a step without an answer: silent until one comes. */
  async #probe(): Promise<void> {
    if (this.#silent) return;
    this.#silent = true;
    while (!this.#ended) {
      try {
        await within(STEP_MS, this.#redis.exists(this.#probeKey));
        break;
      } catch (error) {
        if (isReply(error)) break;
        await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
      }
    }
    this.#silent = false;
  }

  /** Before any step: the scripts are there, and the server evicts nothing, which would forget spending. */
  async #check(): Promise<void> {
    try {
      const servers = this.#servers();
      await Promise.all(servers.flatMap((server) => this.#scripts.map(({ text }) => server.script('LOAD', text))));
      const wrong = await evicting(servers);
      if (this.#ended || this.#redis.status !== 'ready') return;
      this.#checked = addresses(servers);
      this.#closed = wrong;
    } catch {
      if (!this.#ended) this.#redis.disconnect(true);
    }
  }

  /** Another server of a cluster took over: it too must evict nothing. */
  async #checkNewMasters(): Promise<void> {
    if (this.#closed === undefined && addresses(this.#servers()) !== this.#checked) await this.#check();
  }

  /** Whoever runs the server can let it evict while it serves, and mend that again. */
  async #watchPolicy(): Promise<void> {
    while (!this.#ended) {
      await sleep(POLICY_MS, undefined, { ref: false });
      if (this.#closed !== undefined && !this.#closed.startsWith(POLICY)) continue;
      const wrong = await within(STEP_MS, evicting(this.#servers())).catch(() => this.#closed);
      if (this.#closed === undefined || this.#closed.startsWith(POLICY)) this.#closed = wrong;
    }
  }

  #servers(): Redis[] {
    return this.#redis instanceof Cluster ? this.#redis.nodes('master') : [this.#redis];
  }
}

const addresses = (servers: readonly Redis[]): string =>
  servers
    .map(({ options }) => `${options.host}:${options.port}`)
    .sort()
    .join();

/** What is wrong when one of these servers could evict; undefined when none could. */
async function evicting(servers: readonly Redis[]): Promise<string | undefined> {
  const infos = await Promise.all(servers.map((server) => server.info('memory')));
  const policies = infos.map((info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1]);
  const wrong = policies.findIndex((policy) => policy !== 'noeviction');
  if (wrong < 0) return undefined;
  return `${POLICY} is ${policies[wrong] ?? 'not shown'}, which can evict budgets; set it to noeviction`;
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

function isUnknownScript(error: unknown): boolean {
  return isReply(error) && error.message.startsWith('NOSCRIPT');
}

/** Throws when the answer is late. A busy gateway first reads what has arrived: only Redis is to blame for lateness. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const giveUp = () => reject(new Error(`Redis: no answer within ${ms} ms`));
    timer = setTimeout(() => setImmediate(() => setImmediate(giveUp)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
