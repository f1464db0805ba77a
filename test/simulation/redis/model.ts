// A small model of Redis: the commands that the store's scripts use, expiry by a clock of its own, and the last writes
// kept in reverse, so that a crash or a failover can forget them.
import { RedisError, type Reply, runScript } from './lua.ts';

type Value =
  | { readonly type: 'string'; text: string }
  | { readonly type: 'hash'; readonly fields: Map<string, string> }
  | { readonly type: 'set'; readonly members: Set<string> }
  | { readonly type: 'zset'; readonly scores: Map<string, number> };

/** One key: its value, and when it goes; milliseconds since 1970 by the server's clock, null for never. */
type Entry = Value & { expiresAt: number | null };

type Kind = Value['type'];

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';

/** A server with its data. `now` is the server's clock. */
export class RedisModel {
  readonly data = new Map<string, Entry>();
  /** Which process it is; another one after a restart or a failover. */
  run = '0123456789abcdef';
  readonly #now: () => number;
  readonly #keep: number;
  #frames: Map<string, Entry | undefined>[] = [];
  #frame: Map<string, Entry | undefined> | null = null;

  /** Keeps the last `keep` writes in reverse. */
  constructor(now: () => number, keep = 0) {
    this.#now = now;
    this.#keep = keep;
  }

  /** Runs a script as one atomic step; throws {@link RedisError} for what Redis answers with an error. */
  script(text: string, keys: readonly string[], args: readonly string[]): Reply {
    return this.#atomic(() => runScript(text, keys, args, (command) => this.#run(command)));
  }

  /** Carries out one command. */
  command(command: readonly string[]): Reply {
    return this.#atomic(() => this.#run(command));
  }

  /** How many writes can be forgotten. */
  get remembered(): number {
    return this.#frames.length;
  }

  /** Forgets the last `count` steps that wrote. */
  forget(count: number): void {
    for (let done = 0; done < count; done += 1) {
      const frame = this.#frames.pop();
      if (!frame) return;
      for (const [key, entry] of frame) {
        if (entry) this.data.set(key, entry);
        else this.data.delete(key);
      }
    }
  }

  /** Forgets everything. */
  flush(): void {
    this.data.clear();
    this.#frames = [];
  }

  #atomic(work: () => Reply): Reply {
    const frame = new Map<string, Entry | undefined>();
    this.#frame = this.#keep > 0 ? frame : null;
    try {
      return work();
    } finally {
      this.#frame = null;
      if (frame.size > 0) this.#frames.push(frame);
      if (this.#frames.length > this.#keep) this.#frames.shift();
    }
  }

  #run([name = '', ...args]: readonly string[]): Reply {
    const command = COMMANDS[name.toUpperCase()];
    // No reply of a server: a step that the model does not know would only look like a store that is never open.
    if (!command) throw new Error(`the model of Redis has no ${name}`);
    return command(this.#door, args);
  }

  readonly #door: Door = {
    run: () => this.run,
    now: () => this.#now(),
    find: (key) => this.#find(key),
    read: (key, kind) => this.#typed(key, kind),
    write: (key, kind) => {
      const found = this.#typed(key, kind);
      this.#remember(key, found);
      if (found) return found;
      const made = EMPTY[kind]();
      this.data.set(key, made);
      return made as Entry & { type: typeof kind };
    },
    touch: (key) => {
      const found = this.#find(key);
      if (found) this.#remember(key, found);
      return found;
    },
    drop: (key) => {
      const found = this.#find(key);
      if (!found) return false;
      this.#remember(key, found);
      return this.data.delete(key);
    },
    put: (key, text, expiresAt) => {
      this.#remember(key, this.#find(key));
      this.data.set(key, { type: 'string', text, expiresAt });
    },
  };

  #find(key: string): Entry | undefined {
    const entry = this.data.get(key);
    if (!entry || entry.expiresAt === null || entry.expiresAt > this.#now()) return entry;
    this.data.delete(key);
    return undefined;
  }

  #typed<K extends Kind>(key: string, kind: K): (Entry & { type: K }) | undefined {
    const entry = this.#find(key);
    if (!entry) return undefined;
    if (entry.type !== kind) throw new RedisError(WRONG_TYPE);
    return entry as Entry & { type: K };
  }

  #remember(key: string, entry: Entry | undefined): void {
    if (!this.#frame || this.#frame.has(key)) return;
    this.#frame.set(key, entry && copyOf(entry));
  }
}

