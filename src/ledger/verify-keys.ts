// Whose signature counts where in a log: what the key set says, and what rotations sealed in the log add to it. A
// retired key, a key of another log, and one that no rotation named are told apart from the one that signs.
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { canonicalJson } from '../domain/canonical.ts';
import { type NoteKey, originOf, rawPublicKey } from '../domain/note.ts';
import { asObject, expectMembers, type Json } from './verify-lines.ts';

/** A key of a key set; `log` and `seq` where it says whose receipts it signs, and from which one on. */
export interface KnownKey {
  readonly kid: string;
  readonly key: KeyObject;
  readonly log: string | undefined;
  readonly seq: number | undefined;
}

interface Term {
  readonly key: KeyObject;
  /** The first receipt it signs; undefined when nobody said. */
  readonly from: number | undefined;
  /** The last receipt it signs, which names the next key; undefined for the current one. */
  until: number | undefined;
}

/** The keys of a JWKS. Throws Error for what is none. */
export function readKeySet(jwks: unknown): readonly KnownKey[] {
  const { keys } = asObject(jwks, 'key set');
  if (!Array.isArray(keys) || keys.length === 0) throw new Error('the key set has no keys');
  return keys.map(readKey);
}

/** The keys of one log while its receipts are read in order. */
export class LogKeys {
  readonly #log: string;
  readonly #terms = new Map<string, Term>();
  /** The kid that must sign the next receipt; undefined before the first. */
  #expected: string | undefined;

  constructor(log: string, known: readonly KnownKey[]) {
    this.#log = log;
    const own = known.filter((key) => key.log === undefined || key.log === log);
    const dated = own.flatMap(({ seq }) => (seq === undefined ? [] : [seq])).sort((a, b) => a - b);
    for (const { kid, key, seq } of own) {
      const next = seq === undefined ? undefined : dated.find((other) => other > seq);
      this.#terms.set(kid, { key, from: seq, until: next === undefined ? undefined : next - 1 });
    }
  }

  /** The key of a receipt's signature. Throws Error when it is not the one that signs here. */
  ofReceipt(kid: string, seq: number): KeyObject {
    const term = this.#term(kid);
    if (this.#expected !== undefined && this.#expected !== kid) {
      throw new Error('it is signed with another key than before, and no rotation says so');
    }
    if (term.from !== undefined && seq < term.from) throw new Error(`its key signs only from seq ${term.from} on`);
    if (term.until !== undefined && seq > term.until) throw new Error(`its key was retired at seq ${term.until}`);
    this.#expected = kid;
    return term.key;
  }

  /** The key of a statement that the log reached `seq`; one that took over later may say so too. */
  ofHead(kid: string, seq: number): KeyObject {
    const term = this.#term(kid);
    const later = term.from !== undefined && term.from > seq;
    if (this.#expected !== undefined && this.#expected !== kid && !later) {
      throw new Error('it is signed with another key than the receipts before it');
    }
    if (term.until !== undefined && seq >= term.until) throw new Error(`its key was retired at seq ${term.until}`);
    return term.key;
  }

  /** The keys that may have signed a checkpoint of the first `size` receipts. */
  ofCheckpoint(size: number): NoteKey[] {
    const able = [...this.#terms.values()].filter(({ until }) => until === undefined || size < until);
    return able.map(({ key }) => ({ kind: 'log', name: originOf(this.#log), publicKey: rawPublicKey(key) }));
  }

  /** Takes the key that a receipt names as the next one. Throws Error when it is not the one of the key set. */
  rotate(seq: number, named: unknown): void {
    const { kid, x } = asObject(named, 'next key');
    expectMembers(asObject(named, 'next key'), ['kid', 'x']);
    const [thumbprint, key] = publicKey({ kty: 'OKP', crv: 'Ed25519', x });
    if (kid !== thumbprint) throw new Error('the next key is named by another thumbprint than its own');
    const later = [...this.#terms].filter(([, { from }]) => from !== undefined && from > seq);
    const [next] = later.sort(([, a], [, b]) => (a.from ?? 0) - (b.from ?? 0));
    if (next && (next[0] !== thumbprint || next[1].from !== seq + 1)) {
      throw new Error(`the key set says that ${next[0]} signs from seq ${next[1].from} on, not the key named here`);
    }
    const known = this.#terms.get(thumbprint);
    if (this.#expected === thumbprint || (known?.from !== undefined && known.from <= seq)) {
      throw new Error('the next key has signed this log before');
    }
    const retired = this.#expected === undefined ? undefined : this.#terms.get(this.#expected);
    if (retired) retired.until = seq;
    this.#terms.set(thumbprint, { key, from: seq + 1, until: known?.until });
    this.#expected = thumbprint;
  }

  #term(kid: string): Term {
    const term = this.#terms.get(kid);
    if (!term) throw new Error(`it is signed with the key ${kid}, which is not in the key set for this log`);
    return term;
  }
}

function readKey(value: unknown): KnownKey {
  const json = asObject(value, 'key');
  const [kid, key] = publicKey(json);
  const { log, seq } = json;
  if (log !== undefined && typeof log !== 'string') throw new Error('a key names its log by no text');
  if (seq !== undefined && (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1)) {
    throw new Error('a key names its first seq by no number');
  }
  return { kid, key, log, seq };
}

// The name of a key is its RFC 7638 thumbprint, made here: a key under another's name must not stand in for it.
function publicKey({ kty, crv, x }: Json): [string, KeyObject] {
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') throw new Error('a key is not an Ed25519 key');
  const key = createPublicKey({ key: { kty, crv, x }, format: 'jwk' });
  return [createHash('sha256').update(canonicalJson({ crv, kty, x })).digest('base64url'), key];
}
