// A witness: it cosigns a checkpoint only when the log has grown from the last one that it cosigned (C2SP
// tlog-witness). So whoever holds a log's key cannot show two histories to those who ask for its cosignature.
import { createHash } from 'node:crypto';
import { EMPTY_ROOT, growsFrom } from '../domain/merkle.ts';
import { cosign, type NoteKey, noteOf, rawPublicKey, signedBy } from '../domain/note.ts';
import type { Memory, Remembered } from './memory.ts';
import { type AddCheckpoint, readRequest } from './request.ts';

/** An answer over HTTP. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What a witness works with. */
export interface WitnessParts {
  /** Its name in cosignatures. */
  readonly name: string;
  readonly memory: Memory;
  /** The keys of the logs it knows, as they are now. A key's name is the origin of its log. */
  readonly logs: () => readonly NoteKey[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A witness. */
export class Witness {
  readonly key: NoteKey;
  readonly #parts: WitnessParts;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
    this.key = { kind: 'witness', name: parts.name, publicKey: rawPublicKey(parts.memory.privateKey) };
  }

  /** Answers `POST /add-checkpoint`. */
  add(body: string): Answer {
    let request: AddCheckpoint;
    try {
      request = readRequest(body);
    } catch (error) {
      return text(400, error instanceof Error ? error.message : 'unreadable');
    }
    const { origin } = request.checkpoint;
    const keys = this.#parts.logs().filter(({ kind, name }) => kind === 'log' && name === origin);
    if (keys.length === 0) return text(404, 'this witness does not know the log');
    const signed = linesOf(request, keys);
    if (signed.length === 0) return text(403, 'no signature of a key that this witness knows for the log');
    return this.#parts.memory.advance(origin, (last) => this.#judge(request, signed, last));
  }

  /** Answers `GET /<SHA-256 of an origin in hex>/checkpoint`. */
  latest(originHash: string): Answer {
    const origins = new Set(this.#parts.logs().map(({ name }) => name));
    const origin = [...origins].find((name) => createHash('sha256').update(name).digest('hex') === originHash);
    const last = origin === undefined ? undefined : this.#parts.memory.last(origin);
    return last ? { status: 200, type: 'text/plain; charset=utf-8', body: last.note } : text(404, 'nothing cosigned');
  }

  #judge({ old, proof, checkpoint }: AddCheckpoint, signed: readonly string[], last: Remembered | undefined) {
    const known = last ?? { size: 0, root: EMPTY_ROOT };
    if (old !== known.size) {
      return { answer: { status: 409, type: 'text/x.tlog.size', body: `${known.size}\n` } };
    }
    // The empty tree has one root and needs no proof; a tree of the same size has to be the same.
    const empty = checkpoint.size === 0 && !checkpoint.root.equals(EMPTY_ROOT);
    if (empty || !growsFrom(known, checkpoint, proof)) {
      return { answer: text(422, 'it is not proved that the log has grown from the last checkpoint') };
    }
    const seconds = Math.floor(this.#parts.now() / 1_000);
    const line = cosign(checkpoint.text, this.key, this.#parts.memory.privateKey, seconds);
    const { size, root } = checkpoint;
    const next = { size, root, note: noteOf(checkpoint.text, [...signed, line]) };
    return { next, answer: { status: 200, type: 'text/plain; charset=utf-8', body: `${line}\n` } };
  }
}

/** The lines by which keys of the log have signed; none when one that names such a key is not its signature. */
function linesOf({ checkpoint }: AddCheckpoint, keys: readonly NoteKey[]): string[] {
  try {
    return keys.flatMap((key) =>
      checkpoint.signatures
        .filter((signature) => signedBy({ text: checkpoint.text, signatures: [signature] }, key) !== undefined)
        .map(({ line }) => line),
    );
  } catch {
    return [];
  }
}

const text = (status: number, body: string): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${body}\n`,
});