/** The way of a command to the data. */
interface Door {
  run(): string;
  now(): number;
  find(key: string): Entry | undefined;
  read<K extends Kind>(key: string, kind: K): (Entry & { type: K }) | undefined;
  write<K extends Kind>(key: string, kind: K): Entry & { type: K };
  touch(key: string): Entry | undefined;
  drop(key: string): boolean;
  put(key: string, text: string, expiresAt: number | null): void;
}

const EMPTY: Record<Kind, () => Entry> = {
  string: () => ({ type: 'string', text: '', expiresAt: null }),
  hash: () => ({ type: 'hash', fields: new Map(), expiresAt: null }),
  set: () => ({ type: 'set', members: new Set(), expiresAt: null }),
  zset: () => ({ type: 'zset', scores: new Map(), expiresAt: null }),
};

function copyOf(entry: Entry): Entry {
  const { expiresAt } = entry;
  if (entry.type === 'string') return { ...entry };
  if (entry.type === 'hash') return { type: 'hash', fields: new Map(entry.fields), expiresAt };
  if (entry.type === 'set') return { type: 'set', members: new Set(entry.members), expiresAt };
  return { type: 'zset', scores: new Map(entry.scores), expiresAt };
}

type Command = (door: Door, args: readonly string[]) => Reply;

const at = (args: readonly string[], index: number): string => {
  const value = args[index];
  if (value === undefined) throw new RedisError('ERR wrong number of arguments');
  return value;
};

/** Sets and hashes that become empty are gone. */
function tidy(door: Door, key: string, size: number): void {
  if (size === 0) door.drop(key);
}

function byScore(scores: ReadonlyMap<string, number>): [string, number][] {
  return [...scores].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
}

function bound(text: string): (score: number, low: boolean) => boolean {
  if (text === '-inf' || text === '+inf') return () => true;
  const open = text.startsWith('(');
  const value = Number(open ? text.slice(1) : text);
  return (score, low) => (low ? (open ? score > value : score >= value) : open ? score < value : score <= value);
}

