// The public keys of one issuer: read when they are due, at most once per cool-down whatever agents send, and never
// from anywhere but the configured place. It must never accept a private or symmetric key.
import { readFile, stat } from 'node:fs/promises';
import { type CryptoKey, createLocalJWKSet, type JSONWebKeySet, type LocalJWKSet } from 'jose';
import type { Clock } from '../domain/clock.ts';
import { isJsonObject, type JsonObject, readJson } from '../domain/strict-json.ts';
import type { KeySource } from './issuer.ts';

/** A key and the set it was found in. */
export interface FoundKey {
  readonly key: CryptoKey;
  readonly generation: number;
}

/** The keys of one issuer. */
export interface KeySet {
  /**
   * Changes whenever the keys change; undefined when the set is due and has to be read before it may be relied upon.
   * Cheap: no I/O before it returns.
   */
  generation(): number | undefined;
  /**
   * The one key that fits a token's `alg` and `kid`. `unknown`: the issuer has none. `unavailable`: its keys cannot be
   * read, and no good set is young enough. Never rejects.
   */
  find(header: JsonObject): Promise<FoundKey | 'unknown' | 'unavailable'>;
}

/** Milliseconds and bytes. */
export interface KeySetLimits {
  /** A set asked for longer ago than this is asked for again before it is relied upon. */
  readonly freshMs: number;
  /** From this age on it is asked for again in the background. */
  readonly earlyMs: number;
  /** The shortest time between two requests. */
  readonly coolDownMs: number;
  /** The same while there is no good set at all. */
  readonly firstCoolDownMs: number;
  /** How long the last good set serves while its place fails. */
  readonly lastGoodMs: number;
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/** For a set read by URL. */
export const URL_LIMITS: KeySetLimits = {
  freshMs: 300_000,
  earlyMs: 240_000,
  coolDownMs: 30_000,
  firstCoolDownMs: 5_000,
  lastGoodMs: 86_400_000,
  maxBytes: 1_048_576,
  timeoutMs: 5_000,
};

/** For a set in a file, which costs next to nothing to look at. */
export const FILE_LIMITS: KeySetLimits = {
  ...URL_LIMITS,
  freshMs: 2_000,
  earlyMs: 1_000,
  coolDownMs: 1_000,
  firstCoolDownMs: 1_000,
};

/** Reads the document once; `unchanged` when it is the one that was read last. Rejects when it cannot. */
type ReadDocument = () => Promise<Uint8Array | 'unchanged'>;

/**
 * Opens the key set of a source. `report` is told, in one sentence without foreign text, when the keys cannot be read,
 * and once when they can again.
 */
export function openKeySet(
  source: KeySource,
  clock: Clock,
  report: (problem: string) => void,
  limits: KeySetLimits = source.kind === 'file' ? FILE_LIMITS : URL_LIMITS,
): KeySet {
  if (source.kind === 'memory') return new FixedKeySet(usableKeys(source.jwks.keys));
  const read = source.kind === 'url' ? readUrl(source, limits) : readOnChange(source.path, limits);
  return new ReadKeySet(read, clock, report, limits);
}

/** Keys that are handed over once and never change. */
class FixedKeySet implements KeySet {
  readonly #keys: LocalJWKSet;

  constructor(keys: JSONWebKeySet) {
    this.#keys = createLocalJWKSet(keys);
  }

  generation(): number {
    return 1;
  }

  async find(header: JsonObject): Promise<FoundKey | 'unknown'> {
    return findIn(this.#keys, header, 1);
  }
}

/** Keys that are read again and again. */
class ReadKeySet implements KeySet {
  readonly #read: ReadDocument;
  readonly #clock: Clock;
  readonly #report: (problem: string) => void;
  readonly #limits: KeySetLimits;
  #keys: LocalJWKSet | undefined;
  #text = '';
  #generation = 0;
  /** Monotonic times of the last attempt that ended, and of the last good one. */
  #triedAt = Number.NEGATIVE_INFINITY;
  #goodAt = Number.NEGATIVE_INFINITY;
  #problem: string | undefined;
  #underWay: Promise<void> | undefined;

  constructor(read: ReadDocument, clock: Clock, report: (problem: string) => void, limits: KeySetLimits) {
    this.#read = read;
    this.#clock = clock;
    this.#report = report;
    this.#limits = limits;
  }