function expire(door: Door, key: string, when: number): number {
  const entry = door.touch(key);
  if (!entry) return 0;
  if (when <= door.now()) door.drop(key);
  else entry.expiresAt = when;
  return 1;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  TIME: (door) => {
    const micros = Math.floor(door.now() * 1_000);
    return [String(Math.floor(micros / 1e6)), String(micros % 1e6)];
  },
  GET: (door, args) => door.read(at(args, 0), 'string')?.text ?? null,
  SET: (door, args) => {
    const [key, text, ...more] = [at(args, 0), at(args, 1), ...args.slice(2)];
    const onlyNew = more[0] === 'NX';
    const [unit, time, ...rest] = onlyNew ? more.slice(1) : more;
    if ((unit !== undefined && unit !== 'PX' && unit !== 'PXAT') || rest.length > 0) {
      throw new RedisError('ERR syntax error');
    }
    if (onlyNew && door.find(key)) return null;
    door.put(key, text, unit === undefined ? null : Number(time) + (unit === 'PX' ? door.now() : 0));
    return { ok: 'OK' };
  },
  MSETNX: (door, args) => {
    if (args.length === 0 || args.length % 2 === 1) throw new RedisError('ERR wrong number of arguments');
    if (args.some((key, index) => index % 2 === 0 && door.find(key))) return 0;
    for (let i = 0; i < args.length; i += 2) door.put(at(args, i), at(args, i + 1), null);
    return 1;
  },
  INFO: (door) => `run_id:${door.run()}\r\n`,
  TYPE: (door, args) => ({ ok: door.find(at(args, 0))?.type ?? 'none' }),
  DEL: (door, args) => args.filter((key) => door.drop(key)).length,
  EXISTS: (door, args) => args.filter((key) => door.find(key)).length,
  PEXPIRE: (door, args) => expire(door, at(args, 0), door.now() + Number(at(args, 1))),
  PEXPIREAT: (door, args) => expire(door, at(args, 0), Number(at(args, 1))),
  HGET: (door, args) => door.read(at(args, 0), 'hash')?.fields.get(at(args, 1)) ?? null,
  HMGET: (door, args) => {
    const hash = door.read(at(args, 0), 'hash');
    return args.slice(1).map((field) => hash?.fields.get(field) ?? null);
  },
  HGETALL: (door, args) => [...(door.read(at(args, 0), 'hash')?.fields ?? [])].flat(),
  HSET: (door, args) => {
    if (args.length < 3 || args.length % 2 === 0) throw new RedisError('ERR wrong number of arguments');
    const { fields } = door.write(at(args, 0), 'hash');
    const before = fields.size;
    for (let i = 1; i < args.length; i += 2) fields.set(at(args, i), at(args, i + 1));
    return fields.size - before;
  },
  HSETNX: (door, args) => {
    const { fields } = door.write(at(args, 0), 'hash');
    if (fields.has(at(args, 1))) return 0;
    fields.set(at(args, 1), at(args, 2));
    return 1;
  },
  HDEL: (door, args) => {
    if (!door.read(at(args, 0), 'hash')) return 0;
    const { fields } = door.write(at(args, 0), 'hash');
    const gone = args.slice(1).filter((field) => fields.delete(field)).length;
    tidy(door, at(args, 0), fields.size);
    return gone;
  },
  SADD: (door, args) => {
    const { members } = door.write(at(args, 0), 'set');
    const before = members.size;
    for (const member of args.slice(1)) members.add(member);
    return members.size - before;
  },
  SREM: (door, args) => {
    if (!door.read(at(args, 0), 'set')) return 0;
    const { members } = door.write(at(args, 0), 'set');
    const gone = args.slice(1).filter((member) => members.delete(member)).length;
    tidy(door, at(args, 0), members.size);
    return gone;
  },
  SMEMBERS: (door, args) => [...(door.read(at(args, 0), 'set')?.members ?? [])],
  SCARD: (door, args) => door.read(at(args, 0), 'set')?.members.size ?? 0,
  SSCAN: (door, args) => ['0', [...(door.read(at(args, 0), 'set')?.members ?? [])]],
  ZADD: (door, args) => {
    const { scores } = door.write(at(args, 0), 'zset');
    const before = scores.size;
    for (let i = 1; i < args.length; i += 2) scores.set(at(args, i + 1), Number(at(args, i)));
    return scores.size - before;
  },
  ZREM: (door, args) => {
    if (!door.read(at(args, 0), 'zset')) return 0;
    const { scores } = door.write(at(args, 0), 'zset');
    const gone = args.slice(1).filter((member) => scores.delete(member)).length;
    tidy(door, at(args, 0), scores.size);
    return gone;
  },
  ZREMRANGEBYSCORE: (door, args) => {
    if (!door.read(at(args, 0), 'zset')) return 0;
    const { scores } = door.write(at(args, 0), 'zset');
    const [low, high] = [bound(at(args, 1)), bound(at(args, 2))];
    const gone = [...scores].filter(([, score]) => low(score, true) && high(score, false));
    for (const [member] of gone) scores.delete(member);
    tidy(door, at(args, 0), scores.size);
    return gone.length;
  },
  ZSCORE: (door, args) => {
    const score = door.read(at(args, 0), 'zset')?.scores.get(at(args, 1));
    return score === undefined ? null : String(score);
  },
  ZCARD: (door, args) => door.read(at(args, 0), 'zset')?.scores.size ?? 0,
  ZRANGE: (door, args) => {
    const found = byScore(door.read(at(args, 0), 'zset')?.scores ?? new Map());
    const [from, to] = [Number(at(args, 1)), Number(at(args, 2))];
    return found.slice(from, to < 0 ? found.length + to + 1 : to + 1).map(([member]) => member);
  },
  ZRANGEBYSCORE: (door, args) => {
    const [low, high] = [bound(at(args, 1)), bound(at(args, 2))];
    const all = byScore(door.read(at(args, 0), 'zset')?.scores ?? new Map());
    const found = all.filter(([, score]) => low(score, true) && high(score, false)).map(([member]) => member);
    if (args.length === 3) return found;
    if (at(args, 3) !== 'LIMIT') throw new RedisError('ERR syntax error');
    return found.slice(Number(at(args, 4)), Number(at(args, 4)) + Number(at(args, 5)));
  },
};