  generation(): number | undefined {
    const now = this.#clock.monotonic();
    if (now - this.#triedAt >= this.#limits.freshMs || !this.#isGood(now)) return undefined;
    if (now - this.#triedAt >= this.#earlyMs()) void this.#refresh();
    return this.#generation;
  }

  async find(header: JsonObject): Promise<FoundKey | 'unknown' | 'unavailable'> {
    if (this.generation() === undefined) await this.#refresh();
    const found = await this.#lookUp(header);
    if (found !== 'unknown') return found;
    // The issuer may have a new key since: ask again, unless it was asked a moment ago.
    await this.#refresh();
    return this.#lookUp(header);
  }

  #isGood(now: number): boolean {
    return this.#keys !== undefined && now - this.#goodAt < this.#limits.lastGoodMs;
  }

  #earlyMs(): number {
    return this.#problem === undefined ? this.#limits.earlyMs : this.#limits.coolDownMs;
  }

  async #lookUp(header: JsonObject): Promise<FoundKey | 'unknown' | 'unavailable'> {
    if (!this.#keys || !this.#isGood(this.#clock.monotonic())) return 'unavailable';
    return findIn(this.#keys, header, this.#generation);
  }

  /** One attempt, shared by all who wait; none within the cool-down. */
  #refresh(): Promise<void> {
    const coolDownMs = this.#keys ? this.#limits.coolDownMs : this.#limits.firstCoolDownMs;
    if (!this.#underWay && this.#clock.monotonic() - this.#triedAt < coolDownMs) return Promise.resolve();
    this.#underWay ??= this.#attempt().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #attempt(): Promise<void> {
    let problem: string | undefined;
    try {
      const document = await this.#read();
      if (document !== 'unchanged') this.#take(document);
      this.#goodAt = this.#clock.monotonic();
    } catch (cause) {
      problem = cause instanceof Unreadable ? cause.message : 'they cannot be reached';
    }
    this.#triedAt = this.#clock.monotonic();
    if (problem !== this.#problem) {
      this.#report(problem === undefined ? 'the keys can be read again' : `the keys cannot be read: ${problem}`);
    }
    this.#problem = problem;
  }

  #take(document: Uint8Array): void {
    const keys = readKeys(document, this.#limits.maxBytes);
    const text = JSON.stringify(keys);
    if (text === this.#text) return;
    this.#text = text;
    this.#keys = createLocalJWKSet(keys);
    this.#generation += 1;
  }
}

async function findIn(keys: LocalJWKSet, header: JsonObject, generation: number): Promise<FoundKey | 'unknown'> {
  try {
    const { alg, kid } = header;
    const key = await keys({ ...(typeof alg === 'string' && { alg }), ...(typeof kid === 'string' && { kid }) });
    return { key, generation };
  } catch {
    // None fits, several fit, or the one that fits is no key.
    return 'unknown';
  }
}

/** Why a document is no key set; the message is ours. */
class Unreadable extends Error {}

function readUrl(source: KeySource & { kind: 'url' }, limits: KeySetLimits): ReadDocument {
  return async () => {
    const { status, body } = await source.fetch(source.url, limits);
    if (status !== 200) throw new Unreadable(`their address answered with status ${status}`);
    return body;
  };
}

function readOnChange(path: string, limits: KeySetLimits): ReadDocument {
  let read = '';
  return async () => {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    const mark = `${ino} ${size} ${mtimeNs}`;
    if (mark === read) return 'unchanged';
    if (size > limits.maxBytes) throw new Unreadable(`their file is larger than ${limits.maxBytes} bytes`);
    const document = await readFile(path);
    readKeys(document, limits.maxBytes);
    read = mark;
    return document;
  };
}

function readKeys(document: Uint8Array, maxBytes: number): JSONWebKeySet {
  const reading = readJson(document, maxBytes);
  if ('problem' in reading) throw new Unreadable(`they are not JSON: ${reading.problem}`);
  const keys = isJsonObject(reading.value) ? reading.value.keys : undefined;
  if (!Array.isArray(keys)) throw new Unreadable('they are not a JSON Web Key Set');
  return usableKeys(keys);
}

const PUBLIC_MEMBERS = ['crv', 'x', 'y', 'n', 'e', 'kid', 'use', 'alg', 'key_ops'];
const SECRET_MEMBERS = ['k', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'oth'];

/** Keeps public asymmetric keys, their public members alone. Their `use`, `key_ops` and `alg` are honoured by jose. */
function usableKeys(keys: readonly unknown[]): JSONWebKeySet {
  const usable = keys.filter(isObject).filter(isPublic);
  return {
    keys: usable.map(({ kty, ...key }) => ({
      kty: String(kty),
      ...Object.fromEntries(PUBLIC_MEMBERS.filter((name) => Object.hasOwn(key, name)).map((name) => [name, key[name]])),
    })),
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isPublic(key: Readonly<Record<string, unknown>>): boolean {
  if (typeof key.kty !== 'string' || !['RSA', 'EC', 'OKP'].includes(key.kty)) return false;
  return !SECRET_MEMBERS.some((name) => Object.hasOwn(key, name));
}
